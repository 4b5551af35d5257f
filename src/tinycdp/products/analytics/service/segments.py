"""Save the people behind a number as a segment.

Shape   save_segment(…) → SavedPeople: a static segment with the people of now, or a live one with a rule
Laws    a static segment has the people that the number counts when it is asked, from its first instant on: the segment
        and its list are saved in one transaction, or neither is. With a dry run nothing is saved
Errors  those of a question · InvalidInput NOT_LIVE · Conflict KEY_EXISTS
Source  docs/reference/analytics-definitions.md "A number as a segment"
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from tinycdp.model import STRENGTH, Identifier, Instant
from tinycdp.products.analytics.cells.schemas import Cell
from tinycdp.products.analytics.compile.behind import people_of
from tinycdp.products.analytics.definitions.live import live_rule
from tinycdp.products.analytics.questions.schemas import Question
from tinycdp.products.analytics.service.answering import Analytics, Running
from tinycdp.products.analytics.store import people as store
from tinycdp.runtime.definitions.change_set import read_change
from tinycdp.runtime.definitions.publish import publish
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.segments.lists import Lists
from tinycdp.store.database.pool import acquired

_PROFILES_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class PeopleRequest:
    """Which people are to be a segment, and how it is called.

    live  a rule, whose members change with the number"""

    question: Question
    cell: Cell
    key: str
    description: str = ""
    live: bool = False


@dataclass(frozen=True, slots=True)
class SavedPeople:
    """A segment that was saved, or with a dry run would be.

    rule      of a live segment; empty for a static one
    profiles  how many people a static segment has; None for a live one
    as_of     the instant for which they were counted"""

    key: str
    rule: str
    profiles: int | None
    as_of: Instant
    revision: int
    backfilling: bool
    dry_run: bool


async def save_segment(
    environment: Environment, analytics: Analytics, lists: Lists, request: PeopleRequest, edit: Edit
) -> SavedPeople:
    """Save the people behind a number under a new key."""
    world = await analytics.world(environment, request.question)
    document: dict[str, Any] = {"key": request.key, "description": request.description}
    people: Sequence[int] = ()
    rule = ""
    if request.live:
        rule = document["rule"] = live_rule(request.question, request.cell, world)
    else:
        document["static"] = True
        statement = people_of(request.question, world, request.cell)
        (rows,) = await analytics.rows([statement], Running(environment.id, secrets.token_hex(8)))
        people = [int(row[0]) for row in rows]
    change = msgspec.structs.replace(read_change("segment", document), expects=0)
    if people and not edit.dry_run:
        async with lists.staged(environment.id, await _identifiers(environment, people)) as staged:
            plan = await publish(environment, [change], edit, lists={("segment", request.key): staged})
    else:
        plan = await publish(environment, [change], edit)
    return SavedPeople(
        key=request.key,
        rule=rule,
        profiles=None if request.live else len(people),
        as_of=world.as_of,
        revision=plan.revision,
        backfilling=plan.backfilling,
        dry_run=edit.dry_run,
    )


async def _identifiers(environment: Environment, people: Sequence[int]) -> list[Identifier]:
    """Of each person the identifiers of the strongest kind."""
    found: list[Identifier] = []
    for first in range(0, len(people), _PROFILES_AT_ONCE):
        async with acquired(environment.pool) as connection:
            part = people[first : first + _PROFILES_AT_ONCE]
            rows = await store.strongest_identifiers(connection, environment.id, part, list(STRENGTH))
        found += [Identifier(kind, value) for kind, value in rows]
    return found
