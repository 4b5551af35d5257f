"""Keys and figures: what an operator of one environment looks after.

Laws    a key's text is shown once. Nobody revokes the key they ask with, so that an environment always has an
        admin key
Source  docs/reference/admin.md, docs/reference/authentication.md
"""

from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.params import FromPath

from tinycdp.api.http.auth import Bearer
from tinycdp.api.http.exchange import answer, read_as, read_json
from tinycdp.api.http.openapi import takes
from tinycdp.errors import Conflict, InvalidInput, NotFound
from tinycdp.model import MINUTE_MS
from tinycdp.runtime.keys import NewKey, create_key, list_keys, revoke_key
from tinycdp.runtime.service import Service
from tinycdp.runtime.times import iso, iso_or_none
from tinycdp.runtime.workspace import Progress, progress_of
from tinycdp.store import definitions as definition_store
from tinycdp.store import reads
from tinycdp.store.pool import snapshot

_LARGEST_ID = 2**31 - 1
_NAME_LIMIT = 100
#: Of how many of the newest refusals the figures tell the codes.
_NEWEST_REJECTIONS = 10_000


class KeyBody(msgspec.Struct, forbid_unknown_fields=True):
    """scopes: one or more of write, read, admin."""

    name: str
    scopes: list[str]


class ListedKey(msgspec.Struct, rename="camel"):
    """A key without its text: `prefix` is how it begins."""

    id: int
    name: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: str
    revoked_at: str | None


class Keys(msgspec.Struct):
    keys: list[ListedKey]


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
    backfill: Progress | None
    as_of: str


@get(
    "/v1/admin/keys",
    operation_id="listKeys",
    summary="The environment's keys, revoked ones too",
    tags=["Operation"],
    scope="admin",
    answer=Keys,
)
async def list_all_keys(request: Request[Any, Any, Any], key: Bearer) -> Response[bytes]:
    service: Service = request.app.state.service
    rows = await list_keys(service.pool, key.environment_id)
    return answer(
        Keys(
            [
                ListedKey(
                    row.id,
                    row.name,
                    row.prefix,
                    row.scopes,
                    iso(row.created_at),
                    iso_or_none(row.revoked_at),
                )
                for row in rows
            ]
        )
    )


@post(
    "/v1/admin/keys",
    operation_id="createKey",
    summary="A new key; its text is in this answer and nowhere else",
    tags=["Operation"],
    scope="admin",
    dependencies=takes(KeyBody),
    answer=NewKey,
    example={"name": "shop", "scopes": ["write"]},
)
async def create_new_key(request: Request[Any, Any, Any], key: Bearer) -> Response[bytes]:
    service: Service = request.app.state.service
    wanted = read_as(await read_json(request), KeyBody)
    if not 0 < len(wanted.name.strip()) <= _NAME_LIMIT:
        raise InvalidInput("INVALID_BODY", f"$.name: 1 to {_NAME_LIMIT} characters.", path="$.name")
    made = await create_key(service.pool, key.environment_id, wanted.scopes, wanted.name, service.now())
    await service.keyring.load()
    return answer(made, 201)


@delete(
    "/v1/admin/keys/{id:int}",
    status_code=204,
    operation_id="revokeKey",
    summary="End a key's validity",
    tags=["Operation"],
    scope="admin",
)
async def revoke_one_key(request: Request[Any, Any, Any], key: Bearer, id: FromPath[int]) -> None:
    """Every process stops taking it within moments; this one at once."""
    service: Service = request.app.state.service
    if id == key.id:
        raise Conflict("OWN_KEY", "This is the key you ask with; revoke it with another admin key.")
    if not 0 < id <= _LARGEST_ID:
        raise NotFound("NOT_FOUND", "There is no such key, or it is revoked already.")
    await revoke_key(service.pool, key.environment_id, id, service.now())
    await service.keyring.load()


@get(
    "/v1/admin/metrics",
    operation_id="getMetrics",
    summary="The environment in figures",
    tags=["Operation"],
    scope="admin",
    answer=Figures,
)
async def get_metrics(request: Request[Any, Any, Any], key: Bearer) -> Response[bytes]:
    service: Service = request.app.state.service
    environment_id, now = key.environment_id, service.now()
    async with snapshot(service.pool) as connection:
        environment = await definition_store.find_environment(connection, environment_id)
        live, head = environment["live_revision"], environment["head_revision"]
        backfill = None
        if live != head:
            backfill = await definition_store.find_backfill(connection, environment_id, head)
        row = await reads.figures(connection, environment_id, now, now - MINUTE_MS)
        profiles = Figure(*await reads.count(connection, "profiles", environment_id))
        events = Figure(*await reads.count(connection, "events", environment_id))
        memberships = Figure(*await reads.count(connection, "memberships", environment_id))
        rejected = await reads.rejections_by_code(connection, environment_id, _NEWEST_REJECTIONS)
    # A full minute, or less where the newest messages alone reach less far back.
    span_ms = MINUTE_MS if row["lately"] < reads.LATELY else max(now - row["lately_oldest"], 1)
    due = row["next_due_at"]
    return answer(
        Figures(
            profiles=profiles,
            events=events,
            memberships=memberships,
            events_per_second=round(row["lately"] * 1000 / span_ms, 3),
            rejected=rejected,
            merges=row["merges"],
            refused_claims=row["refused_claims"],
            overdue_wakeups=row["overdue"],
            lag_ms=max(now - due, 0) if due is not None else 0,
            ingest_queue=service.ingest.waiting,
            cached_profiles=len(service.snapshots),
            database_away=service.snapshots.away,
            revision=live,
            head_revision=head,
            backfill=progress_of(backfill, now) if backfill is not None else None,
            as_of=iso(now),
        )
    )


ROUTES = [list_all_keys, create_new_key, revoke_one_key, get_metrics]
