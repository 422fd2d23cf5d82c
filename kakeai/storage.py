"""Local folders and gs:// buckets as one path type, and files that appear whole or not at all."""

import os
import shutil
import tempfile
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kakeai.errors import KakeaiError, ServiceError

if TYPE_CHECKING:
    from cloudpathlib import CloudPath, GSPath
    from google.api_core.retry import Retry

PATIENCE_SECONDS = (
    120.0  # with a bucket that does not answer, or says 503; the storage client waits no longer itself
)
CONNECTIONS = 10  # that the storage client keeps open, so as many requests at once


def location(text: str) -> "Path | CloudPath":
    """Return the local path or the bucket's path that `text` names.

    Raises:
        KakeaiError: A bucket that cannot be named so, or one for which there are no credentials.
    """
    if ":" not in text:
        return Path(text).expanduser()
    from cloudpathlib import AnyPath  # loads the storage client, a fifth of a second

    try:
        path = AnyPath(text)
    except Exception as error:  # cloudpathlib and the storage client each raise kinds of their own
        raise KakeaiError(f"cannot open {text}: {error}") from None
    return path.expanduser() if isinstance(path, Path) else path  # type: ignore[return-value]


class StoredObject(NamedTuple):
    """An object in a bucket.

    Attributes:
        name: In its bucket.
        bytes: Its size.
        generation: Changes whenever the object is written.
        md5: Of its content, in hex; empty for one that was put together from parts.
    """

    name: str
    bytes: int
    generation: int
    md5: str


def list_objects(folder: "GSPath") -> Iterator[StoredObject]:
    """Yield what lies under a path of a bucket, or the object itself, by name; a request for each thousand.

    Raises:
        KakeaiError: There is no such bucket, or it cannot be listed.
    """
    client = folder.client.client
    prefix = f"{folder.blob.rstrip('/')}/" if folder.blob else ""
    fields = "items(name,size,generation,md5Hash),nextPageToken"
    with bucket_errors(folder):
        none = True
        for blob in client.list_blobs(folder.bucket, prefix=prefix, fields=fields, retry=_retry()):
            none = False
            yield _stored(blob)
        if none and folder.blob:
            blob = client.bucket(folder.bucket).get_blob(folder.blob, retry=_retry())
            if blob is not None:
                yield _stored(blob)


def _stored(blob) -> StoredObject:  # noqa: ANN001  the storage client's, which is imported late
    return StoredObject(blob.name, blob.size, blob.generation, b64decode(blob.md5_hash or "").hex())


def read_object(path: "GSPath", generation: int) -> bytes:
    """Return an object's content, once its checksum is right.

    Raises:
        FileNotFoundError: It is gone, or was replaced since it was of this generation.
        KakeaiError: It cannot be had.
    """
    from google.api_core.exceptions import NotFound

    blob = path.client.client.bucket(path.bucket).blob(path.blob, generation=generation)
    with bucket_errors(path):
        try:
            return blob.download_as_bytes(raw_download=True, retry=_retry())
        except NotFound:
            raise FileNotFoundError(str(path)) from None


def download_object(path: "GSPath", generation: int | None, to: Path) -> None:
    """Write an object's content to a file; otherwise as `read_object`, None for whatever generation there is."""
    from google.api_core.exceptions import NotFound

    blob = path.client.client.bucket(path.bucket).blob(path.blob, generation=generation)
    with bucket_errors(path):
        try:
            blob.download_to_filename(str(to), raw_download=True, retry=_retry())
        except NotFound:
            raise FileNotFoundError(str(path)) from None


def _retry() -> "Retry":
    """The storage client's own, in its exponential steps; what is no use to ask again it does not."""
    from google.cloud.storage.retry import DEFAULT_RETRY

    return DEFAULT_RETRY.with_timeout(PATIENCE_SECONDS)


@contextmanager
def bucket_errors(path: "Path | CloudPath") -> Iterator[None]:
    """Turn what the storage client raises about a bucket into one sentence; a local path's errors pass."""
    try:
        yield
    except Exception as error:
        if isinstance(path, Path) or isinstance(error, KakeaiError | FileNotFoundError):
            raise
        raise _as_kakeai_error(path, error) from None


def _as_kakeai_error(path: "CloudPath", error: Exception) -> KakeaiError:
    from google.api_core.exceptions import Forbidden, NotFound, RetryError, ServerError, Unauthorized
    from google.auth.exceptions import GoogleAuthError
    from requests import ConnectionError

    bucket = f"gs://{path.bucket}"  # type: ignore[attr-defined]
    match error:
        case GoogleAuthError() | Unauthorized():
            return ServiceError(
                f"there are no credentials for {bucket}, or they have ended: log in with gcloud auth "
                "application-default login, or give the pod's service account access (workload identity)"
            )
        case Forbidden():
            return ServiceError(
                f"these credentials may not use {path}: grant their account roles/storage.objectUser on {bucket}"
            )
        case NotFound():
            return KakeaiError(f"there is no bucket {bucket}, or no {path} in it")
        case RetryError() | ServerError() | ConnectionError():
            why = getattr(error, "cause", None) or error
            return ServiceError(
                f"{bucket} does not answer, and was asked for {PATIENCE_SECONDS:.0f} s: {why}; try again later"
            )
    return KakeaiError(f"cannot use {path}: {error}")


def write_whole(path: "Path | CloudPath", content: bytes) -> None:
    """Write a file that is there whole or not at all; folders above it are made."""
    if not isinstance(path, Path):
        path.write_bytes(content)  # a bucket's object appears with its last byte
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as aside:
        try:
            aside.write(content)
            aside.flush()
            os.fsync(aside.fileno())
            os.chmod(aside.name, 0o644)
            os.replace(aside.name, path)
        except BaseException:
            os.unlink(aside.name)
            raise


def replace_folder(finished: Path, destination: Path) -> None:
    """Put the folder `finished` in the place of `destination`, which may exist; both on one file system."""
    if destination.exists():
        shutil.rmtree(destination)
    destination.parent.mkdir(parents=True, exist_ok=True)
    os.replace(finished, destination)
