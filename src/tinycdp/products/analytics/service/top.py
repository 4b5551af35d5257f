"""The names with the most events.

Shape   top_events(environment, analytics, asked, limit) → TopEvents
"""

import secrets
from dataclasses import dataclass

from tinycdp.products.analytics.answers.schemas import Notice
from tinycdp.products.analytics.compile.event_rows import top_names
from tinycdp.products.analytics.questions.schemas import RawEventsQuestion
from tinycdp.products.analytics.service.answering import Analytics, Running
from tinycdp.runtime.environment import Environment
from tinycdp.times import iso


@dataclass(frozen=True, slots=True)
class TopEvents:
    """rows: name, events, people."""

    as_of: str
    rows: list[tuple[str, int, int]]
    notices: tuple[Notice, ...]


async def top_events(environment: Environment, analytics: Analytics, asked: RawEventsQuestion, limit: int) -> TopEvents:
    """The names with the most events of a range, as of now."""
    world, _ = await analytics.worlds.at(environment)
    found = top_names(asked, limit, world)
    (rows,) = await analytics.rows([found.statement], Running(environment.id, secrets.token_hex(8)))
    return TopEvents(iso(world.as_of), [(str(name), int(n), int(people)) for name, n, people in rows], found.notices)
