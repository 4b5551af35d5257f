"""Every question's SQL runs on a cluster: ClickHouse plans it there, and persons split over shards change no answer."""

import random
import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

import tinycdp
from clickhouse_cluster import HALVES, WHOLE, fill, plan, run
from tinycdp.dsl.check.expressions import Scope
from tinycdp.model import DAY_MS
from tinycdp.products.analytics.compile.questions import compile_question
from tinycdp.products.analytics.compile.world import FlagFacts, SplitFacts, World
from tinycdp.products.analytics.questions.schemas import Question

pytest.importorskip("chdb", reason="chdb has no wheel for this platform")

START = 1_772_323_200_000  # 2026-03-01
EVERYTHING = 'profile.plan == "pro" || segments.vip || group.size > 2 || context.os == "ios" || amount > 5'
PEOPLE = 'profile.plan != "free" || segments.vip || group.size > 2'
RANGE = {"from": "2026-03-01", "to": "2026-03-29"}
BUY: dict[str, Any] = {"event": "buy", "where": EVERYTHING}
VIEW: dict[str, Any] = {"event": "view", "where": 'profile.plan != "pro" || !segments.vip'}
EITHER = {"any": [BUY, VIEW, {"event": "open"}]}
MEASURES: list[dict[str, Any]] = [
    BUY,
    BUY | {"measure": "people"},
    {"event": "*", "measure": "per_person"},
    *({"event": "buy", "measure": m, "property": "amount"} for m in ("sum", "avg", "min", "max", "median", "p90")),
    {"event": EITHER, "measure": "distinct", "property": "amount"},
    BUY | {"measure": {"perPerson": "sum", "then": "median"}, "property": "amount"},
]
BREAKDOWNS: list[Any] = [
    {"property": "amount", "bins": [3, 6]},
    {"context": "os"},
    *({"profile": "plan", "at": at} for at in ("event", "now")),
    *({"segment": "vip", "at": at} for at in ("event", "now")),
    {"group": "size", "at": "now"},
    [{"property": "color"}, {"profile": "plan"}],
]
ASKED: list[dict[str, Any]] = [
    {"kind": "trend", "series": MEASURES, "bucket": "week", "people": PEOPLE},
    *({"kind": "trend", "series": [BUY], "bucket": "week", "breakdown": one, "top": 2} for one in BREAKDOWNS),
    {"kind": "trend", "series": MEASURES, "formula": "A / B", "compare": "week", "rolling": 3},
    {"kind": "trend", "series": [BUY | {"measure": "people"}], "cumulative": True, "people": PEOPLE},
    *({"kind": "trend", "series": [{"event": "*", "measure": "people"}], "unit": u} for u in ("group", "session")),
    {"kind": "active", "event": EITHER, "people": PEOPLE},
    {"kind": "stickiness", "where": EVERYTHING, "people": PEOPLE},
    {"kind": "frequency", "event": EITHER, "people": PEOPLE},
    {"kind": "lifecycle", "event": "buy", "where": EVERYTHING, "people": PEOPLE},
    {"kind": "sessions", "label": "color", "people": PEOPLE},
    {"kind": "paths", "people": PEOPLE},
    {"kind": "paths", "end": "buy", "group": ["o*"], "without": ["page"], "gap": "3h"},
    {"kind": "adoption", "feature": BUY, "active": VIEW, "people": PEOPLE},
    {"kind": "impact", "feature": BUY, "outcome": VIEW, "people": PEOPLE, "within": "5d"},
    {"kind": "impact", "feature": BUY, "outcome": {"event": "buy"}, "measure": "sum", "property": "amount"},
    *(
        {"kind": "experiment", "flag": "price", "metrics": [BUY | more, {"event": "view"}], "people": PEOPLE}
        for more in ({}, {"measure": "count"}, {"measure": "sum", "property": "amount", "within": "10d"})
    ),
    *({"kind": "funnel", "steps": [VIEW, BUY], "order": o, "people": PEOPLE} for o in ("ordered", "strict", "any")),
    {"kind": "funnel", "steps": [{"event": "open"}, {"event": "view"}, {"event": "buy"}], "bucket": "week"},
    {"kind": "funnel", "steps": [VIEW, BUY], "exclude": [{"event": "open"}], "hold": ["color"], "within": "3d"},
    *(
        {"kind": "funnel", "steps": [VIEW, BUY | {"within": "1d"}], "breakdown": one, "top": 2}
        for one in BREAKDOWNS[::3]
    ),
    *(
        {
            "kind": "retention",
            "start": VIEW,
            "returns": BUY,
            "bucket": "week",
            "cohort": c,
            "window": w,
            "people": PEOPLE,
        }
        for c in ("recurring", "first_time")
        for w in ("calendar", "elapsed")
    ),
    {"kind": "retention", "start": VIEW, "returns": BUY, "mode": "on_or_after", "breakdown": {"profile": "plan"}},
]


def question(asked: dict[str, Any]) -> Question:
    return msgspec.convert({**RANGE, **asked}, Question)  # type: ignore[arg-type]


