"""Estimate what a definition costs. The estimate is shown when the definition is saved.

Shape   estimate(node) → Cost
Units   bytes per profile with as many events as are kept; wake-ups per profile and day
Laws    an estimate uses the definition alone and is near the upper end; no decision depends on it
Source  dsl/SPEC.md "State", "valid_until"
"""

from dataclasses import dataclass

from tinycdp.dsl import ir
from tinycdp.dsl.check.signatures import DURATION_UNITS_MS
from tinycdp.dsl.ir import Family, Type
from tinycdp.model import DAY_MS

_KEPT_EVENTS = 256
#: A kept event is a difference of instants. Aggregates of a value also keep the value and a message id (UUID text).
_ENTRY_BYTES = {Family.COUNT: 11, Family.NUMBER: 60, Family.FIRST: 64, Family.HISTOGRAM: 50, Family.TOP: 64}
#: A bucket is its start and a summary, such as a histogram of 20 to 30 different numbers, or of half as many texts.
_BUCKET_BYTES = {Family.COUNT: 4, Family.NUMBER: 40, Family.FIRST: 70, Family.HISTOGRAM: 120, Family.TOP: 200}
_FIXED_BYTES = {Family.LAST: 60, Family.DAYS: 52, Family.SPAN: 18, Family.UNIQUE: 14_000}
#: The summary of all older events. For histograms: 900 different grades, or 1,000 texts.
_LIFETIME_BYTES = {Family.COUNT: 5, Family.NUMBER: 40, Family.FIRST: 70, Family.HISTOGRAM: 4_000, Family.TOP: 20_000}
_MINUTES_A_DAY = 1440.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What one expression costs for each profile."""

    state_bytes: int
    wakeups_per_day: float
    nodes: int


def estimate(node: ir.Node) -> Cost:
    """The cost of one checked expression, `where` predicates included."""
    nodes = ir.walk(node)
    reads = [n for n in nodes if isinstance(n, ir.AggregateRead)]
    predicates = {read.spec: read.spec.where for read in reads if read.spec.where is not None}
    size = len(nodes) + sum(len(ir.walk(where)) for where in predicates.values())
    state = sum(_state_bytes(spec, [read for read in reads if read.spec == spec]) for spec in {r.spec for r in reads})
    wakeups = _wakeups(node, compared=node.type is Type.BOOL)
    return Cost(state, round(min(wakeups, _MINUTES_A_DAY), 3), size)


def _state_bytes(spec: ir.AggregateSpec, reads: list[ir.AggregateRead]) -> int:
    """Windows share the kept events; windows with one bucket width share its buckets."""
    if spec.family in _FIXED_BYTES:
        return _FIXED_BYTES[spec.family]
    longest: dict[int, int] = {}
    for read in reads:
        for edge in filter(None, (read.window.start_ms, read.window.end_ms)):
            bucket_width = ir.bucket_width_ms(edge)
            longest[bucket_width] = max(longest.get(bucket_width, 0), edge)
    entries = _KEPT_EVENTS if longest else 0
    buckets = sum(-(-window // bucket_width) for bucket_width, window in longest.items())
    return _LIFETIME_BYTES[spec.family] + entries * _ENTRY_BYTES[spec.family] + buckets * _BUCKET_BYTES[spec.family]


def _wakeups(node: ir.Node, *, compared: bool, against: ir.Node | None = None) -> float:
    """How often a day time alone may change the value.

    About once per window if the value is compared; daily if it is exposed as a number."""
    match node:
        case ir.AggregateRead(function="unique_days", days=int(days)):
            return 1 / days if compared else 1.0
        case ir.AggregateRead(function="streak_days"):
            return 1.0
        case ir.AggregateRead(window=ir.Window(start_ms=int(start), end_ms=end)):
            return (2 if end else 1) * DAY_MS / start if compared else 1.0
        case ir.Ago(unit_ms=unit_ms):
            # Exposed as a number, it is computed when read and never scheduled.
            return _per_day(against, unit_ms) if compared else 0.0
        case ir.Call(function=unit, arguments=(ir.Clock(),)) if unit in DURATION_UNITS_MS:
            return _per_day(against, DURATION_UNITS_MS[unit]) if compared else 0.0
        case ir.Clock():
            return _per_day(against, 1) if compared else 0.0
        case ir.Compare(left=left, right=right):
            return _wakeups(left, compared=True, against=right) + _wakeups(right, compared=True, against=left)
    return sum((_wakeups(child, compared=compared, against=against) for child in ir.children(node)), 0.0)


def _per_day(against: ir.Node | None, unit_ms: int) -> float:
    match against:
        case ir.Const(value=int(threshold)) if threshold > 0:
            return min(_MINUTES_A_DAY, DAY_MS / (threshold * unit_ms))
    return 1.0
