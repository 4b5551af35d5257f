"""Hypothesis strategies: small worlds in which instants collide, and questions of every kind that are valid for them.

Shape   worlds() → World · questions(*kinds) → a strategy of functions: question = draw(questions("funnel"))(world)
        · simplest(world, fails) → the least of a failing world
        · rearranged(world, seed) → the same world as if it had arrived in another order
Units   instants in milliseconds UTC
Laws    few people, few names, few instants: edges of days on which the clock changes, ±1 ms. Events come late,
        identifiers move to other people, values are of every type. received_at < as_of
"""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import strategies

from analytics_oracle import chance as st
from analytics_oracle.calendar import DAY, HOUR, as_text, day_of, from_text
from analytics_oracle.world import Exposure, Flag, Moved, Person, RawEvent, Said, World
from tinycdp.products.analytics.questions.schemas import DerivedEvent, Matching, Question

#: Zones, each with a local day on which the clock changes, or that has no midnight, by its first instant.
PLACES = (
    ("UTC", "2026-02-28T00:00:00Z"),
    ("Europe/Berlin", "2026-03-28T23:00:00Z"),
    ("Europe/Berlin", "2026-10-24T22:00:00Z"),
    ("America/New_York", "2026-03-08T05:00:00Z"),
    ("America/New_York", "2026-11-01T04:00:00Z"),
    ("Asia/Kathmandu", "2026-04-30T18:15:00Z"),
    ("America/Santiago", "2026-09-06T04:00:00Z"),  # begins at one o'clock
    ("Africa/Cairo", "2026-04-23T22:00:00Z"),  # begins at one o'clock
)
#: Mostly half-hours of the same evening and night, where sessions and windows meet, sometimes other days.
_OFFSETS = (
    *(n * HOUR // 2 for n in (-2, -1, -1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 4, 5, 6)),
    *(n * HOUR for n in (-23, 12, 22, 23, 25)),
    *(n * DAY for n in (-8, -1, 1, 2, 7)),
)
_JITTER = (0, 0, 0, 0, -1, 1)
_X = (1, Decimal("1.0"), "1", Decimal("0.1"), -3, Decimal("1234.5"), True, None, {"y": 1}, [1], "", "ä")
#: The properties of events, and conditions over them and what else a filter may name.
PROPERTIES = st.record(
    {},
    optional={
        "x": st.sampled_from(_X),
        "tag": st.sampled_from(("p", "q", "r")),
        "amount": st.sampled_from((1, 5, Decimal("0.1"), Decimal("0.2"), 10)),
        "order": st.sampled_from((1, "1", "o")),
        "address": st.sampled_from(({"city": "Rom"}, {"city": "Bonn"}, {}, "Rom")),
    },
)
_CONTEXT = st.record({}, optional={"os": st.sampled_from(("ios", "android"))})
CONDITIONS = (
    *(
        "x == 1",
        'x != "1"',
        "x >= 0.1",
        "exists(x)",
        'tag == "p"',
        '!(tag == "p")',
        'tag in ["p", "q"]',
        'tag not in ["p"]',
    ),
    *('amount < 5 && tag != "r"', 'amount >= 5 || tag == "q"', 'address.city == "Rom"', 'context.os == "ios"'),
    *('profile.plan == "pro"', 'profile.plan != "pro"', "segments.vip", "!segments.vip", "group.size > 1"),
)
PEOPLE = ('profile.plan == "pro"', 'profile.plan != "pro"', "segments.vip", "!segments.vip", "group.size > 1")
NAMES = ("a", "a", "a", "b", "b", "c")
_GROUPS: dict[str | None, dict[str, Any]] = {"g1": {"size": 1}, "g2": {"size": 2, "name": "two"}, None: {}}


_PROFILES = (1, 2, 3)
_MOST_EVENTS = 14
#: Where each identifier belonged at first.
_AT_FIRST = {11: 1, 12: 1, 13: 2, 14: 3}


_SEEDS = strategies.binary(min_size=8, max_size=8)


def worlds() -> strategies.SearchStrategy[World]:
    """Worlds of chance. Hypothesis cannot make a failing one smaller; `simplest` does."""
    return _SEEDS.map(lambda seed: _WORLD.make(random.Random(seed)))


def simplest(world: World, fails: Callable[[World], bool]) -> World:
    """A world that still fails, with as little in it as possible: to look for the reason."""
    for name in ("events", "said", "moved", "exposures"):
        for thing in getattr(world, name):
            less = replace(world, **{name: tuple(one for one in getattr(world, name) if one is not thing)})
            if fails(less):
                world = less
    return world


def _world(draw: st.Draw) -> World:
    """Up to three people with four identifiers, some of which belonged to others when their events arrived."""
    zone, anchor = draw(_PLACE)
    instants = _INSTANTS[anchor]
    owners = draw(_OWNERS)
    events = tuple(_event(n, raw, draw(instants), owners) for n, raw in enumerate(draw(_EVENTS_OF_WORLDS), 1))
    said = tuple(Said(who, "plan", draw(instants), f"s{n}", value) for n, (who, value) in enumerate(draw(_SAID)))
    moved = tuple(Moved(who, "vip", draw(instants), entered, n) for n, (who, entered) in enumerate(draw(_MOVED), 1))
    exposures = tuple(
        Exposure("test", f"u{who}", who, variant, draw(instants), rule) for who, variant, rule in draw(_EXPOSED)
    )
    received = [event.received_at for event in events]
    latest = max(
        [from_text(anchor), *received, *(one.at for one in (*said, *moved)), *(one.first_at for one in exposures)]
    )
    return World(
        zone=zone,
        as_of=latest + draw(_WAITED),
        events=events,
        said=said,
        moved=moved,
        people=draw(_PEOPLE),
        exposures=exposures,
        owners=owners,
        derived={"some": _SOME},
        flags={"test": Flag(("on", "off"), "off", {"half": _HALVES})},
    )


def _event(n: int, raw: dict[str, Any], occurred_at: int, owners: dict[int, int]) -> RawEvent:
    """One event, that arrived before its identifier moved to where it is now, or after."""
    identifier, kind = raw["identifier"], raw["kind"]
    moved = raw["after"] and identifier in owners
    return RawEvent(
        id=n,
        name=raw["name"] if kind == "track" else kind,
        occurred_at=occurred_at,
        received_at=occurred_at + raw["late"],
        identifier_id=identifier,
        stored_profile_id=owners[identifier] if moved else _AT_FIRST[identifier],
        kind=kind,
        active=raw["active"],
        message_id=f"m{n}",
        properties=raw["properties"],
        context=raw["context"],
    )


def _sum(*parts: int) -> int:
    return sum(parts)


def _person(plan: Any, vip: bool, group: str | None) -> Person:
    properties = {} if plan is None else {"plan": plan}
    return Person(properties, frozenset({"vip"} if vip else ()), group, _GROUPS[group])


_PERSON = st.builds(_person, st.sampled_from(("pro", "free", 1, None)), st.booleans(), st.sampled_from(list(_GROUPS)))
_PLACE = st.sampled_from(PLACES)
_INSTANTS = {
    anchor: st.builds(_sum, st.just(from_text(anchor)), st.sampled_from(_OFFSETS), st.sampled_from(_JITTER))
    for _, anchor in PLACES
}
_OWNERS = st.builds(
    dict, st.lists(st.tuples(st.sampled_from(sorted(_AT_FIRST)), st.sampled_from(_PROFILES)), max_size=3)
)
_EVENTS_OF_WORLDS: st.Maker[Any] = st.lists(
    st.record(
        {
            "identifier": st.sampled_from((11, 11, 11, 11, 12, 12, 13, 13, 14)),
            "kind": st.sampled_from(("track", "track", "track", "track", "page")),
            "name": st.sampled_from(NAMES),
            "late": st.sampled_from((0, 0, 0, 0, 1, HOUR, 3 * DAY)),
            "after": st.booleans(),
            "active": st.sampled_from((True, True, True, False)),
            "properties": PROPERTIES,
            "context": _CONTEXT,
        }
    ),
    min_size=6,
    max_size=_MOST_EVENTS,
)
_SAID = st.lists(st.tuples(st.sampled_from(sorted(_AT_FIRST)), st.sampled_from(("pro", "free", 1, None))), max_size=4)
_MOVED = st.lists(st.tuples(st.sampled_from(_PROFILES), st.booleans()), max_size=4)
_VARIANTS = st.sampled_from(("on", "on", "off"))
_EXPOSED = st.lists(st.tuples(st.sampled_from(_PROFILES), _VARIANTS, st.sampled_from(("half", "half", ""))), max_size=4)
_HALVES = {"on": Decimal("0.5"), "off": Decimal("0.5")}
_PEOPLE = st.record(dict.fromkeys(_PROFILES, _PERSON))
_WAITED = st.sampled_from((1, 1, 1, HOUR // 2, 11 * HOUR, DAY, 8 * DAY, 40 * DAY))
_WORLD = st.composite(_world)
_SOME = DerivedEvent(any=(Matching("a", "x == 1"), Matching("b")))


def rearranged(world: World, seed: int) -> World:
    """The same world as if everything had arrived in another order: other ids, in another order."""
    source = random.Random(seed)
    ids = [event.id for event in world.events]
    source.shuffle(ids)
    events = [replace(event, id=id) for event, id in zip(world.events, ids, strict=True)]

    def shuffled(things: Any) -> Any:
        things = list(things)
        source.shuffle(things)
        return tuple(things)

    return replace(
        world,
        events=shuffled(events),
        said=shuffled(world.said),
        moved=shuffled(world.moved),
        exposures=shuffled(world.exposures),
    )


# Questions, as on the wire

_EVENTS: st.Maker[Any] = st.sampled_from(
    (
        *("a", "a", "a", "a", "b", "b", "b", "c", "page", "*"),
        {"any": [{"event": "a", "where": "x == 1"}, {"event": "b"}, {"event": "a"}]},
        {"derived": "some"},
    )
)
#: Conditions are rare: most random ones leave nothing to count.
_WHERE = st.sampled_from((*[""] * 3 * len(CONDITIONS), *CONDITIONS))
_MATCHING = st.record({"event": _EVENTS, "where": _WHERE})
_BUCKETS = st.sampled_from(("day", "day", "day", "hour", "week", "month", "quarter", "year"))
_BUCKETS_OF_DAYS = st.sampled_from(("day", "day", "week", "month", "quarter", "year"))
_BREAKDOWN = st.sampled_from(
    (
        *({"property": "x"}, {"property": "tag"}, {"property": "tag"}, {"property": "address.city"}, {"context": "os"}),
        *({"profile": "plan"}, {"profile": "plan", "at": "now"}, {"segment": "vip"}, {"segment": "vip", "at": "now"}),
        *({"group": "size"}, {"property": "x", "bins": [0, 1, 10]}, {"property": "amount", "bins": [Decimal("0.2")]}),
    )
)
_BREAKDOWNS = st.one_of(st.just([]), _BREAKDOWN, _BREAKDOWN, st.lists(_BREAKDOWN, min_size=2, max_size=2))
_TOP = st.sampled_from((1, 1, 2, 10))
_OF_PROPERTY = st.sampled_from(("sum", "avg", "min", "max", "distinct", "median", "p1", "p50", "p75", "p99"))
_PROPERTY = st.sampled_from(("x", "amount", "amount"))
_THEN = st.sampled_from(("avg", "sum", "min", "max", "median", "p25"))
_COUNT_PER_PERSON = st.record({"perPerson": st.just("count"), "then": _THEN})
_PER_PERSON = st.record(
    {
        "perPerson": st.sampled_from(("sum", "avg", "min", "max", "distinct", "median", "p90")),
        "then": _THEN,
    }
)
_SERIES = st.one_of(
    st.record({"event": _EVENTS, "where": _WHERE, "measure": st.sampled_from(("count", "people", "per_person"))}),
    st.record({"event": _EVENTS, "where": _WHERE, "measure": _OF_PROPERTY, "property": _PROPERTY}),
    st.record({"event": _EVENTS, "measure": _PER_PERSON, "property": _PROPERTY}),
    st.record({"event": _EVENTS, "measure": _COUNT_PER_PERSON}),
)
_TREND = st.record(
    {
        "series": st.lists(_SERIES, min_size=1, max_size=2),
        "unit": st.sampled_from(("person", "person", "group", "session")),
        "breakdown": _BREAKDOWNS,
        "top": _TOP,
        "bucket": _BUCKETS,
        "compare": st.sampled_from(("", "", "previous", "week", "year")),
    }
)
_OVER_TIME: st.Maker[dict[str, Any]] = st.sampled_from(({}, {}, {"cumulative": True}, {"rolling": 2}, {"rolling": 3}))
_FORMULA = st.sampled_from(("", "", "A / B", "A * 100 - B", "(A + B) / 2", "-A / (B - 1.5)"))
_STEP = st.one_of(
    *[st.record({"event": _EVENTS, "where": _WHERE})] * 3,
    st.record({"event": _EVENTS, "within": st.sampled_from(("1h", "1d"))}),
)
_EXCLUSION = st.record({"event": _EVENTS, "where": _WHERE})
_WITHIN = st.sampled_from(("30m", "1h", "2h", "1d", "1d", "3d", "3d", "30d"))


def _trends(draw: st.Draw) -> dict[str, Any]:
    asked = {**draw(_TREND), **draw(_OVER_TIME)}
    asked["formula"] = draw(_FORMULA) if len(asked["series"]) == 2 else ""
    return asked


_STEPS = st.one_of(st.lists(_STEP, min_size=2, max_size=3), st.lists(_STEP, min_size=1, max_size=3))
_ORDER = st.sampled_from(("ordered", "ordered", "strict", "any"))
_EXCLUDE = st.lists(_EXCLUSION, max_size=1)
_AFTER = {n: st.sampled_from(([], [1], [n - 1], [*range(1, n)])) for n in (2, 3)}
_ATTRIBUTION = {n: st.sampled_from(("first", "last", *(f"step:{k}" for k in range(1, n + 1)))) for n in (1, 2, 3)}
_FUNNEL = st.record(
    {
        "within": _WITHIN,
        "hold": st.sampled_from(([], [], [], [], [], ["order"], ["tag"])),
        "breakdown": _BREAKDOWNS,
        "top": _TOP,
        "bucket": st.sampled_from(("", "", "day", "week")),
    }
)


def _funnels(draw: st.Draw) -> dict[str, Any]:
    steps, order = draw(_STEPS), draw(_ORDER)
    exclude = draw(_EXCLUDE) if len(steps) > 1 else []
    if order != "any":
        exclude = [{**exclusion, "after": draw(_AFTER[len(steps)])} for exclusion in exclude]
    windows = set(range(1, len(steps))) if order != "any" else set()
    return {
        **draw(_FUNNEL),
        "steps": [{key: step[key] for key in step if key != "within" or n in windows} for n, step in enumerate(steps)],
        "order": order,
        "exclude": exclude,
        "attribution": draw(_ATTRIBUTION[len(steps)]),
    }


_RETENTION = st.record(
    {
        "start": _MATCHING,
        "returns": _MATCHING,
        "bucket": st.sampled_from(("day", "day", "week", "month")),
        "cohort": st.sampled_from(("recurring", "first_time")),
        "window": st.sampled_from(("calendar", "elapsed")),
        "mode": st.sampled_from(("on", "on_or_after")),
        "periods": st.sampled_from((1, 3, 5)),
        "brackets": st.sampled_from(([], [], [[0, 0], [1, 2], [3, 9]], [[1, 7]])),
        "breakdown": _BREAKDOWNS,
        "top": _TOP,
    }
)
_GAP = st.sampled_from(("30m", "30m", "1h", "1d"))
_LABEL = st.sampled_from(("", "", "tag", "address.city"))
_LABELS = st.sampled_from(("a", "b", "p", "Rom", "page"))
_PATHS: dict[str, st.Maker[Any]] = {
    "gap": _GAP,
    "label": _LABEL,
    "group": st.sampled_from(([], [], ["p*"], ["*a*", "b"], ["?"])),
    "without": st.sampled_from(([], [], ["b"], ["p*", "q"])),
    "depth": st.sampled_from((2, 3, 5)),
    "top": _TOP,
}
_METRIC = st.one_of(
    st.record(
        {
            **{"event": _EVENTS, "where": _WHERE, "within": _WITHIN},
            "measure": st.sampled_from(("conversion", "conversion", "count")),
        }
    ),
    st.record({"event": _EVENTS, "where": _WHERE, "within": _WITHIN, "measure": st.just("sum"), "property": _PROPERTY}),
)
_OVER_EVENTS = {"event": _EVENTS, "where": _WHERE, "bucket": _BUCKETS}
_KINDS: dict[str, st.Maker[dict[str, Any]]] = {
    "trend": st.composite(_trends),
    "active": st.record(
        {**_OVER_EVENTS, "bucket": _BUCKETS_OF_DAYS, "days": st.sampled_from(([1], [1, 7, 30], [2, 3]))}
    ),
    "stickiness": st.record(_OVER_EVENTS),
    "frequency": st.record({"event": _EVENTS, "where": _WHERE, "edges": st.sampled_from(([1, 2, 3, 5], [1], [2, 4]))}),
    "funnel": st.composite(_funnels),
    "retention": _RETENTION,
    "sessions": st.record(
        {"gap": _GAP, "label": _LABEL, "bucket": _BUCKETS, "top": _TOP},
    ),
    "paths": st.one_of(
        st.record({**_PATHS}),
        st.record({**_PATHS, "start": _LABELS}),
        st.record({**_PATHS, "end": _LABELS}),
    ),
    "impact": st.one_of(
        st.record({"feature": _MATCHING, "outcome": _MATCHING, "within": _WITHIN}),
        st.record(
            {
                **{"feature": _MATCHING, "outcome": _MATCHING, "within": _WITHIN},
                **{"measure": st.just("sum"), "property": _PROPERTY},
            }
        ),
    ),
    "experiment": st.record(
        {
            "flag": st.just("test"),
            "metrics": st.lists(_METRIC, min_size=1, max_size=2),
            "control": st.sampled_from(("", "", "on", "off")),
        }
    ),
    "lifecycle": st.record(_OVER_EVENTS),
    "adoption": st.record({"feature": _MATCHING, "active": _MATCHING, "bucket": _BUCKETS}),
}


def _range(
    kind: str, first: int, length: int, hours: int, minutes: int, last: str
) -> Callable[[World], dict[str, str]]:
    """Dates or instants near the middle of the world's history, or the last days before as_of."""

    def found(world: World) -> dict[str, str]:
        instants = sorted(event.occurred_at for event in world.events) or [world.as_of]
        middle = instants[len(instants) // 2]
        if kind == "last":
            return {"last": last}
        if kind == "dates":
            day = day_of(middle, world.zone) + timedelta(first)
            return {"from": day.isoformat(), "to": (day + timedelta(length)).isoformat()}
        since = middle + hours * HOUR + minutes * 60_000
        return {"from": as_text(since, "UTC"), "to": as_text(since + length * 11 * HOUR, world.zone)}

    return found


_RANGES = st.builds(
    _range,
    kind=st.sampled_from(("dates", "dates", "dates", "dates", "instants", "last")),
    first=st.integers(-3, 0),
    length=st.integers(2, 9),
    hours=st.integers(-40, 2),
    minutes=st.sampled_from((0, 0, 20)),
    last=st.sampled_from(("3d", "10d", "2w", "2m", "30h")),
)
_PEOPLE_ASKED = st.sampled_from((*[""] * 4 * len(PEOPLE), *PEOPLE))


def questions(*kinds: str) -> strategies.SearchStrategy[Callable[[World], Question]]:
    """A question of one of these kinds, or of any, about a world that is still to be given."""
    return _SEEDS.map(lambda seed: _question(kinds or tuple(_KINDS), random.Random(seed)))


def _question(kinds: tuple[str, ...], source: random.Random) -> Callable[[World], Question]:
    kind = source.choice(kinds)
    asked = {"kind": kind, "people": _PEOPLE_ASKED.make(source), **_KINDS[kind].make(source)}
    span = _RANGES.make(source)
    return lambda world: msgspec.convert({**asked, **span(world)}, Question)  # type: ignore[arg-type]
