"""Hypothesis strategies for what the engine computes on: histories, expressions over them, and instants to ask at.

Shape   histories() -> History(zone, messages, profile, edges) · expressions() -> source text ·
        instants(history) -> instants worth asking at
Units   milliseconds UTC
Laws    instants cluster where implementations go wrong: bucket edges, window edges, local midnights on the days the
        clock changes, each ±1 ms; messages come late, twice, at one instant, and sometimes by the hundred.
        A strategy is made once, not for each example: making one takes longer than most laws
"""

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from hypothesis import strategies as st

from builders import at, make_message
from tinycdp.model import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Message

WINDOWS = {
    "1m": MINUTE_MS,
    "90s": 90 * SECOND_MS,
    "15m": 15 * MINUTE_MS,
    "1h": HOUR_MS,
    "5h": 5 * HOUR_MS,
    "24h": DAY_MS,
    "7d": 7 * DAY_MS,
    "15d": 15 * DAY_MS,
    "90d": 90 * DAY_MS,
}
RANGES = ("15m..1m", "2h..1h", "24h..1h", "7d..24h", "90d..7d")

#: A zone and local midnights around which days are 23, 24 or 25 hours long.
PLACES = (
    ("UTC", ("2026-02-10T00:00:00Z",)),
    ("Europe/Berlin", ("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z")),
    ("America/New_York", ("2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z", "2026-11-01T04:00:00Z")),
    ("Asia/Kathmandu", ("2026-05-01T18:15:00Z",)),
)
PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "x": st.sampled_from((1, 2, Decimal("0.1"), -3, "2", Decimal("1.0"), True, Decimal("-1234.5"), {"y": 1})),
        "tag": st.sampled_from("pqr"),
    },
)
TRAITS = st.fixed_dictionaries(
    {}, optional={"plan": st.sampled_from(("pro", "free", None)), "age": st.sampled_from((17, 30, "30"))}
)
JITTER = st.sampled_from((-1, 0, 0, 1))
_PLACE = st.sampled_from(PLACES)
_FEW = st.integers(0, 9)
_CROWDED = st.sampled_from((True, False, False, False))
_CROWD = st.integers(250, 300)
_GAP = st.sampled_from((0, 1, 997, 7 * SECOND_MS, 61 * SECOND_MS))
_CROWD_NAME = st.sampled_from("ab")
_CROWD_VALUE: st.SearchStrategy[Any] = st.sampled_from((1, Decimal("0.1"), -2))
_SPREAD = st.sampled_from((5, 5, 300))
_PROFILE = st.fixed_dictionaries({}, optional={"plan": st.sampled_from(("pro", "free")), "age": st.just(30)})
_KIND = st.sampled_from(("track", "track", "track", "track", "identify", "page"))
_NAME = st.sampled_from("aab")
_LATE = st.sampled_from((0, 0, 0, 1, HOUR_MS, 8 * DAY_MS))
_ACTIVE = st.sampled_from((True, True, True, False))
_STEP = st.sampled_from((0, 0, SECOND_MS, 10 * SECOND_MS, MINUTE_MS, 15 * MINUTE_MS, HOUR_MS))
_OFFSET = st.sampled_from((0, 0, *WINDOWS.values(), DAY_MS, 2 * DAY_MS, 7 * HOUR_MS))


@dataclass(frozen=True)
class History:
    """One profile's messages in order of arrival, its zone, and the instants they cluster around."""

    zone: str
    messages: tuple[Message, ...]
    profile: dict[str, Any]
    edges: tuple[int, ...]

    def given(self) -> dict[str, Any]:
        """The history as the `given` of a vector."""
        events = []
        for m in self.messages:
            event: dict[str, Any] = {"id": m.message_id, "type": m.kind, "event": m.name, "ts": m.occurred_at}
            if m.received_at != m.occurred_at:
                event["received_at"] = m.received_at
            if m.properties:
                event["traits" if m.kind in ("identify", "group") else "properties"] = m.properties
            if m.group_id is not None:
                event["groupId"] = m.group_id
            if not m.active:
                event["context"] = {"active": False}
            events.append(event)
        return {"zone": self.zone, "profile": self.profile, "events": events}


