"""Counters of one process, for Prometheus.

Shape   Metrics: plain dictionaries that the hot paths add to, histograms, and gauges that are read at a scrape;
        `text()` is the exposition
Units   seconds, as is usual in Prometheus
Laws    counting on the fast lane of decisions is two additions, and one more in a Latency.
        Every series has a label with the process id, because
        several processes share a port and a scrape reaches one of them
Source  docs/reference/operations.md lists the series
"""

import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client.exposition import generate_latest

__all__ = ["ACKNOWLEDGED", "CONTENT_TYPE", "DECIDED", "LATENCY", "Latency", "Metrics"]

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

#: A decision from memory takes some ten microseconds.
_FINE_BUCKETS = (0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, *_BUCKETS[:-2])

#: Finer, because percentiles are read from them. In milliseconds: MINUTE_BOUNDS_MS.
MINUTE_BOUNDS_MS = (0.5, 1, 1.5, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 75, 100, 150, 250, 500, 1000, 2500, 5000)
_MINUTE_BOUNDS = tuple(bound / 1000 for bound in MINUTE_BOUNDS_MS)

#: The option of a route that names its histogram: the kind of decision, or of tracking request.
LATENCY = "latency"
DECIDED = ("one", "many", "ofrep", "ofrep_bulk", "posthog_flags", "snapshot")
ACKNOWLEDGED = ("single", "batch", "collect", "pulse", "posthog")

#: name, help text, current value: one, or one for each set of labels. A name that ends in _total is a counter's
Gauge = tuple[str, str, float]
LabelledGauge = tuple[str, str, tuple[str, ...], Mapping[tuple[str, ...], float]]


