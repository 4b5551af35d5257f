"""Statements about memberships, transitions, and the lists of static segments."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass

from tinycdp.store.database.pool import Connection
from tinycdp.store.database.rows import Row
from tinycdp.store.database.statements import load
from tinycdp.store.profiles import ProfileRow, SummaryRow, between

_SQL = load("memberships")
_EDIT_COLUMNS = ("environment_id", "edit_id", "n", "adds", "kind", "value", "staged_at")


async def enter_segments(connection: Connection, environment_id: int, rows: Sequence[tuple[int, int, int]]) -> None:
    """`rows` are (fingerprint, profile id, entered at)."""
    if rows:
        await connection.execute(_SQL["enter_segments"], environment_id, *map(list, zip(*rows, strict=True)))


async def leave_segments(connection: Connection, environment_id: int, rows: Sequence[tuple[int, int]]) -> None:
    """`rows` are (fingerprint, profile id)."""
    if rows:
        await connection.execute(_SQL["leave_segments"], environment_id, *map(list, zip(*rows, strict=True)))


async def append_transitions(
    connection: Connection, environment_id: int, now: int, rows: Sequence[tuple[int, int, bool, int, str]]
) -> None:
    """`rows` are (segment id, profile id, entered, at, cause)."""
    if rows:
        await connection.execute(_SQL["append_transitions"], environment_id, now, *map(list, zip(*rows, strict=True)))


@dataclass(slots=True)
class MemberProfileRow(ProfileRow):
    """A member of a segment, with the first identifier of each kind. entered_at: None for all profiles"""

    entered_at: int | None
    user_id: str | None
    anonymous_id: str | None


@dataclass(frozen=True, slots=True)
class MemberRow(SummaryRow):
    """A member of a segment in a list, with the instant it entered."""

    entered_at: int


@dataclass(frozen=True, slots=True)
class FoundMemberRow(MemberRow):
    """A member that was searched for, and how many are found."""

    total: int


@dataclass(frozen=True, slots=True)
class TransitionRow(Row):
    """A profile entered or left a segment; last_key is the segment's last key."""

    id: int
    segment_id: int
    entered: bool
    at: int
    recorded_at: int
    cause: str | None
    last_key: str | None


@dataclass(frozen=True, slots=True)
class SegmentTransitionRow(Row):
    """A profile entered or left one segment."""

    id: int
    profile_id: int
    entered: bool
    at: int
    recorded_at: int
    cause: str | None
    identifiers: list[str]


@dataclass(frozen=True, slots=True)
class BucketRow(Row):
    """How often profiles entered and left a segment in one bucket; moved: what merges added, usually below 0."""

    bucket: int
    entered: int
    left: int
    moved: int


@dataclass(frozen=True, slots=True)
class NewTransitionRow(Row):
    """A profile entered or left a segment, which is named by its last key."""

    id: int
    segment: str
    profile_id: int
    entered: bool
    at: int
    recorded_at: int
    cause: str | None


async def newest_transition(connection: Connection, environment_id: int) -> int:
    """The greatest id, 0 if there is no transition."""
    return await connection.fetchval(_SQL["newest_transition"], environment_id)


async def transitions_since(connection: Connection, environment_id: int, after: int, n: int) -> list[NewTransitionRow]:
    """Those with a greater id, the oldest first."""
    return NewTransitionRow.every(await connection.fetch(_SQL["transitions_since"], environment_id, after, n))


async def names_of_profiles(
    connection: Connection, environment_id: int, ids: Collection[int], kinds: Sequence[str]
) -> dict[int, str | None]:
    """What people are called, by profile id; None for one without a name and identifiers. Erased ones are not in it."""
    return dict(await connection.fetch(_SQL["names_of_profiles"], environment_id, ids, kinds)) if ids else {}


async def transitions_of_profile(
    connection: Connection, environment_id: int, profile_id: int, n: int
) -> list[TransitionRow]:
    return TransitionRow.every(await connection.fetch(_SQL["transitions_of_profile"], environment_id, profile_id, n))


@dataclass(frozen=True, slots=True)
class ListedRow(Row):
    """An identifier on a list. profile_id: None until a message names it"""

    kind: str
    value: str
    listed_at: int
    profile_id: int | None


@dataclass(frozen=True, slots=True)
class ListingRow(Row):
    """A span of time in which an identifier was on a list."""

    identifier_id: int
    segment_id: int
    listed_at: int
    unlisted_at: int | None


