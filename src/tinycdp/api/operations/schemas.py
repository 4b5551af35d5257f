"""Wire structs of health, readiness and key figures."""

import msgspec

from tinycdp import __version__
from tinycdp.api.definitions.schemas import BackfillProgress


class Home(msgspec.Struct):
    """What this server is, and where to go: addresses relative to this one."""

    name: str = "TinyCDP"
    version: str = __version__
    docs: str = "docs"
    openapi: str = "openapi.json"
    health: str = "healthz"
    readiness: str = "readyz"
    metrics: str = "metrics"


class Health(msgspec.Struct):
    """The process is running."""

    status: str = "ok"
    version: str = __version__


class Readiness(msgspec.Struct):
    """Whether the process is ready. environments: how many it serves."""

    ready: bool
    environments: int


class Figure(msgspec.Struct):
    """A count. exact: false if counting would be slow, and it is the database's own estimate."""

    value: int
    exact: bool


class Total(msgspec.Struct):
    """How many there are."""

    total: int


class DefinitionTotal(msgspec.Struct, rename="camel"):
    """How many are defined."""

    definition_count: int


class Totals(msgspec.Struct):
    """The most important counts. Users are profiles; many are estimated, as in the fields of their own."""

    users: Total
    events: Total
    traits: DefinitionTotal
    segments: DefinitionTotal
    flags: DefinitionTotal


class Figures(msgspec.Struct, rename="camel"):
    """Key figures of an environment. rejected is by code, among the newest 10,000 rejections.

    lag_ms  how long the most overdue wake-up has been waiting; 0 if none is overdue
    ingest_queue, cached_profiles, database_away  of the process that answers
    metrics, timestamp  the counts and the instant again, under the names of the first TinyCDP"""

    profiles: Figure
    events: Figure
    memberships: Figure
    events_per_second: float
    rejected: dict[str, int]
    merges: int
    rejected_claims: int
    overdue_wakeups: int
    lag_ms: int
    ingest_queue: int
    cached_profiles: int
    database_away: bool
    revision: int
    head_revision: int
    backfill: BackfillProgress | None
    as_of: str
    metrics: Totals
    timestamp: str


class MinuteFigures(msgspec.Struct, frozen=True, rename="camel"):
    """One minute of an environment, of all processes.

    accepted, duplicates, rejected  messages of tracking requests
    decisions      flags decided
    ingest_p50_ms, ingest_p99_ms  how long tracking requests waited for their commit; null if there were none
    lag_ms         how long the most overdue wake-up had waited; null if no process has written the minute"""

    at: str
    accepted: int
    duplicates: int
    rejected: int
    decisions: int
    ingest_p50_ms: float | None
    ingest_p99_ms: float | None
    lag_ms: int | None


class FiguresHistory(msgspec.Struct, frozen=True, rename="camel"):
    """Minutes, the oldest first. The last one has ended; a process may write it a few seconds later."""

    minutes: list[MinuteFigures]
    as_of: str
