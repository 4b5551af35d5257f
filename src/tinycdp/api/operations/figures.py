"""The routes of an environment's key figures, now and by the minute."""

from collections import Counter
from typing import Annotated

from litestar import get
from litestar.params import QueryParameter

from tinycdp.api.definitions.schemas import BackfillProgress
from tinycdp.api.http.encoding import as_schema
from tinycdp.api.http.params import instant_parameter
from tinycdp.api.http.parts import Injected
from tinycdp.api.operations.schemas import DefinitionTotal, Figure, Figures, FiguresHistory, Total, Totals
from tinycdp.model import MINUTE_MS
from tinycdp.runtime.decisions.snapshots import Snapshots
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.workspace import progress_of
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.ingest.group_commit import Ingest
from tinycdp.runtime.metrics_history import MOST_MINUTES, history
from tinycdp.store import definitions as definition_store
from tinycdp.store.database import figures as figure_store
from tinycdp.store.database.pool import snapshot
from tinycdp.times import iso

#: Rejections are counted by code among this many of the newest.
_NEWEST_REJECTIONS = 10_000


@get(
    "/v1/admin/metrics",
    summary="Key figures of the environment",
    tags=["Operation"],
    scope="admin",
)
async def get_metrics(
    environment: Injected[Environment],
    ingest: Injected[Ingest],
    snapshots: Injected[Snapshots],
    catalogs: Injected[Catalogs],
) -> Figures:
    instant = environment.now()
    async with snapshot(environment.pool) as connection:
        revisions = await definition_store.find_environment(connection, environment.id)
        live, head = revisions.live_revision, revisions.head_revision
        backfill = None
        if live != head:
            backfill = await definition_store.find_backfill(connection, environment.id, head)
        row = await figure_store.figures(connection, environment.id, instant, instant - MINUTE_MS)
        profiles = Figure(*await figure_store.count(connection, "profiles", environment.id))
        events = Figure(*await figure_store.count(connection, "events", environment.id))
        memberships = Figure(*await figure_store.count(connection, "memberships", environment.id))
        rejected = await figure_store.rejections_by_code(connection, environment.id, _NEWEST_REJECTIONS)
    # A full minute, or the time since the oldest of the newest messages if there are too many to count.
    oldest = row.lately_oldest
    span_ms = MINUTE_MS if row.lately < figure_store.LATELY or oldest is None else max(instant - oldest, 1)
    due = row.next_due_at
    kinds = Counter(kind for kind, _ in catalogs.serving(environment.id).live.definitions)
    defined = [DefinitionTotal(kinds[kind]) for kind in ("trait", "segment", "flag")]
    return Figures(
        profiles=profiles,
        events=events,
        memberships=memberships,
        events_per_second=round(row.lately * 1000 / span_ms, 3),
        rejected=rejected,
        merges=row.merges,
        rejected_claims=row.rejected_claims,
        overdue_wakeups=row.overdue,
        lag_ms=max(instant - due, 0) if due is not None else 0,
        ingest_queue=ingest.waiting,
        cached_profiles=len(snapshots),
        database_away=snapshots.away,
        revision=live,
        head_revision=head,
        backfill=as_schema(progress_of(backfill, instant), BackfillProgress) if backfill is not None else None,
        as_of=iso(instant),
        metrics=Totals(Total(profiles.value), Total(events.value), *defined),
        timestamp=iso(instant),
    )


@get(
    "/v1/admin/metrics/history",
    summary="What all processes took and decided, minute by minute",
    tags=["Operation"],
    scope="read",
)
async def get_metrics_history(
    environment: Injected[Environment],
    minutes: Annotated[int, QueryParameter(ge=1, le=MOST_MINUTES, description="how many")] = 60,
    until: Annotated[
        str | None,
        QueryParameter(name="to", description="before this instant; a day is its start in UTC"),
    ] = None,
) -> FiguresHistory:
    """They are kept for 14 days."""
    return as_schema(await history(environment, minutes, instant_parameter(until, "to")), FiguresHistory)


ROUTES = [get_metrics, get_metrics_history]
