"""The search for profiles: by the start of an identifier, properties and segment.

Shape   having(values, prefixes) → conditions on properties; search(…, prefix, conditions, segment, after, n) → a page
Laws    a page is read from one snapshot. With a prefix, profiles are in the order of identifiers; else the newest is
        first. Exact values are found by an index. To find other properties, a page reads at most REACH rows: it may be
        short, or empty, and still have a next
        Members of a segment are those of the memberships, as in its list: a change by the clock is there when the
        worker has recorded it
Errors  InvalidInput INVALID_REQUEST, INVALID_CURSOR · NotFound NOT_FOUND
Source  docs/reference/profiles.md "Searching"
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from tinycdp.errors import InvalidInput, NotFound
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.profiles import views
from tinycdp.runtime.profiles.views import ProfileSummary
from tinycdp.store import profiles as store
from tinycdp.store.database.pool import Connection, snapshot
from tinycdp.store.profiles import Having

#: The most profiles or identifiers that one page reads.
REACH = 50_000
MOST_CONDITIONS = 10
_LAST_ID = 2**62


@dataclass(frozen=True, slots=True)
class Search:
    """A page of profiles."""

    profiles: list[ProfileSummary]
    next: str | None


def having(values: Iterable[tuple[str, Any]], prefixes: Iterable[tuple[str, str]]) -> Having:
    """The conditions as one: (path, exact value) and (path, beginning). Dots in a path lead into objects."""
    wanted: dict[str, Any] = {}
    for path, value in values:
        *above, name = path.split(".")
        inside = wanted
        for part in above:
            inside = inside.setdefault(part, {})
            if type(inside) is not dict:
                break
        if type(inside) is not dict or inside.setdefault(name, value) is not value:
            raise InvalidInput("INVALID_REQUEST", f"The search has two values for {path!r}; name each property once.")
    return Having(wanted, list(prefixes))


async def search(
    environment: Environment,
    catalogs: Catalogs,
    prefix: str | None,
    wanted: Having,
    segment: str | None,
    after: str | None,
    n: int,
) -> Search:
    """A page of profiles with an identifier that begins with the prefix, with the wanted properties, in the segment."""
    async with snapshot(environment.pool) as connection:
        if segment is not None:
            catalog = await catalogs.current_in(connection, environment.id)
            fingerprint = catalog.live.fingerprints.get(("segment", segment))
            if fingerprint is None:
                raise NotFound("NOT_FOUND", f"There is no segment {segment!r}.")
            wanted = replace(wanted, fingerprint=fingerprint)
        if prefix is not None:
            return await _by_identifier(connection, environment.id, prefix, wanted, after, n)
        (before,) = views.numbers_of(after, 1) if after else (_LAST_ID,)
        if wanted.values:
            rows = await store.search_by_properties(connection, environment.id, wanted, before, n)
        elif wanted.fingerprint is not None:
            reach = REACH if wanted.prefixes else n
            rows = await store.newest_members(connection, environment.id, before, n, reach, wanted)
            if wanted.prefixes and len(rows) < n:
                at = await store.newest_member_at(connection, environment.id, before, reach, wanted.fingerprint)
                return _page(rows, views.cursor_of(at) if at is not None else None)
        else:
            reach = REACH if wanted else n
            rows = await store.newest_profiles(connection, environment.id, before, n, reach, wanted)
            if wanted and len(rows) < n:
                stopped = await store.newest_profile_at(connection, environment.id, before, reach)
                return _page(rows, views.cursor_of(stopped) if stopped is not None else None)
    return _page(rows, views.cursor_of(rows[-1].id) if len(rows) == n else None)


async def _by_identifier(
    connection: Connection, environment_id: int, prefix: str, wanted: Having, after: str | None, n: int
) -> Search:
    begin = views.texts_of(after) if after else ("", "")
    reach = REACH if wanted else n
    rows = await store.search_by_identifier(connection, environment_id, prefix, begin, n, reach, wanted)
    following = None
    if len(rows) == n:
        following = views.encode_cursor([rows[-1].value, rows[-1].kind])
    elif wanted:
        stopped = await store.identifier_at(connection, environment_id, prefix, begin, reach)
        following = views.encode_cursor([stopped.value, stopped.kind]) if stopped is not None else None
    # A profile with two matching identifiers is shown once.
    return _page(list({row.id: row for row in rows}.values()), following)


def _page(rows: Iterable[store.SummaryRow], following: str | None) -> Search:
    return Search([views.summary_of(row) for row in rows], following)