async def transitions_of_segment(
    connection: Connection,
    environment_id: int,
    segment_id: int,
    span: tuple[int, int],
    entered: bool | None,
    cause: str | None,
    before: tuple[int, int],
    n: int,
) -> list[SegmentTransitionRow]:
    """`before` is the (at, id) of the last row of the previous page."""
    return SegmentTransitionRow.every(
        await connection.fetch(
            _SQL["transitions_of_segment"], environment_id, segment_id, *span, entered, cause, *before, n
        )
    )


async def transitions_by_bucket(
    connection: Connection, environment_id: int, segment_id: int, starts: Sequence[int]
) -> list[BucketRow]:
    return BucketRow.every(await connection.fetch(_SQL["transitions_by_bucket"], environment_id, segment_id, starts))


async def count_members(connection: Connection, environment_id: int, fingerprints: Sequence[int]) -> dict[int, int]:
    return dict(await connection.fetch(_SQL["count_members"], environment_id, fingerprints))


async def members(
    connection: Connection, environment_id: int, fingerprint: int, *, with_state: bool
) -> AsyncIterator[list[MemberProfileRow]]:
    """All members of a segment, 200 at a time, so the event loop is not blocked.

    It runs inside a transaction, so all batches see one snapshot."""
    cursor = await connection.cursor(_SQL["members"], environment_id, fingerprint, with_state)
    while rows := await cursor.fetch(200, timeout=60):
        yield MemberProfileRow.every(rows)


async def every_profile(
    connection: Connection, environment_id: int, *, with_state: bool
) -> AsyncIterator[list[MemberProfileRow]]:
    """All profiles, as `members` has them; entered_at is None."""
    cursor = await connection.cursor(_SQL["every_profile"], environment_id, with_state)
    while rows := await cursor.fetch(200, timeout=60):
        yield MemberProfileRow.every(rows)


async def count_every_profile(connection: Connection, environment_id: int, timeout_seconds: float) -> int:
    return await connection.fetchval(_SQL["count_every_profile"], environment_id, timeout=timeout_seconds)


async def property_names_of_everyone(
    connection: Connection, environment_id: int, n: int, timeout_seconds: float
) -> list[str]:
    rows = await connection.fetch(_SQL["property_names_of_everyone"], environment_id, n, timeout=timeout_seconds)
    return [row["name"] for row in rows]


async def property_names_of_members(
    connection: Connection, environment_id: int, fingerprint: int, n: int, timeout_seconds: float
) -> list[str]:
    rows = await connection.fetch(
        _SQL["property_names_of_members"], environment_id, fingerprint, n, timeout=timeout_seconds
    )
    return [row["name"] for row in rows]


async def members_page(
    connection: Connection, environment_id: int, fingerprint: int, after_id: int, n: int, skipped: int = 0
) -> list[MemberRow]:
    rows = await connection.fetch(_SQL["members_page"], environment_id, fingerprint, after_id, n, skipped)
    return MemberRow.every(rows)


async def members_found(
    connection: Connection, environment_id: int, fingerprint: int, prefix: str, n: int, skipped: int, *, by_entry: bool
) -> list[FoundMemberRow]:
    """A page of the members with an identifier that begins so, each with the number of all.

    by_entry: the one that entered last is first, instead of the lowest id"""
    bounds = between(prefix) if prefix else (None, None)
    return FoundMemberRow.every(
        await connection.fetch(_SQL["members_found"], environment_id, fingerprint, *bounds, by_entry, n, skipped)
    )


# Lists of static segments


async def share_lists(connection: Connection, environment_id: int) -> None:
    await connection.execute(_SQL["share_lists"], environment_id)


async def hold_lists(connection: Connection, environment_id: int) -> None:
    await connection.execute(_SQL["hold_lists"], environment_id)


async def lists_of_identifiers(
    connection: Connection, environment_id: int, identifiers: Sequence[tuple[str, str]]
) -> list[tuple[str, str, int]]:
    """(kind, value, segment id) of those that are listed."""
    kinds, values = [kind for kind, _ in identifiers], [value for _, value in identifiers]
    rows = await connection.fetch(_SQL["lists_of_identifiers"], environment_id, kinds, values)
    return [(row["kind"], row["value"], row["segment_id"]) for row in rows]


async def lists_of_profiles(
    connection: Connection, environment_id: int, profile_ids: Sequence[int]
) -> dict[int, list[int]]:
    """The lists of each of these profiles; a profile on no list is left out."""
    return dict(await connection.fetch(_SQL["lists_of_profiles"], environment_id, profile_ids))


