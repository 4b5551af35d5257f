"""Hypothesis strategies: small worlds in which instants collide, and questions of every kind that are valid for them.

Shape   worlds() → World · questions(*kinds) → a strategy of functions: question = draw(questions("funnel"))(world)
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
from functools import cache
from typing import Any

import msgspec
from hypothesis import strategies as st

from analytics_oracle.calendar import DAY, HOUR, as_text, day_of, from_text
from analytics_oracle.world import Exposure, Moved, Person, RawEvent, Said, World
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
_OFFSETS = (
    *(n * DAY for n in (-8, -7, -3, -2, -1, 0, 0, 0, 1, 2, 3, 7)),
    *(n * HOUR for n in (-24, -23, -1, 1, 2, 22, 23, 25)),
    *(n * HOUR // 2 for n in (-1, 1, 3)),
)
_JITTER = (0, 0, 0, 0, -1, 1)
_X = (1, Decimal("1.0"), "1", Decimal("0.1"), -3, Decimal("1234.5"), True, None, {"y": 1}, [1], "", "ä")
#: The properties of events, and conditions over them and what else a filter may name.
PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "x": st.sampled_from(_X),
        "tag": st.sampled_from(("p", "q", "r")),
        "amount": st.sampled_from((1, 5, Decimal("0.1"), Decimal("0.2"), 10)),
        "order": st.sampled_from((1, "1", "o")),
        "address": st.sampled_from(({"city": "Rom"}, {"city": "Bonn"}, {}, "Rom")),
    },
)
_CONTEXT = st.fixed_dictionaries({}, optional={"os": st.sampled_from(("ios", "android"))})
CONDITIONS = (
    *(
        "",
        "",
        "",
        "",
        "x == 1",
        'x != "1"',
        "x >= 0.1",
        'tag == "p"',
        '!(tag == "p")',
        'tag in ["p", "q"]',
        "exists(x)",
    ),
    *('amount < 5 && tag != "r"', 'amount >= 5 || tag == "q"', 'address.city == "Rom"', 'context.os == "ios"'),
    *('profile.plan == "pro"', 'profile.plan != "pro"', "segments.vip", "!segments.vip", "group.size > 1"),
)
PEOPLE = ("", "", "", "", 'profile.plan == "pro"', 'profile.plan != "pro"', "segments.vip", "group.size > 1")
NAMES = ("a", "b", "c")
_GROUPS: dict[str | None, dict[str, Any]] = {"g1": {"size": 1}, "g2": {"size": 2, "name": "two"}, None: {}}


_PROFILES = (1, 2, 3)
#: Where each identifier belonged at first.
_AT_FIRST = {11: 1, 12: 1, 13: 2, 14: 3}


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Up to three people with four identifiers, some of which belonged to others when their events arrived."""
    zone, anchor = draw(_PLACE)
    instants = _INSTANTS[anchor]
    owners = draw(_OWNERS)
    events = tuple(_event(n, raw, draw(instants), owners) for n, raw in enumerate(draw(_EVENTS_OF_WORLDS), 1))
    said = tuple(Said(who, "plan", draw(instants), f"s{n}", value) for n, (who, value) in enumerate(draw(_SAID)))
    moved = tuple(Moved(who, "vip", draw(instants), entered, n) for n, (who, entered) in enumerate(draw(_MOVED), 1))
    exposures = tuple(Exposure("test", f"u{who}", who, variant, draw(instants)) for who, variant in draw(_EXPOSED))
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
        splits={"test": {"on": Decimal("0.5"), "off": Decimal("0.5")}},
        off={"test": "off"},
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


def _person(plan: Any, vip: bool, group: str | None) -> Person:
    properties = {} if plan is None else {"plan": plan}
    return Person(properties, frozenset({"vip"} if vip else ()), group, _GROUPS[group])


