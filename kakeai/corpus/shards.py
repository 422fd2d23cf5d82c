"""How a corpus is divided among those who read it side by side, so that they finish together."""

import heapq
from collections.abc import Sequence

# On a pod of two processors, from the figures in docs/operations.md ("A large corpus").
SECONDS_A_FILE = 0.003  # to fetch it, of a bucket that takes 30 ms to answer, ten at a time
SECONDS_A_BYTE = 1e-7
SECONDS_A_PACKED_BYTE = 4e-8  # of the file, to fetch its NoteSequences, four times as long, at 100 MB/s
SECONDS_A_SHARD = 300.0  # a pod takes half a minute to start; it should then have something to do
MAX_SHARDS = 100  # pods that KFP starts at once
RUNS_A_SHARD = 8  # so fine are archives cut; each shard that has a run of one opens it anew


def seconds_to_read(num_bytes: int) -> float:
    """Return about how many seconds one file takes a pod of two processors."""
    return SECONDS_A_FILE + SECONDS_A_BYTE * num_bytes


def seconds_to_fetch(num_bytes: int) -> float:
    """Return about how many seconds a file takes that an earlier run has read; `num_bytes` is its own size."""
    return SECONDS_A_PACKED_BYTE * num_bytes


def choose_num_shards(seconds: float) -> int:
    """Return how many shards are worth their pods, for files that one pod reads in so many seconds."""
    return max(1, min(MAX_SHARDS, round(seconds / SECONDS_A_SHARD)))


def divide(seconds: Sequence[float], groups: Sequence[str], num_shards: int) -> list[int]:
    """Return the shard of each file: the longest goes first, and always to the shard with the least to do.

    That makes no shard longer than 4/3 of what the best division has for its longest (R. L. Graham, Bounds on
    multiprocessing timing anomalies, 1969).

    Args:
        seconds: What each file takes.
        groups: The archive or pack that each lies in, whose files stay together in long runs; empty for a
            file by itself.
        num_shards: How many shards there are.
    """
    longest_run = sum(seconds) / num_shards / RUNS_A_SHARD
    run_of: list[int] = []
    run_seconds: list[float] = []
    open_run: dict[str, int] = {}
    for length, group in zip(seconds, groups, strict=True):
        run = open_run.get(group) if group else None
        if run is None or run_seconds[run] + length > longest_run:
            run = len(run_seconds)
            run_seconds.append(0.0)
            if group:
                open_run[group] = run
        run_of.append(run)
        run_seconds[run] += length

    shard_of_run = [0] * len(run_seconds)
    least = [(0.0, shard) for shard in range(num_shards)]
    for run in sorted(range(len(run_seconds)), key=lambda run: -run_seconds[run]):
        busy, shard = heapq.heappop(least)
        shard_of_run[run] = shard
        heapq.heappush(least, (busy + run_seconds[run], shard))
    return [shard_of_run[run] for run in run_of]
