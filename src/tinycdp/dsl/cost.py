"""What a definition costs, told when it is saved.

Shape   estimate(node) → Cost
Units   bytes per profile that has as many events as are kept; wake-ups per profile and day
Laws    estimates from the definition alone, near the upper end; they never decide anything
Source  dsl/SPEC.md "State", "valid_until"
"""

from dataclasses import dataclass

from tinycdp.dsl import ir
from tinycdp.dsl.ir import Family, Type
from tinycdp.model import DAY_MS

_KEPT_EVENTS = 256
#: A kept event is an instant and an id, delta-coded; with a number or text behind it where one is aggregated.
_ENTRY_BYTES = {Family.COUNT: 11, Family.NUMBER: 16, Family.FIRST: 26, Family.HISTOGRAM: 14, Family.TOP: 26}
_TILE_BYTES = {Family.COUNT: 4, Family.NUMBER: 20, Family.FIRST: 26, Family.HISTOGRAM: 40, Family.TOP: 60}
_FIXED_BYTES = {Family.LAST: 60, Family.DAYS: 52, Family.SPAN: 18, Family.UNIQUE: 14_000}
_LIFETIME_BYTES = 32
_MINUTES_A_DAY = 1440.0


@dataclass(frozen=True, slots=True)
class Cost:
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
    """Windows share the kept events, and those of one tile width its tiles."""
    if spec.family in _FIXED_BYTES:
        return _FIXED_BYTES[spec.family]
    longest: dict[int, int] = {}
    for read in reads:
        for edge in filter(None, (read.window.start_ms, read.window.end_ms)):
            hop = ir.hop_ms(edge)
            longest[hop] = max(longest.get(hop, 0), edge)
    if not longest:
        return _LIFETIME_BYTES
    tiles = sum(-(-window // hop) for hop, window in longest.items())
    return _KEPT_EVENTS * _ENTRY_BYTES[spec.family] + tiles * _TILE_BYTES[spec.family]


def _wakeups(node: ir.Node, *, compared: bool, against: ir.Node | None = None) -> float:
    """How often a day time alone may change it: a comparison about once per window, an exposed number daily."""
    match node:
        case ir.AggregateRead(function="unique_days", days=int(days)):
            return 1 / days if compared else 1.0
        case ir.AggregateRead(function="streak_days"):
            return 1.0
        case ir.AggregateRead(window=ir.Window(start_ms=int(start), end_ms=end)):
            return (2 if end else 1) * DAY_MS / start if compared else 1.0
        case ir.Ago(unit_ms=unit_ms):
            # Exposed as a number it is computed when read, never scheduled.
            return _per_day(against, unit_ms) if compared else 0.0
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
