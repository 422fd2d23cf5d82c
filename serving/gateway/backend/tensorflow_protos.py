"""TF Serving's messages and stubs, without TensorFlow.

``tensorflow_serving.apis`` needs of TensorFlow only its generated ``*_pb2`` files, but importing one of
them runs TensorFlow's own ``__init__``: seconds and hundreds of megabytes. So an empty module stands in for
``tensorflow`` while they are imported, with the installed package's folder as its path, and goes again
afterwards; whoever needs the real TensorFlow in the same process can still import it. Where only the
``*_pb2`` files are installed, under an empty package, the same code works.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType
from typing import Any, TypeAlias

from kakeai.errors import KakeaiError


@contextmanager
def _tensorflow_as_a_folder() -> Iterator[None]:
    """Let ``tensorflow.*_pb2`` be imported without running ``tensorflow/__init__.py``."""
    if "tensorflow" in sys.modules:
        yield
        return
    spec = find_spec("tensorflow")
    if spec is None or spec.submodule_search_locations is None:
        raise KakeaiError(
            "TensorFlow's message files are not installed: install the gateway's lock file, "
            "or tensorflow and tensorflow-serving-api."
        )
    stand_in = ModuleType("tensorflow")
    stand_in.__path__ = list(spec.submodule_search_locations)
    sys.modules["tensorflow"] = stand_in
    try:
        yield
    finally:
        if sys.modules.get("tensorflow") is stand_in:
            del sys.modules["tensorflow"]


with _tensorflow_as_a_folder():
    from tensorflow.core.framework import tensor_pb2, types_pb2
    from tensorflow_serving.apis import (
        get_model_metadata_pb2,
        get_model_status_pb2,
        model_service_pb2_grpc,
        predict_pb2,
        prediction_service_pb2_grpc,
    )

# Generated code makes its classes at run time, so no type checker can see them: named once, here.
Proto: TypeAlias = Any  # any generated message

TensorProto: Any = vars(tensor_pb2)["TensorProto"]
DT_FLOAT: int = vars(types_pb2)["DT_FLOAT"]
DT_INT32: int = vars(types_pb2)["DT_INT32"]
DT_INT64: int = vars(types_pb2)["DT_INT64"]
PredictRequest: Any = vars(predict_pb2)["PredictRequest"]
PredictResponse: Any = vars(predict_pb2)["PredictResponse"]
GetModelMetadataRequest: Any = vars(get_model_metadata_pb2)["GetModelMetadataRequest"]
GetModelMetadataResponse: Any = vars(get_model_metadata_pb2)["GetModelMetadataResponse"]
GetModelStatusRequest: Any = vars(get_model_status_pb2)["GetModelStatusRequest"]
GetModelStatusResponse: Any = vars(get_model_status_pb2)["GetModelStatusResponse"]
ModelVersionStatus: Any = vars(get_model_status_pb2)["ModelVersionStatus"]
PredictionServiceStub: Any = prediction_service_pb2_grpc.PredictionServiceStub
ModelServiceStub: Any = model_service_pb2_grpc.ModelServiceStub
