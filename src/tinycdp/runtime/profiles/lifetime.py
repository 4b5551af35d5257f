"""What all events of a profile add up to: days, sessions, revenue.

Shape   lifetime(environment, catalogs, revenue, id, by) → Lifetime
Units   days are local to the environment's time zone
Laws    computed from the stored events of all identifiers of the profile when it is asked for; ingestion pays nothing.
        Events that say `context.active: false` count as events, not for days and sessions
Errors  NotFound PROFILE_NOT_FOUND
Source  docs/reference/profiles.md "Lifetime"
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from tinycdp.model import MINUTE_MS
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.profiles import views
from tinycdp.store import events as store
from tinycdp.store.database.pool import snapshot
from tinycdp.times import iso_or_none

#: A session ends when this long nothing follows.
SESSION_GAP_MS = 30 * MINUTE_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """What all events of a profile add up to.

    first_seen, last_seen  of any message in which it was active, as in the profile
    revenue                None if the tracking plan declares no revenue"""

    first_seen: str | None
    last_seen: str | None
    first_event: str | None
    last_event: str | None
    events: int
    active_days: int
    sessions: int
    revenue: int | Decimal | None


async def lifetime(
    environment: Environment, catalogs: Catalogs, revenue: Sequence[tuple[str, str]], id: str, by: str | None
) -> Lifetime:
    """The lifetime of a profile. revenue: (event, path of a property), as the tracking plan declares them"""
    async with snapshot(environment.pool) as connection:
        row = await views.find_row(connection, environment.id, id, by)
        catalog = await catalogs.current_in(connection, environment.id)
        found = await store.lifetime_of_profile(
            connection, environment.id, row.id, catalog.zone, SESSION_GAP_MS, revenue
        )
    return Lifetime(
        first_seen=iso_or_none(row.first_seen_at),
        last_seen=iso_or_none(row.last_seen_at),
        first_event=iso_or_none(found.first_event_at),
        last_event=iso_or_none(found.last_event_at),
        events=found.events,
        active_days=found.active_days,
        sessions=found.sessions,
        revenue=_plain(found.revenue or Decimal(0)) if revenue else None,
    )


def _plain(amount: Decimal) -> int | Decimal:
    """The amount without trailing zeros."""
    return int(amount) if amount == amount.to_integral_value() else amount.normalize()
