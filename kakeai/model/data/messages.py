"""Protocol buffers that we store, as far as we read and write them ourselves.

The classes of `note_seq` and TensorFlow come with seconds of import. These are wire-compatible with them, live
in a pool of their own, and leave those packages unimported.
"""

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "kakeai"
_FIELD = descriptor_pb2.FieldDescriptorProto
_POOL = descriptor_pool.DescriptorPool()

DOUBLE, INT32, STRING, BYTES = _FIELD.TYPE_DOUBLE, _FIELD.TYPE_INT32, _FIELD.TYPE_STRING, _FIELD.TYPE_BYTES

# By name: a field's number, and its type, or a list with its type if the field is repeated
Fields = Mapping[str, tuple[int, Any]]


def message_class(name: str, fields: Fields) -> Any:  # noqa: ANN401  generated at run time
    """Make the class of a message; a field's type is one of this module's, or another such class."""
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{_PACKAGE}/{name}.proto", package=_PACKAGE, syntax="proto3"
    )
    message = file.message_type.add(name=name)
    for field_name, (number, kind) in fields.items():
        repeated = isinstance(kind, list)
        one = kind[0] if repeated else kind
        field = message.field.add(name=field_name, number=number)
        field.label = _FIELD.LABEL_REPEATED if repeated else _FIELD.LABEL_OPTIONAL
        if isinstance(one, int):
            field.type = one  # type: ignore[assignment]
        else:
            field.type_name = f".{one.DESCRIPTOR.full_name}"
            field.type = _FIELD.TYPE_MESSAGE
            file.dependency.append(one.DESCRIPTOR.file.name)
    _POOL.Add(file)
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
