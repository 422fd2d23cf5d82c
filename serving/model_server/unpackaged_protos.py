"""TF Serving's messages that tensorflow-serving-api leaves out, with the names and numbers of its sources."""

from functools import cache

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2
from google.protobuf.message import Message

_PACKAGE = "tensorflow.serving"
_FIELD = descriptor_pb2.FieldDescriptorProto

# session_bundle_config.proto
_BATCHING_PARAMETERS = {
    "max_batch_size": (1, "Int64Value"),
    "batch_timeout_micros": (2, "Int64Value"),
    "max_enqueued_batches": (3, "Int64Value"),
    "num_batch_threads": (4, "Int64Value"),
    "thread_pool_name": (5, "StringValue"),
    "allowed_batch_sizes": (6, "repeated int64"),
    "pad_variable_length_inputs": (7, "bool"),
    "enable_large_batch_splitting": (8, "BoolValue"),
    "max_execution_batch_size": (9, "Int64Value"),
}


def batching_parameters() -> Message:
    """An empty BatchingParameters."""
    file = _file("batching_parameters.proto")
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    message = file.message_type.add(name="BatchingParameters")
    for name, (number, kind) in _BATCHING_PARAMETERS.items():
        field = message.field.add(name=name, number=number, label=_FIELD.LABEL_OPTIONAL)
        match kind:
            case "repeated int64":
                field.type, field.label = _FIELD.TYPE_INT64, _FIELD.LABEL_REPEATED
            case "bool":
                field.type = _FIELD.TYPE_BOOL
            case _:
                field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".google.protobuf.{kind}"
    return _message_class(file.SerializeToString(), "BatchingParameters")()


def monitoring_config() -> Message:
    """An empty MonitoringConfig (monitoring_config.proto)."""
    file = _file("monitoring_config.proto")
    prometheus = file.message_type.add(name="PrometheusConfig")
    prometheus.field.add(name="enable", number=1, type=_FIELD.TYPE_BOOL, label=_FIELD.LABEL_OPTIONAL)
    prometheus.field.add(name="path", number=2, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)
    file.message_type.add(name="MonitoringConfig").field.add(
        name="prometheus_config",
        number=1,
        type=_FIELD.TYPE_MESSAGE,
        type_name=f".{_PACKAGE}.PrometheusConfig",
        label=_FIELD.LABEL_OPTIONAL,
    )
    return _message_class(file.SerializeToString(), "MonitoringConfig")()


def _file(name: str) -> descriptor_pb2.FileDescriptorProto:
    return descriptor_pb2.FileDescriptorProto(name=f"kakeai/{name}", package=_PACKAGE, syntax="proto3")


@cache
def _message_class(file: bytes, name: str) -> type[Message]:
    """The class of a message in a serialized FileDescriptorProto."""
    pool = descriptor_pool.DescriptorPool()  # of its own: the default one is for what is generated
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
