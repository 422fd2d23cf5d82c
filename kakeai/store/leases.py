"""Claims in a bucket, which a living release refreshes and a dead one does not.

Times are the bucket's own, of its objects, since the clocks of machines differ. They only decide when a claim is
cleared away. No version depends on them: its last copy is made from the claim, and fails once that is gone.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from threading import Event, Thread
from typing import TYPE_CHECKING

from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import GoogleAuthError
from requests import RequestException

if TYPE_CHECKING:
    from google.cloud.storage import Blob

REFRESH_SECONDS = 10.0
DEAD_AFTER_SECONDS = 60.0  # five refreshes may fail in a row


@contextmanager
def refreshed(claim: "Blob") -> Iterator[None]:
    """Refresh a claim every `REFRESH_SECONDS` until the `with` block ends.

    Its content and generation stay: a change of its metadata sets the object's time, `updated`.
    """
    ended = Event()
    thread = Thread(target=_refresh, args=(claim, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _refresh(claim: "Blob", ended: Event) -> None:
    for times in count(1):
        if ended.wait(REFRESH_SECONDS):
            return
        handle = claim.bucket.blob(claim.name)
        handle.metadata = {"refreshed": str(times)}
        # If it fails, so do the requests of the release itself, which then says why.
        with suppress(GoogleAPIError, GoogleAuthError, RequestException):
            handle.patch(if_generation_match=claim.generation, timeout=REFRESH_SECONDS, retry=None)
