"""What clients and server exchange about an installation."""

import msgspec

from tinycdp.api.definitions.schemas import BackfillProgress


class Health(msgspec.Struct):
    status: str = "ok"


class Readiness(msgspec.Struct):
    """environments: how many this process serves."""

    ready: bool
    environments: int


class Figure(msgspec.Struct):
    """exact is false where counting would be slow and the database's own estimate stands instead."""

    value: int
    exact: bool


class Figures(msgspec.Struct, rename="camel"):
    """One environment at a glance. rejected is by code, among the newest 10,000 refusals.

    lag_ms  how long the most overdue wake-up has been waiting; 0 is none
    ingest_queue, cached_profiles, database_away  of the process that answers"""

    profiles: Figure
    events: Figure
    memberships: Figure
    events_per_second: float
    rejected: dict[str, int]
    merges: int
    refused_claims: int
    overdue_wakeups: int
    lag_ms: int
    ingest_queue: int
    cached_profiles: int
    database_away: bool
    revision: int
    head_revision: int
    backfill: BackfillProgress | None
    as_of: str
