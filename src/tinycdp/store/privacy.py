"""Statements about secrets, suppressed identifiers and erasures.

Shape   one function per statement of sql/privacy.sql; find_traces searches every table
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tinycdp.model import Identifier
from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row
from tinycdp.store.database.statements import load

_SQL = load("privacy")

#: Tables that have ids and digests on purpose. Consumers of the outbox have to erase the profiles too.
_EXEMPT = frozenset(
    {
        "erasures",
        "suppressions",
        "outbox",
        "happenings",
        "waiting_deliveries",
        "undelivered",
        "deliveries",
        "sync_marks",
    }
)
_PROFILE_COLUMNS = frozenset({"profile_id", "survivor_id", "absorbed_id", "from_id", "to_id", "merged_into"})
_IDENTIFIER_COLUMNS = frozenset(
    {"identifier_id", "owner_id", "kept_owner_id", "other_owner_id", "link_identifier_id", "link_owner_id"}
)


@dataclass(frozen=True, slots=True)
class SuppressedRow(Row):
    """A suppressed identifier."""

    digest: bytes
    kind: str


@dataclass(frozen=True, slots=True)
class SuppressionRow(Row):
    """A suppressed identifier, with the author and the reason."""

    id: int
    digest: bytes
    kind: str
    note: str
    created_at: int
    created_by: str


@dataclass(frozen=True, slots=True)
class LockedProfileRow(Row):
    """A profile that is to be erased."""

    id: int
    bucketing_key: str
    created_at: int
    merged_into: int | None
    state: bytes


@dataclass(frozen=True, slots=True)
class PayloadRow(Row):
    """A logged message, and why it was not stored."""

    id: int
    payload: bytes
    message: str


@dataclass(frozen=True, slots=True)
class GroupCallRow(Row):
    """A message that set traits of a group."""

    key: str
    message_id: str


@dataclass(frozen=True, slots=True)
class StoredTraitRow(Row):
    """A trait of a group, and the message that set it last."""

    key: str
    name: str
    value: Any
    occurred_at: int
    message_id: str


@dataclass(frozen=True, slots=True)
class ErasureRow(Row):
    """The receipt of an erasure or an anonymisation."""

    environment_id: int
    id: int
    kind: Literal["erasure", "anonymization"]
    profiles: int
    profile_ids: list[int]
    identifier_ids: list[int]
    digests: list[bytes]
    counts: dict[str, int]
    note: str
    erased_at: int
    erased_by: str


@dataclass(frozen=True, slots=True)
class HeldMembershipRow(Row):
    """A membership of a profile."""

    fingerprint: int
    entered_at: int


@dataclass(frozen=True, slots=True)
class HeldExposureRow(Row):
    """An exposure of a profile."""

    day: str
    version: int
    variant: str
    rule: str
    unit: str
    first_at: int
    flag: str


@dataclass(frozen=True, slots=True)
class HeldListingRow(Row):
    """An identifier of a profile on a list; segment is the segment's last key."""

    kind: str
    value: str
    listed_at: int
    unlisted_at: int | None
    segment: str


@dataclass(frozen=True, slots=True)
class SessionVariantRow(Row):
    """A variant that a session keeps, or the profile itself: then without a session and an end."""

    unit: str
    session: str
    variant: str
    kept_until: int | None


@dataclass(frozen=True, slots=True)
class PlannedEventRow(Row):
    """An event whose name the tracking plan has."""

    id: int
    name: str
    properties: dict[str, Any]


@dataclass(frozen=True, slots=True)
class KeptEventRow(Row):
    """A kept event, with its new profile."""

    id: int
    profile_id: int
    received_at: int


@dataclass(frozen=True, slots=True)
class KeptTransitionRow(Row):
    """A kept transition, with its new profile."""

    id: int
    profile_id: int
    segment_id: int
    entered: bool
    at: int
    cause: str | None


async def secrets(connection: Connection) -> dict[int, bytes]:
    return {row["id"]: row["secret"] for row in await connection.fetch(_SQL["secrets"])}


async def suppression_marks(connection: Connection) -> dict[int, tuple[int, int]]:
    """By environment: (how many, the id of the newest)."""
    rows = await connection.fetch(_SQL["suppression_marks"])
    return {row["environment_id"]: (row["n"], row["newest"]) for row in rows}


async def suppressed(connection: Connection, environment_id: int) -> list[SuppressedRow]:
    return SuppressedRow.every(await connection.fetch(_SQL["suppressed"], environment_id))


async def count_suppressions(connection: Connection, environment_id: int) -> int:
    return await connection.fetchval(_SQL["count_suppressions"], environment_id)