_PERSON = st.builds(_person, st.sampled_from(("pro", "free", 1, None)), st.booleans(), st.sampled_from(list(_GROUPS)))
_PLACE = st.sampled_from(PLACES)
_INSTANTS = {
    anchor: st.tuples(st.just(from_text(anchor)), st.sampled_from(_OFFSETS), st.sampled_from(_JITTER)).map(sum)
    for _, anchor in PLACES
}
_OWNERS = st.dictionaries(st.sampled_from(sorted(_AT_FIRST)), st.sampled_from(_PROFILES), max_size=3)
_EVENTS_OF_WORLDS = st.lists(
    st.fixed_dictionaries(
        {
            "identifier": st.sampled_from((11, 11, 12, 13, 14)),
            "kind": st.sampled_from(("track", "track", "track", "track", "page")),
            "name": st.sampled_from(NAMES),
            "late": st.sampled_from((0, 0, 1, HOUR, 3 * DAY)),
            "after": st.booleans(),
            "active": st.sampled_from((True, True, True, False)),
            "properties": PROPERTIES,
            "context": _CONTEXT,
        }
    ),
    max_size=9,
)
_SAID = st.lists(st.tuples(st.sampled_from(sorted(_AT_FIRST)), st.sampled_from(("pro", "free", 1, None))), max_size=4)
_MOVED = st.lists(st.tuples(st.sampled_from(_PROFILES), st.booleans()), max_size=4)
_EXPOSED = st.lists(st.tuples(st.sampled_from(_PROFILES), st.sampled_from(("on", "on", "off"))), max_size=4)
_PEOPLE = st.fixed_dictionaries(dict.fromkeys(_PROFILES, _PERSON))
_WAITED = st.sampled_from((1, 1, HOUR // 2, 11 * HOUR, DAY, 8 * DAY, 40 * DAY))
_SOME = DerivedEvent(any=(Matching("a", "x == 1"), Matching("b")))


def rearranged(world: World, seed: int) -> World:
    """The same world as if everything had arrived in another order: other ids, in another order."""
    chance = random.Random(seed)
    ids = [event.id for event in world.events]
    chance.shuffle(ids)
    events = [replace(event, id=id) for event, id in zip(world.events, ids, strict=True)]

    def shuffled(things: Any) -> Any:
        things = list(things)
        chance.shuffle(things)
        return tuple(things)

    return replace(
        world,
        events=shuffled(events),
        said=shuffled(world.said),
        moved=shuffled(world.moved),
        exposures=shuffled(world.exposures),
    )


# Questions, as on the wire

_EVENTS: st.SearchStrategy[Any] = st.sampled_from(
    (
        *("a", "a", "a", "b", "b", "c", "page", "*"),
        {"any": [{"event": "a", "where": "x == 1"}, {"event": "b"}, {"event": "a"}]},
        {"derived": "some"},
    )
)
_WHERE = st.sampled_from(CONDITIONS)
_MATCHING = st.fixed_dictionaries({"event": _EVENTS, "where": _WHERE})
_BUCKETS = st.sampled_from(("day", "day", "day", "hour", "week", "month", "quarter", "year"))
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
_PER_PERSON = st.fixed_dictionaries(
    {
        "perPerson": st.sampled_from(("count", "sum", "avg", "min", "max", "distinct", "median", "p90")),
        "then": st.sampled_from(("avg", "sum", "min", "max", "median", "p25")),
    }
)
_SERIES = st.one_of(
    st.fixed_dictionaries(
        {"event": _EVENTS, "where": _WHERE, "measure": st.sampled_from(("count", "people", "per_person"))}
    ),
    st.fixed_dictionaries({"event": _EVENTS, "where": _WHERE, "measure": _OF_PROPERTY, "property": _PROPERTY}),
    st.fixed_dictionaries({"event": _EVENTS, "measure": _PER_PERSON, "property": _PROPERTY}),
)
_TREND = st.fixed_dictionaries(
    {
        "series": st.lists(_SERIES, min_size=1, max_size=2),
        "unit": st.sampled_from(("person", "person", "group", "session")),
        "breakdown": _BREAKDOWNS,
        "top": _TOP,
        "bucket": _BUCKETS,
        "compare": st.sampled_from(("", "", "previous", "week", "year")),
    }
)
_OVER_TIME: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    ({}, {}, {"cumulative": True}, {"rolling": 2}, {"rolling": 3})
)
_FORMULA = st.sampled_from(("", "", "A / B", "A * 100 - B", "(A + B) / 2", "-A / (B - 1.5)"))
_STEP = st.fixed_dictionaries({"event": _EVENTS, "where": _WHERE}, optional={"within": st.sampled_from(("1h", "1d"))})
_EXCLUSION = st.fixed_dictionaries({"event": _EVENTS, "where": _WHERE})
_WITHIN = st.sampled_from(("30m", "1h", "23h", "1d", "3d", "30d"))


@st.composite
def _trends(draw: st.DrawFn) -> dict[str, Any]:
    asked = {**draw(_TREND), **draw(_OVER_TIME)}
    asked["formula"] = draw(_FORMULA) if len(asked["series"]) == 2 else ""
    return asked


_STEPS = st.lists(_STEP, min_size=1, max_size=3)
_ORDER = st.sampled_from(("ordered", "ordered", "strict", "any"))
_EXCLUDE = st.lists(_EXCLUSION, max_size=1)
_AFTER = {n: st.lists(st.integers(1, n - 1), max_size=2, unique=True) for n in (2, 3)}
_ATTRIBUTION = {n: st.sampled_from(("first", "last", *(f"step:{k}" for k in range(1, n + 1)))) for n in (1, 2, 3)}
_FUNNEL = st.fixed_dictionaries(
    {
        "within": _WITHIN,
        "hold": st.sampled_from(([], [], [], ["order"], ["tag"])),
        "breakdown": _BREAKDOWNS,
        "top": _TOP,
        "bucket": st.sampled_from(("", "", "day", "week")),
    }
)


@st.composite
def _funnels(draw: st.DrawFn) -> dict[str, Any]:
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


_RETENTION = st.fixed_dictionaries(
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
_OVER_EVENTS = {"event": _EVENTS, "where": _WHERE, "bucket": _BUCKETS}
_KINDS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "trend": _trends(),
    "active": st.fixed_dictionaries({**_OVER_EVENTS, "days": st.sampled_from(([1], [1, 7, 30], [2, 3]))}),
    "stickiness": st.fixed_dictionaries(_OVER_EVENTS),
    "frequency": st.fixed_dictionaries(
        {"event": _EVENTS, "where": _WHERE, "edges": st.sampled_from(([1, 2, 3, 5], [1], [2, 4]))}
    ),
    "funnel": _funnels(),
    "retention": _RETENTION,
    "lifecycle": st.fixed_dictionaries(_OVER_EVENTS),
    "adoption": st.fixed_dictionaries({"feature": _MATCHING, "active": _MATCHING, "bucket": _BUCKETS}),
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
    kind=st.sampled_from(("dates", "dates", "dates", "instants", "last")),
    first=st.integers(-4, 1),
    length=st.integers(1, 9),
    hours=st.integers(-40, 20),
    minutes=st.sampled_from((0, 0, 20)),
    last=st.sampled_from(("3d", "10d", "2w", "2m", "30h")),
)
_PEOPLE_ASKED = st.sampled_from(PEOPLE)
_one_of = cache(st.sampled_from)


@st.composite
def questions(draw: st.DrawFn, *kinds: str) -> Callable[[World], Question]:
    """A question of one of these kinds, or of any, about a world that is still to be given."""
    kind = draw(_one_of(kinds or tuple(_KINDS)))
    asked = {"kind": kind, "people": draw(_PEOPLE_ASKED), **draw(_KINDS[kind])}
    span = draw(_RANGES)
    return lambda world: msgspec.convert({**asked, **span(world)}, Question)  # type: ignore[arg-type]
