"""Where recordings go: a folder or a bucket that is a corpus like any other for the next training."""

import asyncio
import datetime
import logging
import secrets
import threading
import time
from collections import Counter
from queue import Full, Queue

from serving.gateway.collection.recording import Recording
from serving.gateway.load.admission import client_of
from serving.gateway.telemetry.metrics import Metrics

MAX_WAITING = 64  # recordings to be written; more come only where the bucket is away
CLOSING_SECONDS = 5.0  # that what waits gets at the end
LOOK_SECONDS = 0.05

log = logging.getLogger(__name__)


class Collection:
    """Writes recordings in the background, up to a limit a day, as whole files whose names say nothing of the player.

    A file's name is the day and a random word; whose it is, is counted in memory for the day and never written.
    """

    def __init__(self, place: str, per_day: int, per_client: int, metrics: Metrics) -> None:
        """Write to a folder or gs:// address, at most ``per_day`` recordings, and ``per_client`` of one client."""
        self._place = place
        self._per_day = per_day
        self._per_client = per_client
        self._metrics = metrics
        self._day = ""
        self._clients: Counter[str] = Counter()
        self._waiting: Queue[tuple[str, Recording]] = Queue(MAX_WAITING)
        # A daemon: a bucket that does not answer must not keep the process from ending.
        threading.Thread(target=self._write_all, name="recordings", daemon=True).start()

    def keep(self, recording: Recording, host: str | None) -> None:
        """Write a recording soon, unless it is empty or one of the day's limits is reached."""
        if recording.is_empty:
            return
        day = datetime.datetime.now(datetime.UTC).date().isoformat()
        if day != self._day:
            self._day = day
            self._clients.clear()
        client = client_of(host)
        is_full = self._clients.total() >= self._per_day or self._clients[client] >= self._per_client
        try:
            if is_full:
                raise Full
            self._waiting.put_nowait((f"{day}/{secrets.token_hex(8)}.mid", recording))
        except Full:
            self._metrics.recordings.labels("left out").inc()
        else:
            self._clients[client] += 1

    async def close(self) -> None:
        """Give what waits a little time; what is not written by then is not kept."""
        deadline = time.monotonic() + CLOSING_SECONDS
        while self._waiting.unfinished_tasks and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_SECONDS)

    def _write_all(self) -> None:
        while True:
            self._write(*self._waiting.get())
            self._waiting.task_done()

    def _write(self, name: str, recording: Recording) -> None:
        try:
            # A bucket's client is heavy to import: only where recordings are written.
            from kakeai.storage import location, write_whole

            write_whole(location(self._place) / name, recording.midi())
        except Exception as error:  # buckets fail in as many ways as their client has exceptions
            log.warning("a recording could not be kept in %s: %s", self._place, error)
            self._metrics.recordings.labels("failed").inc()
        else:
            self._metrics.recordings.labels("kept").inc()
