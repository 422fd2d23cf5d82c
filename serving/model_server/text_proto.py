"""TF Serving's configuration files: messages as text protos."""

from pathlib import Path
from typing import TypeVar

from google.protobuf import text_format
from google.protobuf.message import Message

from kakeai.errors import KakeaiError

M = TypeVar("M", bound=Message)


def read_text_proto(path: Path, message: M, what: str) -> M:
    """The message in a file; `message` is an empty one of its type, `what` names the file to the user.

    Raises KakeaiError, naming the file, if it cannot be read or holds something else.
    """
    try:
        return text_format.Parse(path.read_text(encoding="utf-8"), message)
    except (OSError, UnicodeDecodeError) as error:
        raise KakeaiError(f"The {what} file {path} cannot be read: {error}.") from error
    except text_format.ParseError as error:
        kind, reason = message.DESCRIPTOR.name, str(error).rstrip(".")
        raise KakeaiError(f"The {what} file {path} is no {kind} text proto: {reason}.") from error