def world() -> World:
    scope = Scope(segments=frozenset({"vip"}))
    flag = FlagFacts(7, ("old", "new"), "old", {"test": SplitFacts({"old": 0.5, "new": 0.5}, 1)})
    return World(1, "Europe/Berlin", START + 30 * DAY_MS, True, scope, segments={"vip": 1}, flags={"price": flag})


def name_of(asked: dict[str, Any]) -> str:
    return f"{asked['kind']}-{ASKED.index(asked)}"


@pytest.fixture(scope="module", autouse=True)
def _rows() -> None:
    """Forty people, some of whom are known to be others now, and whose events are on both shards."""
    draw = random.Random(1)

    def at(days: float = 28) -> str:
        return f"{(START + draw.randrange(int(days * DAY_MS))) / 1000:.3f}"

    events = []
    for n in range(3_000):
        who, when = draw.randrange(40), at()
        properties = {"amount": draw.randrange(10), "color": draw.choice(("red", "blue"))}
        name = draw.choice(("buy", "view", "open", "page"))
        events.append([1, n, name, "track", when, when, True, who, who, who, f"m{n}", properties,
                       {"os": draw.choice(("ios", "web"))}])  # fmt: skip
    said = [[1, "plan", who, who, at(), f"s{who}-{n}", f'"{draw.choice(("pro", "free"))}"']
            for who in range(40) for n in range(3)]  # fmt: skip
    people = [[1, who, {"plan": draw.choice(("pro", "free"))}, at(1), at(), f"g{who % 4}", f'{{"size": {who % 4}}}',
               [1] if who % 3 else [], True, 1] for who in range(40)]  # fmt: skip
    moved = [[1, 1, who, at(), n % 2 == 0, who * 10 + n] for who in range(40) for n in range(3)]
    overrides = [[1, who, who - 1, 1] for who in range(1, 40, 9)]
    exposed = [[1, 7, f"u{who}", who, draw.choice(("old", "new")), "test", 1, at(10), n]
               for n, who in enumerate([*range(40), 3, 5])]  # fmt: skip
    head = "environment_id, "
    fill(
        {
            "events": (head + "id, name, kind, occurred_at, received_at, active, identifier_id, profile_id, "
                       "stored_profile_id, message_id, properties, context", events),
            "said": (head + "property, identifier_id, profile_id, at, message_id, value", said),
            "people": (head + "profile_id, properties, first_seen, last_seen, group_key, group_traits, segments, "
                       "alive, version", people),
            "moved": (head + "segment_id, profile_id, at, entered, id", moved),
            "overrides": (head + "identifier_id, profile_id, version", overrides),
            "exposed": (head + "definition_id, unit, profile_id, variant, rule, version, first_at, id", exposed),
        }
    )  # fmt: skip


@pytest.mark.parametrize("asked", ASKED, ids=name_of)
def test_shards_answer_as_one_server(asked: dict[str, Any]) -> None:
    compiled = compile_question(question(asked), world())
    whole, halves = (
        compiled.read([run(one.sql, one.parameters, database) for one in compiled.statements])
        for database in (WHOLE, HALVES)
    )
    assert halves == whole


@pytest.mark.parametrize("asked", ASKED, ids=name_of)
def test_the_statements_are_planned_for_a_cluster(asked: dict[str, Any]) -> None:
    for statement in compile_question(question(asked), world()).statements:
        assert not re.search(r"(?<!GLOBAL )\bIN \(\s*SELECT", statement.sql)
        plan(statement.sql, statement.parameters)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count() FROM events WHERE profile_id IN (SELECT profile_id FROM people)",
        "SELECT count() FROM events e ANY LEFT JOIN (SELECT profile_id FROM people) p ON p.profile_id = e.profile_id",
        "SELECT n FROM (SELECT count() n FROM events GROUP BY profile_id "
        "HAVING profile_id IN (SELECT profile_id FROM exposed))",
    ],
)
def test_a_subquery_that_every_shard_would_repeat_is_refused(sql: str) -> None:
    with pytest.raises(RuntimeError, match="Double-distributed"):
        plan(sql, {})
    plan(sql.replace(" IN ", " GLOBAL IN ").replace("ANY LEFT", "GLOBAL ANY LEFT"), {})


def test_every_kind_is_asked() -> None:
    kinds = {kind.__struct_config__.tag for kind in get_args(Question)}
    assert {asked["kind"] for asked in ASKED} == kinds


def test_only_templates_name_engines() -> None:
    package = Path(tinycdp.__file__).parent
    named = re.compile(r"ENGINE\s*=|\bMergeTree\b|ReplacingMergeTree|Distributed\(", re.IGNORECASE)
    found = [path for path in package.rglob("*.py") if named.search(path.read_text())]
    found.remove(package / "products" / "delivery" / "sinks" / "clickhouse.py")  # a table in the ClickHouse of others
    found += [path for path in package.rglob("*.sql") if named.search(path.read_text())]
    assert found == []
