"""Generate the modules of this package: `python -m kakeai.protos.generate`. It needs Kakeai's dev packages."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

HERE = Path(__file__).parent
PACKAGE = "kakeai.protos"
# Modules of tensorflow-serving-api that Kakeai uses. What they depend on is generated as well.
ROOTS = [
    "tensorflow_serving.apis.get_model_metadata_pb2",
    "tensorflow_serving.apis.get_model_status_pb2",
    "tensorflow_serving.apis.model_service_pb2",
    "tensorflow_serving.apis.prediction_log_pb2",
    "tensorflow_serving.apis.prediction_service_pb2",
    "tensorflow_serving.config.model_server_config_pb2",
]
SERVICES = ["tensorflow_serving/apis/model_service.proto", "tensorflow_serving/apis/prediction_service.proto"]
FOREIGN = "tensorflow|tensorflow_serving|xla"  # first parts of generated imports that move into this package


def official_files() -> list[FileDescriptor]:
    """Return the files of `ROOTS` and of all that they depend on, dependencies first."""
    files: dict[str, FileDescriptor] = {}

    def add(file: FileDescriptor) -> None:
        if file.name not in files:
            for dependency in file.dependencies:
                add(dependency)
            files[file.name] = file

    for root in ROOTS:
        add(import_module(root).DESCRIPTOR)
    return list(files.values())


def generate(destination: Path) -> None:
    """Write all generated modules under `destination`, which stands for this package's folder."""
    official = official_files()
    names = [file.name for file in official if not file.name.startswith("google/")]
    with tempfile.TemporaryDirectory() as folder:
        descriptors = Path(folder, "official.pb")
        files = FileDescriptorSet()
        for file in official:
            files.file.add().ParseFromString(file.serialized_pb)
        descriptors.write_bytes(files.SerializeToString())
        _protoc(destination, [f"--descriptor_set_in={descriptors}"], names)
        _protoc(destination, [f"--descriptor_set_in={descriptors}"], SERVICES, kinds=["grpc_python"])
    own = [path.relative_to(HERE).as_posix() for path in HERE.glob("kakeai/*.proto")]
    _protoc(destination, [f"--proto_path={HERE}"], sorted(own))
    for path in destination.rglob("*_pb2*.py*"):
        text = path.read_text("utf-8")
        path.write_text(re.sub(rf"^from ((?:{FOREIGN})\b)", rf"from {PACKAGE}.\1", text, flags=re.MULTILINE), "utf-8")
    for folder in {parent for path in destination.rglob("*_pb2.py") for parent in path.parents}:
        if folder != destination and destination in folder.parents:
            (folder / "__init__.py").write_text('"""Generated; see `kakeai.protos`."""\n')


def _protoc(
    destination: Path, source: list[str], names: Iterable[str], kinds: Iterable[str] = ("python", "pyi")
) -> None:
    outputs = [f"--{kind}_out={destination}" for kind in kinds]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *source, *outputs, *names], check=True)


if __name__ == "__main__":
    generate(HERE)
