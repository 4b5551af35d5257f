"""The history of a segment: members, entries and exits over time, and its transitions.

Shape   history(…) returns the local hours, days or weeks of a span; transitions(…) returns a page, newest first
Units   instants are ISO 8601 in UTC; buckets are those of the environment's time zone
Laws    a transition counts at its true instant, also one by the clock that the worker recorded later.
        `members` of a bucket is how many profiles were in the segment at its end. It is computed from the present
        members and the transitions since, so that entered - left + moved of a bucket is the change of `members`
Errors  NotFound NOT_FOUND · InvalidInput INVALID_REQUEST, INVALID_CURSOR
Source  docs/reference/profiles.md "Segments over time"
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from tinycdp.dsl.values.calendar import Bucket, days_in
from tinycdp.engine.catalog import Catalog
from tinycdp.errors import InvalidInput, NotFound
from tinycdp.model import DAY_MS, HOUR_MS, Instant
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.profiles import views
from tinycdp.runtime.profiles.views import IdentifierRef
from tinycdp.store import memberships as store
from tinycdp.store import profiles as profile_store
from tinycdp.store.database.pool import Connection, snapshot
from tinycdp.times import iso

#: A history has at most this many buckets.
MOST_BUCKETS = 1_000
#: How far back a history goes without `from`.
_SPANS: dict[Bucket, Instant] = {"hour": 48 * HOUR_MS, "day": 30 * DAY_MS, "week": 26 * 7 * DAY_MS}


@dataclass(frozen=True, slots=True)
class SegmentBucket:
    """One local hour, day or week of a segment.

    end      exclusive
    moved    by how much merges changed the number of members: below 0, one for each two members that became one
    members  at the end of the bucket; of the present one, now"""

    start: str
    end: str
    entered: int
    left: int
    moved: int
    members: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentHistory:
    """The history of a segment, oldest bucket first.

    as_of  the instant up to which changes by the clock are included"""

    segment: str
    bucket: Bucket
    zone: str
    buckets: list[SegmentBucket]
    as_of: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentTransition:
    """One profile entered or left a segment.

    at           when membership changed
    recorded_at  when it was recorded; later than `at` if the clock was the cause
    cause        None if it was recorded by an older release"""

    profile_id: str
    identifiers: list[IdentifierRef]
    entered: bool
    at: str
    recorded_at: str
    cause: str | None


@dataclass(frozen=True, slots=True)
class SegmentTransitions:
    """A page of transitions, newest first."""

    transitions: list[SegmentTransition]
    next: str | None
    as_of: str


async def memberships_as_of(connection: Connection, environment_id: int, now: Instant) -> Instant:
    """The instant up to which the memberships table includes every change by the clock.

    It is `now`, or earlier while the worker is behind."""
    due = await profile_store.next_due_at(connection, environment_id)
    return now if due is None or due > now else due


async def history(
    environment: Environment, catalogs: Catalogs, key: str, bucket: Bucket, since: Instant | None, until: Instant | None
) -> SegmentHistory:
    """A segment in the buckets that contain an instant of [since, until), by default the newest ones up to now."""
    now = environment.now()
    until = min(until, now + 1) if until is not None else now + 1
    since = since if since is not None else until - _SPANS[bucket]
    async with snapshot(environment.pool) as connection:
        catalog, id = await _find(connection, catalogs, environment.id, key)
        starts = _starts(catalog, bucket, since, until)
        fingerprint = catalog.live.fingerprints["segment", key]
        counted = await store.count_members(connection, environment.id, [fingerprint])
        rows = await store.transitions_by_bucket(connection, environment.id, id, starts)
        as_of = await memberships_as_of(connection, environment.id, now)
    by_bucket = {row.bucket: row for row in rows}
    none = store.BucketRow(0, 0, 0, 0)
    members, buckets = counted.get(fingerprint, 0), []
    for n in reversed(range(len(starts))):
        row = by_bucket.get(n, none)
        if n < len(starts) - 1:  # the last start is the end of the last bucket
            span = (iso(starts[n]), iso(starts[n + 1]))
            buckets.append(SegmentBucket(*span, row.entered, row.left, row.moved, members))
        members -= row.entered - row.left + row.moved
    return SegmentHistory(
        segment=key, bucket=bucket, zone=catalog.zone, buckets=buckets[::-1], as_of=iso(as_of)
    )  # fmt: skip


def _starts(catalog: Catalog, bucket: Bucket, since: Instant, until: Instant) -> Sequence[Instant]:
    """The first instants of the buckets, and the end of the last."""
    if since >= until:
        raise InvalidInput("INVALID_REQUEST", f"`from` is {iso(since)}; it must be before `to` and before now.")
    beyond = until + _SPANS["week"]
    found = list(islice(days_in(catalog.zone).buckets(bucket, since, beyond), MOST_BUCKETS + 2))
    n = sum(start < until for start in found)
    if n > MOST_BUCKETS:
        message = (
            f"From {iso(since)} to {iso(until)} are more than {MOST_BUCKETS:,} buckets of a {bucket}; ask for less."
        )
        raise InvalidInput("INVALID_REQUEST", message)
    return found[: n + 1]


async def transitions(
    environment: Environment,
    catalogs: Catalogs,
    key: str,
    *,
    since: Instant | None,
    until: Instant | None,
    entered: bool | None,
    cause: str | None,
    cursor: str | None,
    n: int,
) -> SegmentTransitions:
    """A page of a segment's transitions in [since, until), newest first."""
    before = views.position(cursor)
    span = (since if since is not None else 0, until if until is not None else views.END_OF_TIME)
    async with snapshot(environment.pool) as connection:
        _, id = await _find(connection, catalogs, environment.id, key)
        rows = await store.transitions_of_segment(connection, environment.id, id, span, entered, cause, before, n)
        as_of = await memberships_as_of(connection, environment.id, environment.now())
    found = [
        SegmentTransition(
            profile_id=str(row.profile_id),
            identifiers=views.identifiers_of(row.identifiers),
            entered=row.entered,
            at=iso(row.at),
            recorded_at=iso(row.recorded_at),
            cause=row.cause,
        )
        for row in rows
    ]
    following = views.cursor_of(rows[-1].at, rows[-1].id) if len(rows) == n else None
    return SegmentTransitions(found, following, iso(as_of))


async def _find(connection: Connection, catalogs: Catalogs, environment_id: int, key: str) -> tuple[Catalog, int]:
    """The catalog, and the id of a live segment."""
    catalog = await catalogs.current_in(connection, environment_id)
    definition = catalog.live.definitions.get(("segment", key))
    if definition is None:
        raise NotFound("NOT_FOUND", f"There is no segment {key!r}.")
    return catalog, definition.id
