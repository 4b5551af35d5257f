"""The people behind a number, a page at a time.

Shape   people_page(environment, analytics, question, cell, after, limit) → PeoplePage
Laws    all pages together have as many people as the number says, in the order of their ids
Errors  those of a question, with the path in the cell
"""

import secrets
from dataclasses import dataclass

from tinycdp.model import Instant
from tinycdp.products.analytics.cells.schemas import Cell
from tinycdp.products.analytics.compile.behind import people_of
from tinycdp.products.analytics.questions.schemas import Question
from tinycdp.products.analytics.service.answering import Analytics, Running
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.profiles.views import ProfileSummary, summary_of
from tinycdp.store import profiles as profile_store
from tinycdp.store.database.pool import acquired


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """Some of the people.

    total  how many there are in all
    next   the last id of the page, None on the last page"""

    as_of: Instant
    total: int
    people: list[ProfileSummary]
    next: int | None


async def people_page(
    environment: Environment, analytics: Analytics, question: Question, cell: Cell, after: int, limit: int
) -> PeoplePage:
    """The people behind a number whose ids are greater than `after`."""
    world = await analytics.world(environment, question)
    statement = people_of(question, world, cell)
    (rows,) = await analytics.rows([statement], Running(environment.id, secrets.token_hex(8)))
    ids = [int(row[0]) for row in rows]
    rest = [id for id in ids if id > after]
    people = []
    async with acquired(environment.pool) as connection:
        for id in rest[:limit]:
            row = await profile_store.load_by_id(connection, environment.id, id)
            if row is not None:  # else erased since
                seen = (row.first_seen_at, row.last_seen_at)
                people.append(summary_of(profile_store.SummaryRow(row.id, row.properties, *seen, row.identifiers)))
    return PeoplePage(world.as_of, len(ids), people, rest[limit - 1] if len(rest) > limit else None)
