"""What Prometheus can read of the model server: tensorflow_model_server's metrics, by its names and in its buckets.

Dashboards and alerts made for TF Serving work with this server too. Names are those of its sources with ":" for
what is no letter (util/prometheus_exporter.cc); times are microseconds.
"""

import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate


class _Metric:
    def __init__(self, name: str, kind: str, labels: Sequence[str]) -> None:
        self.name = ":tensorflow:" + name.replace("/", ":")
        self.kind = kind
        self.labels = tuple(labels)
        self._lock = threading.Lock()

    def _labelled(self, values: Sequence[str]) -> str:
        escaped = (value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for value in values)
        return ",".join(f'{name}="{value}"' for name, value in zip(self.labels, escaped, strict=True))


class Counter(_Metric):
    """How often something happened, by labels."""

    def __init__(self, name: str, *labels: str) -> None:
        """A counter that has counted nothing; `name` is TF Serving's, `labels` are the labels' names."""
        super().__init__(name, "counter", labels)
        self._counts: dict[tuple[str, ...], int] = {}

    def add(self, *values: str) -> None:
        """Count once more for the labels' values."""
        with self._lock:
            self._counts[values] = self._counts.get(values, 0) + 1

    def lines(self) -> Iterator[str]:
        """In Prometheus's text format, but for the line that names the kind."""
        with self._lock:
            counts = sorted(self._counts.items())
        for values, count in counts:
            yield f"{self.name}{{{self._labelled(values)}}} {count}"


class Histogram(_Metric):
    """How large something was, by labels, in buckets that grow by a factor."""

    def __init__(self, name: str, *labels: str, first: float, factor: float, buckets: int) -> None:
        """An empty histogram: `buckets` buckets that end at `first`, `first * factor`, …, and one without end."""
        super().__init__(name, "histogram", labels)
        self._limits = [first * factor**number for number in range(buckets)]
        self._cells: dict[tuple[str, ...], tuple[list[int], list[float]]] = {}

    def add(self, value: float, *values: str) -> None:
        """Count a value for the labels' values."""
        with self._lock:
            counts, total = self._cells.setdefault(values, ([0] * (len(self._limits) + 1), [0.0]))
            counts[bisect_left(self._limits, value)] += 1
            total[0] += value

    def lines(self) -> Iterator[str]:
        """In Prometheus's text format, but for the line that names the kind."""
        with self._lock:
            cells = [
                (values, list(counts), total[0]) for values, (counts, total) in sorted(self._cells.items())
            ]
        for values, counts, total in cells:
            labels = self._labelled(values)
            comma = "," if labels else ""
            *_, whole = upto = list(accumulate(counts))
            for limit, count in zip([*(f"{limit:g}" for limit in self._limits), "+Inf"], upto, strict=True):
                yield f'{self.name}_bucket{{{labels}{comma}le="{limit}"}} {count}'
            yield f"{self.name}_sum{{{labels}}} {total:g}"
            yield f"{self.name}_count{{{labels}}} {whole}"


def _latency(name: str, *labels: str) -> Histogram:
    return Histogram(name, *labels, first=10, factor=1.8, buckets=33)  # to some twenty minutes


def _rows(name: str) -> Histogram:
    return Histogram(name, first=1, factor=2, buckets=14)


class Metrics:
    """The metrics of one server."""

    def __init__(self) -> None:
        """All metrics, at zero."""
        self.request_count = Counter("serving/request_count", "model_name", "status")
        self.request_latency = _latency("serving/request_latency", "model_name", "API", "entrypoint")
        self.runtime_latency = _latency("serving/runtime_latency", "model_name", "API", "runtime")
        self.queuing_latency = Histogram(
            "serving/batching_session/queuing_latency", "thread_pool_name", first=100, factor=1.2, buckets=52
        )
        self.input_batch_size = _rows("serving/batching_session/input_batch_size")
        self.processed_batch_size = _rows("serving/batching_session/processed_batch_size")
        self.warmup_latency = _latency("serving/model_warmup_latency", "model_path", "status")
        self.load_attempt_count = Counter("cc/saved_model/load_attempt_count", "model_path", "status")

    def page(self) -> str:
        """All of them in Prometheus's text format."""
        lines = []
        for metric in vars(self).values():
            lines += [f"# TYPE {metric.name} {metric.kind}", *metric.lines()]
        return "\n".join(lines) + "\n"
