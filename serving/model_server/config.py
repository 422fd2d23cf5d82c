"""Which models are served, and which of their versions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cloudpathlib import CloudPath

from kakeai.errors import KakeaiError
from kakeai.protos.tensorflow_serving.config.file_system_storage_path_source_pb2 import (
    FileSystemStoragePathSourceConfig,
)
from kakeai.protos.tensorflow_serving.config.model_server_config_pb2 import (
    ModelConfig,
    ModelServerConfig,
)
from serving.model_server.text_proto import read_text_proto

TENSORFLOW_PLATFORM = "tensorflow"


@dataclass(frozen=True)
class Latest:
    """Serve the newest versions: those with the highest numbers."""

    num_versions: int = 1

    def choose(self, found: Iterable[int]) -> set[int]:
        """The versions to serve, of those in the store."""
        return set(sorted(found)[-self.num_versions :])


@dataclass(frozen=True)
class All:
    """Serve every version in the store."""

    def choose(self, found: Iterable[int]) -> set[int]:
        """The versions to serve, of those in the store."""
        return set(found)


@dataclass(frozen=True)
class Specific:
    """Serve the versions with these numbers, and no other."""

    versions: Sequence[int]

    def choose(self, found: Iterable[int]) -> set[int]:
        """The versions to serve, of those in the store."""
        return set(found).intersection(self.versions)


Policy = Latest | All | Specific


@dataclass(frozen=True)
class ServedModel:
    """One model to serve: its name to clients, the folder or gs:// address of its numbered versions."""

    name: str
    base_path: str | Path | CloudPath
    policy: Policy = field(default_factory=Latest)
    version_labels: Mapping[str, int] = field(default_factory=dict)


def read_config_file(path: Path) -> list[ServedModel]:
    """Models of a `--model_config_file`: a ModelServerConfig as text proto (TF Serving, serving_config.md).

    Raises KakeaiError if the file cannot be read or asks for what this server does not do.
    """
    return served_models(read_text_proto(path, ModelServerConfig(), "model config"))


def served_models(config: ModelServerConfig) -> list[ServedModel]:
    """Models of a ModelServerConfig. Raises KakeaiError if it asks for what this server does not do."""
    if config.WhichOneof("config") != "model_config_list":
        raise KakeaiError("ServerModelConfig type not supported: write model_config_list { config { ... } }.")
    models = [_served_model(entry) for entry in config.model_config_list.config]
    check_names(models)
    return models


def check_names(models: Sequence[ServedModel]) -> None:
    """Raise KakeaiError if a model has no name, or two have the same."""
    names = [model.name for model in models]
    if "" in names:
        raise KakeaiError("A model to serve has no name: give each one a name of its own.")
    for name in names:
        if names.count(name) > 1:
            raise KakeaiError(f"Illegal to list model {name} multiple times in config list.")


def _served_model(entry: ModelConfig) -> ServedModel:
    # model_type is the old spelling of model_platform; 1 is TENSORFLOW in both.
    if entry.model_platform not in ("", TENSORFLOW_PLATFORM) or entry.model_type not in (0, 1):
        raise KakeaiError(
            f"Model {entry.name} requests unsupported platform {entry.model_platform or entry.model_type}: "
            f'only "{TENSORFLOW_PLATFORM}" is served here.'
        )
    # A relative path would mean one folder to the writer of the config and another to the server.
    if "://" not in entry.base_path and not Path(entry.base_path).is_absolute():
        raise KakeaiError(
            f"Expected model {entry.name} to have an absolute path or URI; got base_path()={entry.base_path}"
        )
    return ServedModel(
        entry.name, entry.base_path, _policy(entry.model_version_policy), dict(entry.version_labels)
    )


def _policy(policy: FileSystemStoragePathSourceConfig.ServableVersionPolicy) -> Policy:
    match policy.WhichOneof("policy_choice"):
        case "all":
            return All()
        case "specific":
            return Specific(tuple(policy.specific.versions))
        case _:
            return Latest(max(policy.latest.num_versions, 1))
