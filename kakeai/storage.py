"""Local folders and gs:// buckets as one path type, and files that appear whole or not at all."""

import os
import shutil
import tempfile
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from kakeai.disk import as_disk_error, disk_errors
from kakeai.errors import KakeaiError, ServiceError

if TYPE_CHECKING:
    from cloudpathlib import GSPath
    from google.api_core.retry import Retry
    from google.cloud.storage import Blob

# As the storage client has them: how long a bucket is asked that does not answer or says 503, and the wait before it is
# asked again, which then doubles.
PATIENCE_SECONDS, FIRST_WAIT_SECONDS = 120.0, 1.0
REQUEST_SECONDS = 60.0  # for a single one of these requests, again as the storage client has it
UPLOAD_BYTES = 8 * 2**20  # of a file sent at once; the storage client would take 100 MiB into memory
CONNECTIONS = 10  # that the storage client keeps open, so as many requests at once


def location(text: str) -> "Path | GSPath":
    """Return the local path or the bucket's path that `text` names.

    Raises:
        KakeaiError: A bucket that cannot be named so, or one for which there are no credentials.
    """
    if ":" not in text:
        return Path(text).expanduser()
    from cloudpathlib import AnyPath, GSPath  # loads the storage client, a fifth of a second

    try:
        path = AnyPath(text)
    except Exception as error:  # cloudpathlib and the storage client each raise kinds of their own
        raise KakeaiError(f"cannot open {text}: {error}") from None
    if isinstance(path, Path):
        return path.expanduser()
    if not isinstance(path, GSPath):
        raise KakeaiError(f"cannot open {text}: give a folder or gs://…")
    return path


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


def _stored(blob: Any) -> StoredObject:  # noqa: ANN401  a Blob, whose fields are typed as if they might be missing
    return StoredObject(blob.name, blob.size, blob.generation, b64decode(blob.md5_hash or "").hex())


def read_object(
    path: "GSPath", generation: int | None = None, patience_seconds: float = PATIENCE_SECONDS
) -> bytes:
    """Return an object's content, once its checksum is right.

    Args:
        path: Where it is.
        generation: Which is wanted; None for the newest.
        patience_seconds: How long a bucket is asked that does not answer.

    Raises:
        FileNotFoundError: There is none, or it was replaced since it was of this generation.
        KakeaiError: It cannot be had.
    """
    seconds: Any = _request_seconds(patience_seconds)  # whose type the client takes for int
    with _object(path, generation, patience_seconds) as blob:
        return blob.download_as_bytes(raw_download=True, timeout=seconds, retry=_retry(patience_seconds))


def download_object(path: "GSPath", to: Path, generation: int | None = None) -> None:
    """Write an object's content to a file; otherwise as `read_object`."""
    with _object(path, generation) as blob:
        blob.download_to_filename(str(to), raw_download=True, retry=_retry())


@contextmanager
def _object(
    path: "GSPath", generation: int | None, patience_seconds: float = PATIENCE_SECONDS
) -> "Iterator[Blob]":
    from google.api_core.exceptions import NotFound

    with bucket_errors(path, patience_seconds):
        try:
            yield path.client.client.bucket(path.bucket).blob(path.blob, generation=generation)
        except NotFound:
            raise FileNotFoundError(str(path)) from None


def names_in(folder: "Path | GSPath") -> list[str]:
    """Return the names of the files in a folder or under a path of a bucket, sorted; none where there is no such."""
    if isinstance(folder, Path):
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return [stored.name.rpartition("/")[2] for stored in list_objects(folder)]


