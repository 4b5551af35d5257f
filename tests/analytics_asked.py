"""Compiled questions asked of the oracle's worlds, as rows of an embedded ClickHouse.

Shape   copied(world) → Copy: its rows are in the tables of the product, in an environment of its own
        Copy.answer(question) → Answer · Copy.people(question, cell) → profile ids
Laws    one process has one embedded engine. Rows arrive in the order that the world lists them
"""

import json
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from itertools import count
from typing import Any

import analytics_oracle as oracle
from clickhouse_rows import SETTINGS, insert, json_text, session
from tinycdp.dsl.check.expressions import Scope
from tinycdp.products.analytics.answers.schemas import Answer
from tinycdp.products.analytics.compile.questions import compile_question
from tinycdp.products.analytics.compile.sql import Statement
from tinycdp.products.analytics.compile.world import Compiled, FlagFacts, SplitFacts, World
from tinycdp.products.analytics.questions.schemas import Question
from tinycdp.products.analytics.store.clickhouse import Site
from tinycdp.products.analytics.store.tables import statements, templates

_ENVIRONMENTS = count(1)
VIP = 7
#: The columns of each table that a world fills, in the order of the rows below.
_COLUMNS = {
    "events": "environment_id, id, name, kind, occurred_at, received_at, active, identifier_id, profile_id, "
    "stored_profile_id, message_id, properties, context",
    "said": "environment_id, property, identifier_id, profile_id, at, message_id, value",
    "people": "environment_id, profile_id, properties, first_seen, last_seen, group_key, group_traits, segments, "
    "alive, version",
    "moved": "environment_id, segment_id, profile_id, at, entered, id",
    "overrides": "environment_id, identifier_id, profile_id, version",
    "exposed": "environment_id, definition_id, unit, profile_id, variant, rule, version, first_at, id",
}


@dataclass(frozen=True)
class Copy:
    """A world whose rows are in the tables."""

    world: World

    def answer(self, question: Question) -> Answer:
        compiled: Compiled[Answer] = compile_question(question, self.world)
        return compiled.read([rows(statement) for statement in compiled.statements])


def rows(statement: Statement) -> list[tuple[Any, ...]]:
    """The rows of a statement, as the client returns them."""
    from clickhouse_connect.driver.binding import format_bind_value

    for name, value in statement.parameters.items():
        sent = format_bind_value(value).replace("\\", "\\\\").replace("'", "\\'")
        _tables().query(f"SET param_{name} = '{sent}'")
    found = str(
        _tables().query(
            f"{statement.sql}\nSETTINGS {SETTINGS}, enable_json_type = 1, compile_expressions = 0", "JSONCompactEachRow"
        )
    )
    return [tuple(json.loads(line, parse_float=Decimal)) for line in found.splitlines()]


def copied(world: oracle.World) -> Copy:
    """Insert a world into an environment of its own."""
    environment = next(_ENVIRONMENTS)
    for table, found in _rows(world, environment).items():
        if found:
            _tables()
            insert(f"t.{table}", _COLUMNS[table], found)
    if world.owners:
        _tables().query("SYSTEM RELOAD DICTIONARY t.who")
    return Copy(
        World(
            environment_id=environment,
            zone=world.zone,
            as_of=world.as_of,
            merged=bool(world.owners),
            scope=Scope(segments=frozenset({"vip"})),
            segments={"vip": VIP},
            derived=world.derived,
            flags=_flags(world),
        )
    )


@cache
def _tables() -> Any:
    """The session, with the tables of the product in the database `t`."""
    opened = session()
    opened.query("CREATE DATABASE t")
    opened.query("USE t")
    for _, template in templates():
        for statement in statements(template, Site("t")):
            opened.query(statement)
    return opened


def _rows(world: oracle.World, environment: int) -> dict[str, list[list[Any]]]:
    events = [
        [
            *(environment, event.id, event.name, event.kind, _at(event.occurred_at), _at(event.received_at)),
            *(event.active, event.identifier_id, event.stored_profile_id, event.stored_profile_id, event.message_id),
            *(dict(event.properties), dict(event.context)),
        ]
        for event in world.events
    ]
    stored = {event.identifier_id: event.stored_profile_id for event in world.events} | dict(world.owners)
    said = [
        [
            *(environment, one.property, one.identifier_id, stored.get(one.identifier_id, 0), _at(one.at)),
            *(one.message_id, "" if one.value is None else json_text(one.value)),
        ]
        for one in world.said
    ]
    people = [
        [
            *(environment, profile, dict(person.properties), _at(world.as_of), _at(world.as_of), person.group or ""),
            *(json_text(dict(person.group_traits)), [VIP] if "vip" in person.segments else [], person.alive, 1),
        ]
        for profile, person in world.people.items()
    ]
    moved = [[environment, VIP, one.profile_id, _at(one.at), one.entered, one.id] for one in world.moved]
    overrides = [[environment, identifier, profile, 1] for identifier, profile in world.owners.items()]
    numbers = {key: n for n, key in enumerate(world.flags, 1)}
    exposed = [
        [
            environment,
            numbers[one.flag],
            one.unit,
            one.profile_id,
            one.variant,
            one.rule,
            one.version,
            _at(one.first_at),
            n,
        ]
        for n, one in enumerate(world.exposures)
    ]
    return {
        "events": events,
        "said": said,
        "people": people,
        "moved": moved,
        "overrides": overrides,
        "exposed": exposed,
    }


def _flags(world: oracle.World) -> dict[str, FlagFacts]:
    return {
        key: FlagFacts(
            n,
            tuple(flag.variants),
            flag.off,
            {
                rule: SplitFacts({variant: float(share) for variant, share in split.items()}, 1)
                for rule, split in flag.splits.items()
            },
        )
        for n, (key, flag) in enumerate(world.flags.items(), 1)
    }


def _at(instant: int) -> str:
    return f"{instant // 1000}.{instant % 1000:03d}"
