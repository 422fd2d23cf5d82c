"""A request held against the signature that it names. The words of every Refusal are TF Serving's."""

from collections.abc import Iterable, Mapping

import grpc
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from serving.model_server.refusal import Refusal

DEFAULT_SIGNATURE = "serving_default"
PREDICTABLE_METHODS = tuple(f"tensorflow/serving/{method}" for method in ("predict", "classify", "regress"))


def signature_named(name: str, signatures: Mapping[str, SignatureDef]) -> SignatureDef:
    """The signature of that name. Raises Refusal if there is none that Predict can run."""
    signature = signatures.get(name)
    if signature is None or signature.method_name not in PREDICTABLE_METHODS:
        raise Refusal(grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
    return signature


def with_defaults(signature: SignatureDef, inputs: Mapping[str, TensorProto]) -> dict[str, TensorProto]:
    """A request's inputs by name, those left out as the signature has them.

    Raises Refusal if one is missing that has no default, or one is there that the signature does not name.
    """
    # predict_util.cc and saved_model/util.cc tell these three apart.
    wanted = signature.inputs
    if len(inputs) > len(wanted) or (len(inputs) < len(wanted) and not signature.defaults):
        raise Refusal(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"input size does not match signature: {len(inputs)}!={len(wanted)} "
            f"len({_braced(inputs)}) != len({_braced(wanted)}). "
            f"Sent extra: {_braced(set(inputs) - set(wanted))}. "
            f"Missing but required: {_braced(set(wanted) - set(inputs))}.",
        )
    for alias in sorted(set(wanted) - set(inputs) - set(signature.defaults)):
        raise Refusal(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"Signature input alias: {alias}(feed name: {wanted[alias].name}) not found in request and no default "
            f"value provided. Inputs expected to be in the request {_braced(inputs)}, "
            f"or default input alias set: {','.join(sorted(signature.defaults))}",
        )
    used = set(inputs) & set(wanted)
    if len(used) < len(inputs):
        raise Refusal(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"Inputs contains invalid name. Used request inputs: {','.join(sorted(used))}, "
            f"request input: {','.join(sorted(inputs))}",
        )
    return {**signature.defaults, **inputs}


def chosen_outputs(signature: SignatureDef, output_filter: list[str]) -> tuple[str, ...]:
    """The names of the outputs to give, in alphabetical order: those in `output_filter`, or without one all.

    Raises Refusal for a name that the signature does not have, or that is asked for twice.
    """
    for name in output_filter:
        if name not in signature.outputs:
            raise Refusal(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"output tensor alias not found in signature: {name} "
                f"Outputs expected to be in the set {_braced(signature.outputs)}.",
            )
        if output_filter.count(name) > 1:
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, f"duplicate output tensor alias: {name}")
    return tuple(sorted(output_filter or signature.outputs))


def _braced(names: Iterable[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"