def folders_in(folder: "Path | GSPath", patience_seconds: float = PATIENCE_SECONDS) -> list[str]:
    """Return the names of the folders in a folder or under a path of a bucket, sorted.

    Raises:
        OSError: There is no such local folder.
        KakeaiError: The bucket cannot be listed.
    """
    if isinstance(folder, Path):
        return sorted(path.name for path in folder.iterdir() if path.is_dir())
    prefix = f"{folder.blob.rstrip('/')}/" if folder.blob else ""
    with bucket_errors(folder, patience_seconds):
        client: Any = folder.client.client  # whose types know neither seconds nor prefixes
        listing = client.list_blobs(
            folder.bucket,
            prefix=prefix,
            delimiter="/",
            fields="prefixes,nextPageToken",
            timeout=_request_seconds(patience_seconds),
            retry=_retry(patience_seconds),
        )
        for _ in listing:  # the prefixes come with its pages
            pass
    return sorted(name[len(prefix) :].rstrip("/") for name in listing.prefixes)


def read_bytes(path: "Path | GSPath", patience_seconds: float = PATIENCE_SECONDS) -> bytes:
    """Return a file's content, as `read_object` does an object's."""
    return (
        path.read_bytes() if isinstance(path, Path) else read_object(path, patience_seconds=patience_seconds)
    )


def bring(path: "Path | GSPath", folder: Path) -> Path:
    """Return where a file lies on this machine; an object is written into `folder` first."""
    if isinstance(path, Path):
        return path
    download_object(path, folder / path.name)
    return folder / path.name


def put_file(finished: Path, destination: "Path | GSPath") -> None:
    """Put a file on this machine into a folder or a bucket, where it appears whole or not at all."""
    if not isinstance(destination, Path):
        with bucket_errors(destination):
            bucket = destination.client.client.bucket(destination.bucket)
            blob = bucket.blob(destination.blob, chunk_size=UPLOAD_BYTES)
            blob.upload_from_filename(str(finished), retry=_retry())
        return
    with finished.open("rb") as content, _whole_file(destination) as file:
        shutil.copyfileobj(content, file)


def _retry(patience_seconds: float = PATIENCE_SECONDS) -> "Retry":
    """The storage client's own: in exponential steps, and never where asking again is no use."""
    from google.cloud.storage.retry import DEFAULT_RETRY

    return DEFAULT_RETRY.with_delay(FIRST_WAIT_SECONDS).with_timeout(patience_seconds)


def _request_seconds(patience_seconds: float) -> float:
    return min(patience_seconds, REQUEST_SECONDS)


@contextmanager
def bucket_errors(path: "Path | GSPath", patience_seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Turn what the storage client raises about a bucket into one sentence; a local path's errors pass.

    `patience_seconds` is how long a bucket was asked that did not answer.
    """
    try:
        yield
    except Exception as error:
        if isinstance(path, Path) or isinstance(error, KakeaiError | FileNotFoundError):
            raise
        if isinstance(error, OSError) and as_disk_error(error):  # the disk of this machine, not the bucket
            raise
        raise _as_kakeai_error(path, error, patience_seconds) from None


def _as_kakeai_error(path: "GSPath", error: Exception, patience_seconds: float) -> KakeaiError:
    from google.api_core.exceptions import Forbidden, NotFound, RetryError, ServerError, Unauthorized
    from google.auth.exceptions import GoogleAuthError
    from requests import ConnectionError

    bucket = f"gs://{path.bucket}"
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
                f"{bucket} does not answer, and was asked for {patience_seconds:.0f} s: {why}; try again later"
            )
    return KakeaiError(f"cannot use {path}: {error}")


def write_whole(path: "Path | GSPath", content: bytes) -> None:
    """Write a file that is there whole or not at all; folders above it are made."""
    if not isinstance(path, Path):
        path.write_bytes(content)  # a bucket's object appears with its last byte
        return
    with _whole_file(path) as file:
        file.write(content)


@contextmanager
def _whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file to write, which takes the place of `path` if no error ends the `with` block."""
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as aside:
            try:
                yield aside
                aside.flush()
                os.fsync(aside.fileno())
                os.chmod(aside.name, 0o644)
                os.replace(aside.name, path)
            except BaseException:
                os.unlink(aside.name)
                raise