async def listings_of(connection: Connection, environment_id: int, identifier_ids: Sequence[int]) -> list[ListingRow]:
    return ListingRow.every(await connection.fetch(_SQL["listings_of"], environment_id, identifier_ids))


async def count_listed(connection: Connection, environment_id: int, segment_ids: Sequence[int]) -> dict[int, int]:
    return dict(await connection.fetch(_SQL["count_listed"], environment_id, segment_ids)) if segment_ids else {}


async def listed_page(
    connection: Connection, environment_id: int, segment_id: int, after: tuple[str, str], n: int
) -> list[ListedRow]:
    return ListedRow.every(await connection.fetch(_SQL["listed_page"], environment_id, segment_id, *after, n))


async def next_edit(connection: Connection) -> int:
    return await connection.fetchval(_SQL["next_edit"])


async def forget_edits(connection: Connection, environment_id: int, edit_id: int, staged_before: int) -> None:
    await connection.execute(_SQL["forget_edits"], environment_id, edit_id, staged_before)


async def stage_identifiers(
    connection: Connection,
    environment_id: int,
    edit_id: int,
    first: int,
    identifiers: Sequence[tuple[str, str]],
    now: int,
    *,
    adds: bool,
) -> None:
    """Copy identifiers, numbered from `first`."""
    await connection.copy_records_to_table(
        "list_edits",
        records=[(environment_id, edit_id, n, adds, *pair, now) for n, pair in enumerate(identifiers, start=first)],
        columns=_EDIT_COLUMNS,
    )


@dataclass(frozen=True, slots=True)
class StagedList:
    """The list of a new segment. staged: how many identifiers its edit had."""

    edit_id: int
    segment_id: int
    staged: int


async def list_staged(
    connection: Connection, environment_id: int, edit_id: int, segment_id: int, now: int
) -> StagedList:
    """Make the identifiers of an edit the list of a new segment."""
    staged = await connection.fetchval(_SQL["count_staged"], environment_id, edit_id)
    await connection.execute(_SQL["list_staged"], environment_id, edit_id, segment_id, now, timeout=600)
    return StagedList(edit_id, segment_id, staged)


async def unlist_erased(connection: Connection, environment_id: int, one: StagedList) -> None:
    """Take off the list what an erasure took out of the edit since."""
    if await connection.fetchval(_SQL["count_staged"], environment_id, one.edit_id) != one.staged:
        await connection.execute(_SQL["unlist_unstaged"], environment_id, one.edit_id, one.segment_id)


async def stage_members(
    connection: Connection, environment_id: int, edit_id: int, fingerprint: int, strongest: Sequence[str], now: int
) -> int:
    """Returns how many identifiers were staged."""
    status: str = await connection.execute(
        _SQL["stage_members"], environment_id, edit_id, fingerprint, strongest, now, timeout=600
    )
    return int(status.rpartition(" ")[2])


async def stage_rest(
    connection: Connection, environment_id: int, edit_id: int, segment_id: int, staged: int, now: int
) -> int:
    """Returns how many identifiers were staged."""
    status: str = await connection.execute(
        _SQL["stage_rest"], environment_id, edit_id, segment_id, staged, now, timeout=600
    )
    return int(status.rpartition(" ")[2])


async def count_edit(connection: Connection, environment_id: int, edit_id: int, segment_id: int) -> tuple[int, int]:
    """How many identifiers an edit would add and remove."""
    row = await connection.fetchrow(_SQL["count_edit"], environment_id, edit_id, segment_id, timeout=600)
    return row["added"], row["removed"]


async def change_list(
    connection: Connection, environment_id: int, edit_id: int, segment_id: int, part: tuple[int, int], now: int
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Apply a part of an edit, from its first to its last number.

    Returns (kind, value) of what was added, and of what was removed."""
    added, removed = [
        [
            (row["kind"], row["value"])
            for row in await connection.fetch(_SQL[statement], environment_id, edit_id, segment_id, *part, now)
        ]
        for statement in ("add_to_list", "remove_from_list")
    ]
    return added, removed


async def profiles_of_identifiers(
    connection: Connection, environment_id: int, identifiers: Sequence[tuple[str, str]]
) -> set[int]:
    kinds, values = [kind for kind, _ in identifiers], [value for _, value in identifiers]
    rows = await connection.fetch(_SQL["profiles_of_identifiers"], environment_id, kinds, values)
    return {row["profile_id"] for row in rows}
