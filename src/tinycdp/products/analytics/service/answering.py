"""Answers to questions, as of a stated instant.

Shape   Analytics.answer(environment, question) → Answer · people(environment, question, cell, …) → profiles
        cancel(environment, id) ends a question that is running
Laws    as_of is read before the tables are: everything acknowledged before it is in the answer.
        A cached answer is given only if nothing it read has changed since; its as_of is then now.
        An answer that is no longer waited for is cancelled in ClickHouse, too
Errors  ANALYTICS_AWAY, ANALYTICS_BUSY, ANALYTICS_FILLING, TIMED_OUT, OUT_OF_MEMORY, INVALID_QUESTION
Source  docs/reference/analytics.md
"""

import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import msgspec

from tinycdp.errors import Unavailable
from tinycdp.products.analytics.answers.schemas import Answer
from tinycdp.products.analytics.compile.calendar import days_of, resolved
from tinycdp.products.analytics.compile.questions import compile_question
from tinycdp.products.analytics.compile.sql import Statement
from tinycdp.products.analytics.compile.world import World
from tinycdp.products.analytics.feed.lag import CopyLag, lag, newest_touch
from tinycdp.products.analytics.questions.schemas import ExperimentQuestion, Question
from tinycdp.products.analytics.service.cache import AnswerCache, Entry, key_of
from tinycdp.products.analytics.service.turns import Turns
from tinycdp.products.analytics.service.worlds import Standpoint, Worlds
from tinycdp.products.analytics.store.clickhouse import ClickHouse
from tinycdp.products.analytics.store.errors import AnalyticsAway
from tinycdp.runtime.environment import Environment
from tinycdp.times import iso

LONGEST_SECONDS = 30
LONGEST_FILE_SECONDS = 300
#: The share of the memory of analytics that one question may take, and when it begins to use the disk.
_SHARE, _SPILL = 0.4, 0.5
_APPROXIMATE = "distinct counts within about 1 %, percentiles within about 1 % of their place"


@dataclass(frozen=True, slots=True)
class Running:
    """A question that may be cancelled. id: chosen by the client, or random."""

    environment_id: int
    id: str

    @property
    def comment(self) -> str:
        return f"{self.environment_id}:{self.id}"


class Analytics:
    """The questions of one process."""

    def __init__(self, clickhouse: ClickHouse, worlds: Worlds, cache: AnswerCache, memory_bytes: int) -> None:
        self.clickhouse = clickhouse
        self.worlds = worlds
        self._cache = cache
        self._turns = Turns()
        self._memory_bytes = memory_bytes

    async def answer(self, environment: Environment, question: Question, id: str = "") -> Answer:
        """The answer, from the cache if it is still true."""
        place, now = await self.worlds.place(environment), environment.now()
        question = resolved(question, place.zone, place.as_of)
        key = key_of(place.secret.hex(), environment.id, place.zone, place.revision, place.saved.version, question)
        entry = await self._cache.get(key)
        if entry is not None and await self._still_true(environment, entry, place):
            return msgspec.structs.replace(entry.answer, as_of=iso(place.as_of))
        world = await self.worlds.world(environment, place, flag=_flag_of(question))
        compiled = compile_question(question, world)
        rows = await self.rows(compiled.statements, Running(environment.id, id or secrets.token_hex(8)))
        answer = msgspec.structs.replace(
            compiled.read(rows),
            as_of=iso(world.as_of),
            computed_at=iso(now),
            zone=world.zone,
            question=question,
            approximate=_APPROXIMATE if question.approximate else msgspec.UNSET,
        )
        if (holds_until := compiled.held_until(rows)) > world.as_of:
            await self._cache.put(key, Entry(answer, compiled.reads, place.position, holds_until))
        return answer

    async def world(self, environment: Environment, question: Question) -> World:
        """The world of an environment now, with what a question needs of it."""
        world, _ = await self.worlds.at(environment, flag=_flag_of(question))
        return world

    async def rows(
        self, statements: Sequence[Statement], running: Running, *, seconds: int = LONGEST_SECONDS
    ) -> list[list[tuple[Any, ...]]]:
        """The rows of each statement, one after another, in one turn."""
        async with self._turns.turn(running.environment_id):
            return [
                await self.clickhouse.query(
                    one.sql, one.parameters, settings=self.limits(seconds), comment=running.comment
                )
                for one in statements
            ]

    async def stream(
        self,
        statement: Statement,
        running: Running,
        format: str,
        settings: Mapping[str, Any],
        *,
        seconds: int = LONGEST_FILE_SECONDS,
    ) -> AsyncGenerator[bytes]:
        """A file of a result, as ClickHouse writes it."""
        async with self._turns.turn(running.environment_id):
            given = {**self.limits(seconds), **settings}
            parts = self.clickhouse.stream(
                statement.sql, statement.parameters, format=format, settings=given, comment=running.comment
            )
            # Closed here, so that a file that is no longer read ends its statement at once.
            async with aclosing(parts):
                async for part in parts:
                    yield part

    async def cancel(self, environment: Environment, id: str) -> bool:
        """End a question; False if it is not running."""
        comment = Running(environment.id, id).comment
        running = "SELECT count() FROM system.processes WHERE Settings['log_comment'] = {comment:String}"
        try:
            [(n,)] = await self.clickhouse.query(running, {"comment": comment}, anywhere=True)
            if n:
                await self.clickhouse.kill(comment)
        except AnalyticsAway:
            return False
        return bool(n)

    def limits(self, seconds: int) -> Mapping[str, Any]:
        """The settings that keep one question within its share."""
        memory = int(self._memory_bytes * _SHARE)
        return {
            "max_execution_time": seconds,
            "max_memory_usage": memory,
            "max_bytes_before_external_group_by": int(memory * _SPILL),
            "max_bytes_before_external_sort": int(memory * _SPILL),
        }

    async def _still_true(self, environment: Environment, entry: Entry, place: Standpoint) -> bool:
        if place.as_of >= entry.holds_until:
            return False
        reads = entry.reads
        days = days_of(reads.since, reads.until, place.zone)
        newest = await newest_touch(self.clickhouse, environment.id, reads.names, days, noted=reads.noted)
        return newest <= entry.position

    async def lag(self, environment: Environment) -> CopyLag | None:
        """How far the copy is behind; None while the first one is made."""
        try:
            return await lag(environment)
        except Unavailable as filling:
            if filling.code != "ANALYTICS_FILLING":
                raise
            return None

    async def close(self) -> None:
        """Close the connections to ClickHouse and Redis."""
        await self.clickhouse.close()
        await self._cache.close()


def _flag_of(question: Question) -> str:
    return question.flag if isinstance(question, ExperimentQuestion) else ""