@st.composite
def histories(
    draw: st.DrawFn,
    *,
    crowds: bool = True,
    place: tuple[str, tuple[str, ...]] | None = None,
    properties: st.SearchStrategy[dict[str, Any]] = PROPERTIES,
    traits: st.SearchStrategy[dict[str, Any]] = TRAITS,
) -> History:
    """A person's history: few messages in awkward places, and sometimes a crowd of more than 256."""
    zone, midnights = place or draw(_PLACE)
    midnight = at(draw(_one_of(midnights)))
    anchors = _anchors(midnight)
    times = _instants_at(midnight)
    messages = [_single(draw, times, f"m{n}", properties, traits) for n in range(draw(_FEW))]
    if crowds and draw(_CROWDED):
        start, gap = draw(times), draw(_GAP)
        name, value = draw(_CROWD_NAME), draw(_CROWD_VALUE)
        spread = draw(_SPREAD)
        for n in range(draw(_CROWD)):
            said = {"x": value * (n % spread), "tag": "pq"[n % 2]}
            messages.append(make_message(name, start + n * gap, id=f"c{n:03d}", properties=said))
    if messages:
        messages += draw(st.lists(st.sampled_from(messages), max_size=2))
    messages.sort(key=lambda m: m.received_at)
    profile = draw(_PROFILE)
    edges = [midnight, anchors[2], *(m.occurred_at for m in messages), *(m.received_at for m in messages[-4:])]
    return History(zone, tuple(messages), profile, tuple(sorted(set(edges), reverse=True)))