class Latency:
    """A histogram that costs an event loop little: no lock, because one thread observes.

    counts  of each bucket alone, the last one without an upper bound"""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(self._bounds, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Upper bounds with how many were at most that, as Prometheus has them."""
        so_far, found = 0, []
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self.counts, strict=True):
            so_far += count
            found.append((bound, float(so_far)))
        return found


class Minute:
    """What a process has counted of one environment since it last wrote it down.

    ingest  how long tracking requests waited for their commit"""

    __slots__ = ("accepted", "decisions", "duplicates", "ingest", "rejected")

    def __init__(self) -> None:
        self.accepted = self.duplicates = self.rejected = self.decisions = 0
        self.ingest = Latency(_MINUTE_BOUNDS)

    def add(self, other: "Minute") -> None:
        """Add what another one has counted."""
        self.accepted += other.accepted
        self.duplicates += other.duplicates
        self.rejected += other.rejected
        self.decisions += other.decisions
        self.ingest.counts = [a + b for a, b in zip(self.ingest.counts, other.ingest.counts, strict=True)]


class Minutes(dict[int, Minute]):
    """A Minute for each environment by its id, made when it is first counted."""

    def __missing__(self, environment_id: int) -> Minute:
        made = self[environment_id] = Minute()
        return made


class Metrics:
    """The counters of one process.

    minutes     of each environment, for the history that metrics_history.py writes
    sources     asked at each scrape: what products measure

    latencies   of answers that succeeded, by the kind of their route: decided and acknowledged

    requests    by (method, route, status)
    fast        decisions of the fast lane, by reason; they are requests, too
    mismatches  by (definition, field)"""

    def __init__(self) -> None:
        self.minutes = Minutes()
        self.sources: list[Callable[[], Awaitable[Sequence[LabelledGauge]]]] = []
        self.requests: Counter[tuple[str, str, str]] = Counter()
        self.fast: Counter[str] = Counter()
        self.decisions: Counter[str] = Counter()
        self.messages: Counter[str] = Counter({"accepted": 0, "duplicate": 0, "sampled": 0, "dead": 0})
        self.rejections: Counter[str] = Counter()
        self.exposures: Counter[str] = Counter({"stored": 0, "dropped": 0})
        self.observed: Counter[str] = Counter({"counted": 0, "skipped": 0, "flushes_lost": 0})
        self.mismatches: Counter[tuple[str, str]] = Counter()
        self.decided = {kind: Latency(_FINE_BUCKETS) for kind in DECIDED}
        self.decided_one = self.decided["one"]
        self.acknowledged = {kind: Latency(_BUCKETS) for kind in ACKNOWLEDGED}
        self.latencies = self.decided | self.acknowledged
        self._registry = CollectorRegistry()
        self.ingest_seconds = Histogram(
            "tinycdp_ingest_seconds",
            "How long a tracking request waited for its messages to be committed.",
            buckets=_BUCKETS,
            registry=self._registry,
        )

    @property
    def asked(self) -> int:
        """How many decisions and messages this process has received."""
        return self.fast.total() + self.decisions.total() + self.messages.total()

    def stored(
        self, environment_id: int, accepted: int, duplicates: int, rejected: Sequence[str], seconds: float
    ) -> None:
        """Count one tracking request; `rejected` are the codes of its rejections.

        seconds  how long it waited for its commit"""
        self.messages["accepted"] += accepted
        self.messages["duplicate"] += duplicates
        self.rejections.update(rejected)
        self.ingest_seconds.observe(seconds)
        minute = self.minutes[environment_id]
        minute.accepted += accepted
        minute.duplicates += duplicates
        minute.rejected += len(rejected)
        minute.ingest.observe(seconds)

    def mismatched(self, definition: str, field: str) -> None:
        """Count one value whose type an expression cannot use."""
        self.mismatches[definition, field] += 1

    def text(self, gauges: Iterable[Gauge] = (), labelled: Iterable[LabelledGauge] = ()) -> bytes:
        """All series in Prometheus' text format."""
        families = [*(_gauge(*gauge) for gauge in gauges), *(_labelled(*gauge) for gauge in labelled)]
        found = [*self._counters(), *self._registry.collect(), *families]
        return generate_latest(_Labelled(lambda: found))

    def _counters(self) -> Iterator[Metric]:
        requests = self.requests.copy()
        requests["GET", "/v1/decide", "200"] += self.fast.total()
        yield _counter("tinycdp_http_requests", "Requests answered.", ("method", "route", "status"), requests.items())
        decisions = self.decisions + self.fast
        yield _counter("tinycdp_decisions", "Flags decided.", ("reason",), _single(decisions))
        yield _counter(
            "tinycdp_messages",
            "Messages by outcome.",
            ("outcome",),
            _single(self.messages),
        )
        yield _counter("tinycdp_rejections", "Messages rejected.", ("code",), _single(self.rejections))
        text = "Messages counted for the registry, or skipped under load; failed flushes."
        yield _counter("tinycdp_observed", text, ("outcome",), _single(self.observed))
        text = "Values read as unknown because their type does not fit the definition."
        mismatches = self.mismatches.copy()
        yield _counter("tinycdp_type_mismatches", text, ("definition", "field"), mismatches.items())
        yield _counter("tinycdp_exposures", "Exposures stored, or dropped.", ("outcome",), _single(self.exposures))
        yield _histogram("tinycdp_decision_seconds", "How long a decision took, by kind of route.", self.decided)
        text = "How long a tracking request took until its answer, by kind of route."
        yield _histogram("tinycdp_acknowledge_seconds", text, self.acknowledged)


class _Labelled:
    """A collector for generate_latest that adds this process's id to every sample."""

    def __init__(self, metrics: Callable[[], list[Metric]]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        process = str(os.getpid())
        for metric in self._metrics():
            metric.samples = [
                sample._replace(labels={**sample.labels, "process": process})
                for sample in metric.samples
                if not sample.name.endswith("_created")  # the process's start time, repeated for every series
            ]
            yield metric


def _single(counts: Counter[str]) -> Iterator[tuple[tuple[str], int]]:
    return (((name,), n) for name, n in counts.items())


def _counter(
    name: str, text: str, labels: tuple[str, ...], counts: Iterable[tuple[tuple[str, ...], int]]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, n in sorted(counts):
        family.add_metric(values, n)
    return family


def _histogram(name: str, text: str, kinds: Mapping[str, Latency]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, text, labels=("kind",))
    for kind, latency in kinds.items():
        family.add_metric((kind,), latency.buckets(), latency.total)
    return family


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _labelled(name: str, text: str, labels: tuple[str, ...], samples: Mapping[tuple[str, ...], float]) -> Metric:
    family_of = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
    family = family_of(name, text, labels=labels)
    for values, value in sorted(samples.items()):
        family.add_metric(values, value)
    return family
