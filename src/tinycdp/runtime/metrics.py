"""What one process counts about itself, for Prometheus.

Shape   Metrics: plain dictionaries that the hot paths add to, a histogram of waits for a commit, and gauges that are
        asked when somebody looks; `text()` is the exposition
Units   seconds, as Prometheus has it
Laws    counting on the decision's fast lane is one addition. Every series says which process it is of, because several
        share a port and a scrape reaches one of them
Source  docs/reference/operations.md lists the series
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client.exposition import generate_latest

__all__ = ["CONTENT_TYPE", "Metrics"]

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

#: name, what it means, its value now: one, or one for each set of labels
Gauge = tuple[str, str, float]
LabelledGauge = tuple[str, str, tuple[str, ...], Mapping[tuple[str, ...], float]]


class Metrics:
    """requests  by (method, route, status); fast: decisions of the fast lane, which are requests too, by reason
    mismatches  by (definition, field)"""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, str]] = Counter()
        self.fast: Counter[str] = Counter()
        self.decisions: Counter[str] = Counter()
        self.messages: Counter[str] = Counter({"accepted": 0, "duplicate": 0, "sampled": 0, "dead": 0})
        self.rejections: Counter[str] = Counter()
        self.exposures: Counter[str] = Counter({"stored": 0, "dropped": 0})
        self.observed: Counter[str] = Counter({"counted": 0, "skipped": 0, "flushes_lost": 0})
        self.mismatches: Counter[tuple[str, str]] = Counter()
        self._registry = CollectorRegistry()
        self.ingest_seconds = Histogram(
            "tinycdp_ingest_seconds",
            "How long a tracking request waited for its messages to be committed.",
            buckets=_BUCKETS,
            registry=self._registry,
        )

    @property
    def asked(self) -> int:
        """How many decisions and messages this process was asked for."""
        return self.fast.total() + self.decisions.total() + self.messages.total()

    def stored(self, accepted: int, duplicates: int, refused: Iterable[str]) -> None:
        """Count one tracking request; `refused` are the codes of its rejections."""
        self.messages["accepted"] += accepted
        self.messages["duplicate"] += duplicates
        self.rejections.update(refused)

    def mismatched(self, definition: str, field: str) -> None:
        """Count one value of another type than an expression needs."""
        self.mismatches[definition, field] += 1

    def text(self, gauges: Iterable[Gauge] = (), labelled: Iterable[LabelledGauge] = ()) -> bytes:
        """Everything in Prometheus' text format."""
        families = [*(_gauge(*gauge) for gauge in gauges), *(_labelled(*gauge) for gauge in labelled)]
        found = [*self._counters(), *self._registry.collect(), *families]
        return generate_latest(_Labelled(lambda: found))

    def _counters(self) -> Iterator[Metric]:
        requests = self.requests.copy()
        requests["GET", "/v1/decide", "200"] += self.fast.total()
        yield _counter("tinycdp_http_requests", "Requests answered.", ("method", "route", "status"), requests.items())
        decisions = self.decisions + self.fast
        yield _counter("tinycdp_decisions", "Flags decided.", ("reason",), _single(decisions))
        yield _counter("tinycdp_messages", "Messages stored, or known already.", ("outcome",), _single(self.messages))
        yield _counter("tinycdp_rejections", "Messages refused.", ("code",), _single(self.rejections))
        text = "Messages counted for the registry, or left out under load; flushes given up."
        yield _counter("tinycdp_observed", text, ("outcome",), _single(self.observed))
        text = "Values of another type than a definition needs, each time one was read: they are unknown."
        mismatches = self.mismatches.copy()
        yield _counter("tinycdp_type_mismatches", text, ("definition", "field"), mismatches.items())
        yield _counter("tinycdp_exposures", "Exposures stored, or lost.", ("outcome",), _single(self.exposures))


class _Labelled:
    """Metrics with this process's id on every sample, as generate_latest wants to collect them."""

    def __init__(self, metrics: Callable[[], list[Metric]]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        process = str(os.getpid())
        for metric in self._metrics():
            metric.samples = [
                sample._replace(labels={**sample.labels, "process": process})
                for sample in metric.samples
                if not sample.name.endswith("_created")  # when the process began, told once for every series
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


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _labelled(name: str, text: str, labels: tuple[str, ...], samples: Mapping[tuple[str, ...], float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, value in sorted(samples.items()):
        family.add_metric(values, value)
    return family