@cache
def _one_of(values: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.sampled_from(values)


def _anchors(midnight: int) -> list[int]:
    anchors = [midnight, midnight + 8 * HOUR_MS, midnight + 8 * HOUR_MS + 17 * MINUTE_MS + 23_456]
    anchors += [anchors[1] - span for span in WINDOWS.values()]
    return anchors + [midnight + days * DAY_MS for days in (-2, -1, 1)]


@cache
def _instants_at(midnight: int) -> st.SearchStrategy[int]:
    return st.tuples(st.sampled_from(_anchors(midnight)), _STEP, JITTER).map(sum)


def _single(
    draw: st.DrawFn,
    times: st.SearchStrategy[int],
    id: str,
    properties: st.SearchStrategy[dict[str, Any]],
    traits: st.SearchStrategy[dict[str, Any]],
) -> Message:
    """One message: mostly an event, sometimes an identify, sometimes late, sometimes inactive."""
    kind = draw(_KIND)
    ts = draw(times)
    return make_message(
        {"track": draw(_NAME), "page": "page", "identify": ""}[kind],
        ts,
        id=id,
        kind=kind,
        properties=draw(traits if kind == "identify" else properties),
        received_at=ts + draw(_LATE),
        active=draw(_ACTIVE),
    )


def instants(history: History) -> st.SearchStrategy[int]:
    """Instants at which something may just have happened: an event, the end of a window, a midnight, each ±1 ms."""
    return st.tuples(st.sampled_from(history.edges), _OFFSET, JITTER).map(sum)


# Expressions, as source text


def _text(*parts: Any) -> st.SearchStrategy[str]:
    """The parts in sequence, each a text, a sequence of alternatives, or a strategy. Only what varies is drawn."""
    drawn = [
        part if isinstance(part, st.SearchStrategy) else st.sampled_from(part)
        for part in parts
        if not isinstance(part, str)
    ]

    def joined(found: tuple[str, ...]) -> str:
        chosen = iter(found)
        return "".join(part if isinstance(part, str) else next(chosen) for part in parts)

    return st.tuples(*drawn).map(joined)


PREDICATES = ("", "", "", ".where(x > 1)", '.where(tag == "p")', ".where(exists(x))", '.where(tag != "q" && x <= 2)')
EVENT = _text("events.", ("a", "a", "b", "any", "page"), PREDICATES)
SPAN = st.sampled_from((*WINDOWS, *WINDOWS, *RANGES))
TRAILING = st.sampled_from(tuple(WINDOWS))
ORDER = (" >= ", " > ", " == ", " < ", " <= ", " != ")

COUNTS = _text(EVENT, ".count(", SPAN, ")") | _text(EVENT, ".count()")
DAYS = _text(EVENT, ".unique_days(", ("3d", "7d", "14d"), ")") | _text(EVENT, ".streak_days()")
TOTALS = _text(EVENT, (".sum(x, ", ".avg(x, ", ".min(x, ", ".max(x, "), SPAN, ")") | _text(EVENT, ".sum(x)")
AGES = _text(
    (
        "last_seen_minutes_ago",
        "first_seen_days_ago",
        "last_seen_hours_ago",
        "events.a.last_minutes_ago",
        "events.b.first_days_ago",
    )
)
UNIQUES = _text(EVENT, (".unique(x, ", ".unique(tag, "), TRAILING, ")") | _text(EVENT, ".unique(x)")
QUANTILES = (".p50(x", ".p90(x", ".p95(x", ".p99(x", ".percentile(x, 0.25", ".percentile(x, 0.001")
PERCENTILES = _text(EVENT, QUANTILES, ", ", TRAILING, ")") | _text(EVENT, QUANTILES, ")")
TOPS = _text(EVENT, ".top(x, ", TRAILING, ")") | _text(EVENT, ".top(x)")
VALUED = _text(EVENT, (".first(x, ", ".last(x, "), TRAILING, ")") | _text(EVENT, (".first(x)", ".last(x)"))


@cache
def numbers() -> st.SearchStrategy[str]:
    """Expressions worth a number."""
    rates = _text(EVENT, ".rate(", TRAILING, ")")
    leaf = COUNTS | DAYS | TOTALS | AGES | UNIQUES | PERCENTILES | st.just("profile.age") | rates
    return st.one_of(
        leaf,
        _text("(", leaf, (" + ", " - ", " * ", " / "), leaf, ")"),
        _text("(", TOTALS, " ?? ", ("0", "7"), ")"),
        _text("if(", atoms(), ", ", leaf, ", ", leaf, ")"),
    )


@cache
def atoms() -> st.SearchStrategy[str]:
    """Single comparisons and tests."""
    return st.one_of(
        _text(COUNTS, ORDER, ("1", "2", "3", "257")),
        _text(DAYS, ORDER, ("1",)),
        _text(TOTALS, ORDER, ("0.3", "1", "2", "30")),
        _text(UNIQUES, ORDER, ("1", "2", "3")),
        _text(PERCENTILES, ORDER, ("0", "1", "2", "30")),
        _text(TOPS, ORDER, ("1", "2")),
        _text(EVENT, ".top(tag, ", TRAILING, ")", (" == ", " != "), '"p"'),
        _text(AGES, ORDER, ("1", "2", "60", "1440")),
        _text(VALUED, ORDER, ("1", "2")),
        _text(EVENT, ".exists(", SPAN, ")"),
        _text(EVENT, (".first(tag, ", ".last(tag, "), TRAILING, ")", (" == ", " != "), '"p"'),
        _text("ago(events.a.", ("last_at()", "first_at()"), ")", ORDER, ("1h", "24h", "7d")),
        _text("exists(", TOTALS | PERCENTILES | TOPS, ")"),
        _text('(profile.plan ?? "none")', (" == ", " != "), '"pro"'),
        _text("profile.", ('plan == "pro"', 'plan != "pro"', 'plan in ["pro", "team"]', "age >= 18", "nothing == 1")),
        _text("exists(profile.", ("plan", "age", "nothing"), ")"),
    )


@cache
def expressions() -> st.SearchStrategy[str]:
    """Conditions and numbers, as often the one as the other."""
    return st.booleans().flatmap(lambda condition: booleans() if condition else numbers())


@cache
def booleans() -> st.SearchStrategy[str]:
    """Conditions: comparisons under `&&`, `||`, `!`, `if` and comparisons of whole numbers."""
    simple = atoms() | _text(numbers(), ORDER, ("1", "2"))
    return simple | _joined(simple) | _joined(simple | _joined(simple))


def _joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        _text("(", inner, " && ", inner, ")"),
        _text("(", inner, " || ", inner, ")"),
        _text("!(", inner, ")"),
        _text("if(", inner, ", ", inner, ", ", inner, ")"),
    )