async def add_suppressions(
    connection: Connection, environment_id: int, rows: Sequence[tuple[bytes, str]], note: str, now: int, author: str
) -> int:
    """`rows` are (digest, kind). Returns how many are new."""
    digests, kinds = [digest for digest, _ in rows], [kind for _, kind in rows]
    return await connection.fetchval(_SQL["add_suppressions"], environment_id, digests, kinds, note, now, author)


async def remove_suppressions(connection: Connection, environment_id: int, digests: Sequence[bytes]) -> int:
    return await connection.fetchval(_SQL["remove_suppressions"], environment_id, digests)


async def list_suppressions(connection: Connection, environment_id: int, before: int, n: int) -> list[SuppressionRow]:
    return SuppressionRow.every(await connection.fetch(_SQL["list_suppressions"], environment_id, before, n))


async def lock_erased_profiles(
    connection: Connection, environment_id: int, ids: Sequence[int]
) -> list[LockedProfileRow]:
    return LockedProfileRow.every(await connection.fetch(_SQL["lock_erased_profiles"], environment_id, ids))


async def hold_exposures(connection: Connection) -> None:
    await connection.execute(_SQL["hold_exposures"])


async def is_unit(connection: Connection, environment_id: int, texts: Sequence[str]) -> bool:
    """Whether one of these is the unit of an exposure or of a session variant."""
    return await connection.fetchval(_SQL["is_unit"], environment_id, texts)


async def is_listed(connection: Connection, environment_id: int, identifiers: Sequence[Identifier]) -> bool:
    """Whether one of these is on a list, or was."""
    return await connection.fetchval(_SQL["is_listed"], environment_id, *_columns(identifiers))


async def listings_held(
    connection: Connection, environment_id: int, identifiers: Sequence[Identifier]
) -> list[HeldListingRow]:
    return HeldListingRow.every(await connection.fetch(_SQL["listings_held"], environment_id, *_columns(identifiers)))


def _columns(identifiers: Sequence[Identifier]) -> tuple[list[str], list[str]]:
    return [identifier.kind for identifier in identifiers], [identifier.value for identifier in identifiers]


async def erase(connection: Connection, statement: str, environment_id: int, *values: Sequence[Any]) -> int:
    """Run a statement that deletes or blanks rows; returns the number of rows."""
    status: str = await connection.execute(_SQL[statement], environment_id, *values)
    return int(status.rpartition(" ")[2])


async def rejections_naming(connection: Connection, environment_id: int, texts: Sequence[str]) -> list[PayloadRow]:
    return PayloadRow.every(await connection.fetch(_SQL["rejections_naming"], environment_id, texts))


async def dead_letters_naming(connection: Connection, environment_id: int, texts: Sequence[str]) -> list[PayloadRow]:
    return PayloadRow.every(await connection.fetch(_SQL["dead_letters_naming"], environment_id, texts))


async def group_calls_of(
    connection: Connection, environment_id: int, identifier_ids: Sequence[int]
) -> list[GroupCallRow]:
    return GroupCallRow.every(await connection.fetch(_SQL["group_calls_of"], environment_id, identifier_ids))


async def stored_group_traits(connection: Connection, environment_id: int, keys: Sequence[str]) -> list[StoredTraitRow]:
    return StoredTraitRow.every(await connection.fetch(_SQL["stored_group_traits"], environment_id, keys))


async def copy_identifiers(
    connection: Connection, environment_id: int, rows: Sequence[tuple[int, str, int]]
) -> dict[int, int]:
    """`rows` are (identifier id, new value, new profile id). Returns the new ids by the old ones."""
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], []]
    found = await connection.fetch(_SQL["copy_identifiers"], environment_id, *columns)
    return {row["id"]: row["new_id"] for row in found}


async def planned_events(
    connection: Connection, environment_id: int, identifier_ids: Sequence[int], names: Sequence[str]
) -> list[PlannedEventRow]:
    return PlannedEventRow.every(await connection.fetch(_SQL["planned_events"], environment_id, identifier_ids, names))


async def keep_events(
    connection: Connection, environment_id: int, identifiers: Mapping[int, int]
) -> list[KeptEventRow]:
    """Give all events of these identifiers to others, without what they say; by id."""
    old, new = list(identifiers), list(identifiers.values())
    return KeptEventRow.every(await connection.fetch(_SQL["keep_events"], environment_id, old, new))


async def keep_properties(
    connection: Connection, environment_id: int, identifier_ids: Sequence[int], properties: Mapping[int, Any]
) -> None:
    """`properties` by event id, of events of these identifiers."""
    ids, values = list(properties), list(properties.values())
    await connection.execute(_SQL["keep_properties"], environment_id, identifier_ids, ids, values)


async def keep_transitions(
    connection: Connection, environment_id: int, profiles: Mapping[int, int]
) -> list[KeptTransitionRow]:
    """Give the transitions of profiles to others; in order."""
    old, new = list(profiles), list(profiles.values())
    return KeptTransitionRow.every(await connection.fetch(_SQL["keep_transitions"], environment_id, old, new))


