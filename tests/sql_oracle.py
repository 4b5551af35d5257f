"""Raw histories in a database, and what the SQL oracle says of them.

Shape   Histories(connection, environment_id).add(messages) → profile id; store(), once, puts what was added in place ·
        values(expressions, …) → what they are worth at an instant, by profile
Laws    nothing of the runtime is used: profiles get no state and no properties, so that only raw events can answer
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tinycdp.dsl import ir
from tinycdp.dsl.sql import read_value, select
from tinycdp.model import Message
from tinycdp.store.database.pool import Connection

_FIRST_OF_ALL = -2_208_988_800_000  # 1900: what a person is given before any message

_ADD_PROFILES = """
INSERT INTO profiles (environment_id, id, bucketing_key, created_at, properties, state, version)
SELECT $1, id, '', to_timestamp(0), '{}', '', 0 FROM unnest($2::bigint[]) AS id"""
_ADD_IDENTIFIERS = """
INSERT INTO identifiers (environment_id, kind, value, profile_id, created_at)
SELECT $1, 'userId', n::text, id, to_timestamp(0) FROM unnest($2::bigint[]) WITH ORDINALITY AS named (id, n)
RETURNING id, profile_id"""

_COLUMNS = (
    *("environment_id", "identifier_id", "kind", "name", "message_id", "occurred_at", "received_at"),
    *("clamped", "target", "properties", "context"),
)


class Histories:
    """`change` makes another statement of one: for tests that want a wrong one."""

    def __init__(
        self, connection: Connection, environment_id: int, change: Callable[[str], str] = lambda statement: statement
    ) -> None:
        self._change = change
        self.connection = connection
        self.environment_id = environment_id
        self._ids = itertools.count(environment_id * 1_000_000 + 1)
        self._profiles: list[tuple[int, int]] = []
        self._messages: list[tuple[int, Message]] = []

    def add(
        self, messages: Iterable[Message], properties: Mapping[str, Any] | None = None, *, identifiers: int = 1
    ) -> int:
        """A person with this history by so many identifiers; of a message that comes twice the first arrival counts."""
        id = next(self._ids)
        self._profiles.append((id, identifiers))
        if properties:
            given = Message(
                kind="identify",
                message_id="",
                identifiers=(),
                occurred_at=_FIRST_OF_ALL,
                received_at=_FIRST_OF_ALL,
                properties=dict(properties),
                active=False,
            )
            self._messages.append((id, given))
        once: dict[str, Message] = {}
        for message in sorted(messages, key=lambda m: m.received_at):
            once.setdefault(message.message_id, message)
        self._messages += [(id, message) for message in once.values()]
        return id

    async def store(self) -> None:
        await self.connection.execute(_ADD_PROFILES, self.environment_id, [id for id, _ in self._profiles])
        named = [id for id, identifiers in self._profiles for _ in range(identifiers)]
        identifiers: dict[int, list[int]] = {}
        for row in await self.connection.fetch(_ADD_IDENTIFIERS, self.environment_id, named):
            identifiers.setdefault(row["profile_id"], []).append(row["id"])
        rows = []
        for n, (id, message) in enumerate(self._messages):
            own = identifiers[id]
            rows.append((self.environment_id, own[n % len(own)], *_event(id, message)))
        await self.connection.copy_records_to_table("events", records=rows, columns=_COLUMNS)
        self._profiles, self._messages = [], []

    async def values(
        self,
        nodes: Sequence[ir.Node],
        at: int,
        *,
        zone: str = "UTC",
        definitions: Mapping[tuple[str, str], ir.Node] | None = None,
        context: Mapping[str, Any] | None = None,
        ids: Sequence[int] | None = None,
    ) -> dict[int, list[Any]]:
        """What each expression is worth to each person, as the engine would have it."""
        statement = select(nodes, resolve=(definitions or {}).get, zone=zone, context=context or {})
        rows = await self.connection.fetch(self._change(statement), self.environment_id, at, at, ids)
        return {
            row["profile_id"]: [read_value(row[f"v{n}"], node.type) for n, node in enumerate(nodes)] for row in rows
        }


def _event(profile_id: int, m: Message) -> tuple[Any, ...]:
    # Groups are an environment's: each history has its own, or they would share them.
    target = f"{profile_id} {m.group_id}" if m.group_id is not None else None
    context = m.context if m.active else {**m.context, "active": False}
    occurred_at = min(m.occurred_at, m.received_at)
    return (m.kind, m.name, m.message_id, occurred_at, m.received_at, False, target, m.properties, context)
