"""Manifests where they outlast a run, each at an address that tells its content, so that KFP can reuse results.

KFP takes an artifact for another one whenever the stage that wrote it ran again; a text it takes for what it says.
"""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kakeai.corpus.surveyed import SURVEY
from kakeai.disk import temporary_disk_errors
from kakeai.manifest import MANIFEST
from kakeai.storage import bucket_errors, location, write_whole


def keep_manifest(surveyed: Path, corpus: str, work: str) -> str:
    """Copy what survey wrote to WORK/manifests and return its address: the same for the same corpus and shards."""
    content = (surveyed / MANIFEST).read_bytes()
    name = hashlib.sha256(f"{corpus}\n".encode() + content).hexdigest()[:16]
    place = location(work) / "manifests" / name
    with bucket_errors(place):
        write_whole(place / MANIFEST, content)
        write_whole(place / SURVEY, (surveyed / SURVEY).read_bytes())
    return str(place)


def reuse_folder(work: str) -> str:
    """Return where the NoteSequences of files that were read are kept for later runs."""
    return f"{work}/read"


@contextmanager
def manifest_at_hand(address: str) -> Iterator[Path]:
    """Yield a kept manifest's folder on this machine, for the time of the `with` block."""
    place = location(address)
    if isinstance(place, Path):
        yield place
        return
    with tempfile.TemporaryDirectory(prefix="kakeai-") as folder, bucket_errors(place):
        for name in (MANIFEST, SURVEY):
            content = (place / name).read_bytes()
            with temporary_disk_errors():
                Path(folder, name).write_bytes(content)
        yield Path(folder)