async def keep_exposures(
    connection: Connection, environment_id: int, units: Mapping[str, str], profiles: Mapping[int, int]
) -> int:
    """Give the exposures of units and profiles to others; returns the number of rows."""
    columns = list(units), list(units.values()), list(profiles), list(profiles.values())
    status: str = await connection.execute(_SQL["keep_exposures"], environment_id, *columns)
    return int(status.rpartition(" ")[2])


async def append_erasure(connection: Connection, environment_id: int, *values: Any) -> int:
    return await connection.fetchval(_SQL["append_erasure"], environment_id, *values)


async def find_erasure(connection: Connection, environment_id: int, id: int) -> ErasureRow | None:
    return ErasureRow.maybe(await connection.fetchrow(_SQL["find_erasure"], environment_id, id))


async def list_erasures(connection: Connection, environment_id: int, before: int, n: int) -> list[ErasureRow]:
    return ErasureRow.every(await connection.fetch(_SQL["list_erasures"], environment_id, before, n))


async def memberships_of(
    connection: Connection, environment_id: int, profile_ids: Sequence[int], fingerprints: Sequence[int]
) -> list[HeldMembershipRow]:
    return HeldMembershipRow.every(
        await connection.fetch(_SQL["memberships_of"], environment_id, profile_ids, fingerprints)
    )


async def exposures_held(connection: Connection, environment_id: int, units: Sequence[str]) -> list[HeldExposureRow]:
    return HeldExposureRow.every(await connection.fetch(_SQL["exposures_held"], environment_id, units))


async def session_variants_held(
    connection: Connection, environment_id: int, units: Sequence[str]
) -> list[SessionVariantRow]:
    return SessionVariantRow.every(await connection.fetch(_SQL["session_variants_held"], environment_id, units))


async def find_traces(
    connection: Connection,
    environment_id: int,
    profile_ids: Sequence[int],
    identifier_ids: Sequence[int],
    texts: Sequence[str],
) -> Mapping[str, int]:
    """How many rows of each table mention one of these; only tables with such rows.

    Texts count as whole words, also inside documents and encoded state. Reads every table completely."""
    tables: dict[str, list[tuple[str, str]]] = {}
    for row in await connection.fetch(_SQL["columns"]):
        if row["table"] not in _EXEMPT:
            tables.setdefault(row["table"], []).append((row["column"], row["type"]))
    forms = sorted({form for text in texts for form in in_json(text)})
    word = "(^|[^[:alnum:]_])(" + "|".join(map(re.escape, forms)) + ")($|[^[:alnum:]_])" if forms else "$x"
    found = {}
    for table, columns in tables.items():
        condition = " OR ".join(filter(None, (_mentions(table, column, type) for column, type in columns)))
        # Every statement uses every parameter, so that Postgres can infer the types.
        statement = (
            f'SELECT count(*) FROM "{table}" WHERE environment_id = $1 AND ({condition or "false"}'
            " OR cardinality($2::bigint[]) < 0 OR cardinality($3::bigint[]) < 0 OR cardinality($4::text[]) < 0"
            " OR $5::text = '')"
        )
        n = await connection.fetchval(statement, environment_id, profile_ids, identifier_ids, forms, word, timeout=600)
        if n:
            found[table] = n
    return found


def in_json(text: str) -> set[str]:
    """The forms of a text inside a JSON string: unchanged, with escapes, and in ASCII only."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    ascii_only = "".join(
        c if ord(c) < 128 else "".join(f"\\u{int.from_bytes(u, 'big'):04x}" for u in _units(c)) for c in escaped
    )
    return {text, escaped, ascii_only}


def _units(character: str) -> list[bytes]:
    encoded = character.encode("utf-16-be", "surrogatepass")
    return [encoded[start : start + 2] for start in range(0, len(encoded), 2)]


def _mentions(table: str, column: str, type: str) -> str:
    name = f'"{column}"'
    if column in _PROFILE_COLUMNS or (table, column) == ("profiles", "id"):
        return f"{name} = ANY ($2::bigint[])"
    if column in _IDENTIFIER_COLUMNS or (table, column) == ("identifiers", "id"):
        return f"{name} = ANY ($3::bigint[])"
    match type:
        case "bigint[]":
            return f"{name} && $3::bigint[]"
        case "text" | "json" | "jsonb" | "text[]":
            return f"{name}::text ~ $5"
        case "bytea":
            # A short text would be found in bytes by chance.
            return (
                "EXISTS (SELECT 1 FROM unnest($4::text[]) AS t (text)"
                f" WHERE octet_length(t.text) > 4 AND position(convert_to(t.text, 'UTF8') IN {name}) > 0)"
            )
        case _:
            return ""
