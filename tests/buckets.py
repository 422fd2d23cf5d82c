"""A storage service on loopback for the real client: gcp-storage-emulator's, with what it lacks of Google's.

It answers side by side, lists in pages, heeds generations and their preconditions, has a clock that can be put forward,
remembers what it was asked, and fails when a test says so.
"""

import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import md5
from http.server import ThreadingHTTPServer
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import google_crc32c
from gcp_storage_emulator.exceptions import NotFound
from gcp_storage_emulator.handlers.buckets import create_bucket
from gcp_storage_emulator.server import RequestHandler, Response, Router
from gcp_storage_emulator.storage import Storage

BUCKET = "store"
PAGE = 1000  # objects at most


class Call(NamedTuple):
    """What a client asked for.

    Attributes:
        method: Such as GET.
        path: Without the query.
        query: Its parameters, each the last that was given.
    """

    method: str
    path: str
    query: dict[str, str]

    @property
    def lists(self) -> bool:
        """Whether it lists objects."""
        return self.method == "GET" and self.path.endswith("/o")

    @property
    def downloads(self) -> bool:
        """Whether it reads an object's content."""
        return self.method == "GET" and self.query.get("alt") == "media"


class Bucket:
    """The bucket `store` of a service of its own.

    Attributes:
        address: The service's.
        calls: All that was asked so far.
        answer: Called with each call before it is served; a status is answered in its place, None serves it.
        loses: Called with each call; if it is true, the call is served and the client hears 503.
    """

    def __init__(self) -> None:
        """Serve from now on, until `close`."""
        self.calls: list[Call] = []
        self.answer: Callable[[Call], int | None] = lambda call: None
        self.loses: Callable[[Call], bool] = lambda call: False
        self._storage = _Storage()
        self._lock = threading.RLock()
        self._numbers = count(1)
        create_bucket(BUCKET, self._storage)
        self._server = _Server(("127.0.0.1", 0), partial(_Handler, self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """What leads the storage client here."""
        return {"STORAGE_EMULATOR_HOST": self.address, "NO_GCE_CHECK": "true"}

    def put_forward(self, seconds: float) -> None:
        """Put the service's clock forward, from which objects have their times."""
        self._storage.ahead += timedelta(seconds=seconds)

    def folder(self) -> str:
        """Return a gs:// address under which nothing lies yet."""
        return f"gs://{BUCKET}/{next(self._numbers)}"

    def put(self, url: str, content: bytes) -> None:
        """Store an object, or replace it by a new generation."""
        name = _name(url)
        with self._lock:
            generation = str(next(self._numbers))
            described = {
                "kind": "storage#object",
                "name": name,
                "bucket": BUCKET,
                "generation": generation,
                "metageneration": "1",
                "contentType": "application/octet-stream",
                "size": str(len(content)),
                "md5Hash": b64encode(md5(content).digest()).decode(),
                "crc32c": b64encode(google_crc32c.Checksum(content).digest()).decode(),
                "etag": generation,
            }
            self._storage.conditions = {}
            self._storage.create_file(BUCKET, name, content, described)

    def upload(self, folder: Path, url: str) -> None:
        """Store a folder's files under an address, those last in the alphabet first.

        A SavedModel's variables thus come before its graph.
        """
        for path in sorted(folder.rglob("*"), reverse=True):
            if path.is_file():
                self.put(f"{url}/{path.relative_to(folder).as_posix()}", path.read_bytes())

    def read(self, url: str) -> bytes:
        """Return an object's content."""
        with self._lock:
            return self._storage.get_file(BUCKET, _name(url))

    def names(self, url: str) -> list[str]:
        """Return what lies under an address, relative to it."""
        prefix = f"{_name(url)}/"
        with self._lock:
            return [item["name"][len(prefix) :] for item in self._storage.get_file_list(BUCKET, prefix)[0]]

    def remove(self, url: str) -> None:
        """Delete an object."""
        with self._lock:
            self._storage.conditions = {}
            self._storage.delete_file(BUCKET, _name(url))

    @contextmanager
    def answering(self, answer: Callable[[Call], int | None]) -> Iterator[None]:
        """Answer in the service's place for the time of the `with` block."""
        self.answer = answer
        try:
            yield
        finally:
            self.answer = lambda call: None

    def serve(self, call: Call, handler: "_Handler") -> int | None:
        """Serve a call; return the status if it is refused."""
        self.calls.append(call)
        if (status := self.answer(call)) is not None:
            handler.rfile.read(int(handler.headers.get("Content-Length") or 0))  # what was being sent
            return status
        if self.loses(call):
            handler.wfile = BytesIO()  # nobody hears the answer
            self._serve(call, handler)
            handler.wfile = handler.connection.makefile("wb", 0)
            return 503
        return self._serve(call, handler)

    def _serve(self, call: Call, handler: "_Handler") -> int | None:
        with self._lock:
            self._storage.conditions = call.query
            self._storage.checks = call.method in ("GET", "PATCH")
            try:
                if call.lists and "delimiter" not in call.query:
                    return self._list(call, handler)
                Router(handler).handle(call.method)
            except _ConditionNotMetError:
                return 412
            except NotFound:
                return 404
        return None

    def _list(self, call: Call, handler: "_Handler") -> None:
        items, _ = self._storage.get_file_list(call.path.split("/")[-2], call.query.get("prefix"))
        start = int(call.query.get("pageToken", 0))
        stop = start + min(PAGE, int(call.query.get("maxResults", PAGE)))
        page: dict[str, Any] = {"kind": "storage#objects", "items": items[start:stop]}
        if stop < len(items):
            page["nextPageToken"] = str(stop)
        response = Response(handler)
        response.json(page)
        response.close()


def _name(url: str) -> str:
    return url.removeprefix(f"gs://{BUCKET}/")


class _ConditionNotMetError(Exception):
    """The object is of another generation than the client wants."""


class _Storage(Storage):
    """The emulator's storage, with generations that count and times that change with metadata."""

    conditions: dict[str, str]
    checks = False
    ahead = timedelta()

    def __init__(self) -> None:
        super().__init__(use_memory_fs=True)
        self.conditions = {}
        self._at_the_end: dict[str, dict[str, str]] = {}  # of an upload in parts

    def _write_config_to_file(self) -> None:
        """Nobody reads it, and it grows with every object."""

    def create_file(
        self, bucket_name: str, file_name: str, content: bytes, file_obj: Any, file_id: str | None = None
    ) -> None:
        self._check(bucket_name, file_name, self._at_the_end.pop(file_id or "", self.conditions))
        file_obj["updated"] = file_obj["timeCreated"] = self._now()
        super().create_file(bucket_name, file_name, content, file_obj, file_id)

    def patch_object(self, bucket_name: str, file_name: str, file_obj: Any) -> None:
        file_obj["updated"] = self._now()
        super().patch_object(bucket_name, file_name, file_obj)

    def create_resumable_upload(self, bucket_name: str, file_name: str, file_obj: Any) -> str:
        self._check(bucket_name, file_name, self.conditions)
        file_id = super().create_resumable_upload(bucket_name, file_name, file_obj)
        self._at_the_end[file_id] = self.conditions
        return file_id

    def delete_file(self, bucket_name: str, file_name: str) -> None:
        self._check(bucket_name, file_name, self.conditions)
        super().delete_file(bucket_name, file_name)

    def get_file_obj(self, bucket_name: str, file_name: str) -> Any:
        if self.checks:
            self._check(bucket_name, file_name, self.conditions)
            wanted = self.conditions.get("generation")
            if wanted and wanted != self._generation(bucket_name, file_name):
                raise NotFound  # an older generation is gone
        wanted = self.conditions.get("ifSourceGenerationMatch")
        if wanted is not None and wanted != self._generation(bucket_name, file_name):
            raise _ConditionNotMetError
        return super().get_file_obj(bucket_name, file_name)

    def _check(self, bucket_name: str, file_name: str, conditions: dict[str, str]) -> None:
        there = self.objects.get(bucket_name, {}).get(file_name, {})
        for condition, field in (
            ("ifGenerationMatch", "generation"),
            ("ifMetagenerationMatch", "metageneration"),
        ):
            wanted = conditions.get(condition)
            if wanted is not None and wanted != there.get(field, "0"):
                raise _ConditionNotMetError

    def _generation(self, bucket_name: str, file_name: str) -> str:
        return self.objects.get(bucket_name, {}).get(file_name, {"generation": "0"})["generation"]

    def _now(self) -> str:
        return (datetime.now(UTC) + self.ahead).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client that has given up
            super().handle_error(request, client_address)


class _Handler(RequestHandler):
    def __init__(self, bucket: Bucket, *arguments: Any) -> None:
        self._bucket = bucket
        super().__init__(bucket._storage, *arguments)

    def handle_call(self) -> None:
        split = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(split.query).items()}
        status = self._bucket.serve(Call(self.command, split.path, query), self)
        if status is not None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_call
