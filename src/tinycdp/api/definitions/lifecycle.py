"""What happens to definitions over time: published together, renamed, compared, brought back.

Shape   POST /v1/admin/publish; for each kind versions, impact, rename and restore; revisions with their differences
Laws    each change is one atomic revision, with its author and a note. With `dry` nothing is saved, and what would be
        refused is refused
Errors  400 with every diagnostic · 404 NOT_FOUND, REVISION_NOT_FOUND · 409 KEY_EXISTS, VERSION_CONFLICT, REFERENCED
Source  docs/reference/admin.md "History"
"""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter

from tinycdp.api.definitions.routes import KINDS, workspace_of
from tinycdp.api.http.auth import Bearer
from tinycdp.api.http.exchange import IfMatch, Limit, answer, read_as, read_json, readable, version_of
from tinycdp.api.http.openapi import takes
from tinycdp.errors import InvalidInput, NotFound
from tinycdp.runtime import definitions, history
from tinycdp.runtime.changes import Change, read_change
from tinycdp.runtime.definitions import Plan
from tinycdp.runtime.history import Changed, Revision, RevisionDetail, Version
from tinycdp.runtime.keys import Key
from tinycdp.runtime.service import Service
from tinycdp.runtime.times import iso, iso_or_none
from tinycdp.runtime.workspace import Impact, Kind, impact_of
from tinycdp.store import definitions as store
from tinycdp.store.pool import acquired

_LATEST = 2**31 - 1
MOST_CHANGES = 1_000


class ChangeBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One definition as it shall be.

    document  what PUT takes for this kind; null deletes it
    expects   the version it shall replace, 0 for none; left out for whichever there is
    was       the key it had: it is renamed, unless that has happened already"""

    kind: str
    key: str
    document: dict[str, Any] | None
    expects: int | None = None
    was: str | None = None


class PublishBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """note  why, for whoever reads the history
    dry    save nothing; say what would happen
    prune  delete every definition that is not named"""

    changes: list[ChangeBody]
    note: str = ""
    dry: bool = False
    prune: bool = False


class RestoreBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """note  why, for whoever reads the history
    dry   save nothing; say what would happen"""

    note: str = ""
    dry: bool = False


class RenameBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """key   what it shall be called
    note  why, for whoever reads the history"""

    key: str
    note: str = ""


class Published(msgspec.Struct):
    """What a publish changed, or with `dry` would change.

    revision  the newest one now; unchanged where nothing changed
    warming   profiles have to be gone through before it serves"""

    changes: list[Changed]
    revision: int
    warming: bool
    dry: bool


class Versions(msgspec.Struct):
    """Newest first."""

    versions: list[Version]


class Revisions(msgspec.Struct):
    revisions: list[Revision]
    next: int | None


class Differences(msgspec.Struct, rename={"since": "from", "until": "to"}):
    since: int
    until: int
    changes: list[Changed]


@post(
    "/v1/admin/publish",
    status_code=200,
    operation_id="publish",
    summary="Several definitions as one revision, all or nothing",
    tags=["Definitions"],
    scope="admin",
    dependencies=takes(PublishBody),
    answer=Published,
    example={
        "note": "regulars buy three times",
        "changes": [
            {"kind": "trait", "key": "orders_90d", "document": {"expression": "events.purchase.count_90d"}},
            {"kind": "segment", "key": "regulars", "document": {"rule": "orders_90d >= 3"}},
        ],
    },
)
async def publish(request: Request[Any, Any, Any], key: Bearer) -> Response[bytes]:
    service: Service = request.app.state.service
    body = read_as(await read_json(request), PublishBody)
    plan = await definitions.publish(
        service.pool,
        key.environment_id,
        read_changes(body.changes),
        key.name,
        service.now(),
        body.note,
        prune=body.prune,
        dry=body.dry,
    )
    return await _published(service, key, plan, dry=body.dry)


def read_changes(bodies: list[ChangeBody]) -> list[Change]:
    """The changes a body asks for, checked in form."""
    if len(bodies) > MOST_CHANGES:
        raise InvalidInput("INVALID_REQUEST", f"$.changes: at most {MOST_CHANGES:,} at once.", path="$.changes")
    found: dict[tuple[str, str], Change] = {}
    for n, body in enumerate(bodies):
        path = f"$.changes[{n}]"
        if body.kind not in KINDS:
            raise InvalidInput("INVALID_REQUEST", f"{path}.kind: expected one of {', '.join(KINDS)}.", path=path)
        if (body.kind, body.key) in found:
            raise InvalidInput("INVALID_REQUEST", f"{path}: the {body.kind} {body.key!r} stands twice.", path=path)
        change = Change(kind=body.kind, key=body.key, document=None)
        if body.document is not None:
            document = {"key": body.key, **body.document}
            if document["key"] != body.key:
                message = f"{path}.document.key: the change is of {body.key!r}."
                raise InvalidInput("KEY_MISMATCH", message, path=f"{path}.document.key")
            change = read_change(body.kind, document, f"{path}.document")
        found[body.kind, body.key] = msgspec.structs.replace(change, expects=body.expects, was=body.was)
    return list(found.values())


async def _published(service: Service, key: Key, plan: Plan, *, dry: bool) -> Response[bytes]:
    if not dry:
        await service.catalogs.refresh(service.pool, key.environment_id)
    changes = [history.changed(step) for step in plan.changed]
    return answer(Published(changes, plan.revision, plan.warming, dry))


def _routes(kind: Kind) -> list[HTTPRouteHandler]:
    path, noun, tags = f"/v1/admin/{kind}s/{{name:str}}", kind.capitalize(), ["Definitions"]

    @get(
        f"{path}/versions",
        operation_id=f"list{noun}Versions",
        summary=f"Every version of a {kind}, newest first",
        tags=tags,
        scope="admin",
        answer=Versions,
        guards=[readable],
    )
    async def list_versions(request: Request[Any, Any, Any], key: Bearer, name: FromPath[str]) -> Response[bytes]:
        """A deleted one's too, and by a key it had before."""
        service: Service = request.app.state.service
        return answer(Versions(await history.versions(service.pool, key.environment_id, kind, name)))

    @get(
        f"{path}/impact",
        operation_id=f"get{noun}Impact",
        summary=f"What depends on a {kind}, and what it depends on",
        tags=tags,
        scope="admin",
        answer=Impact,
        guards=[readable],
    )
    async def impact(request: Request[Any, Any, Any], key: Bearer, name: FromPath[str]) -> Response[bytes]:
        workspace = await workspace_of(request.app.state.service, key)
        if workspace.find((kind, name)) is None:
            raise NotFound("NOT_FOUND", f"There is no {kind} {name!r}.")
        return answer(impact_of(workspace, (kind, name)))

    @post(
        f"{path}/rename",
        status_code=200,
        operation_id=f"rename{noun}",
        summary=f"Another key for a {kind}, wherever it is named: nobody moves",
        tags=tags,
        scope="admin",
        dependencies=takes(RenameBody),
        answer=Published,
        example={"key": "loyal"},
        guards=[readable],
    )
    async def rename(
        request: Request[Any, Any, Any], key: Bearer, name: FromPath[str], if_match: IfMatch = None
    ) -> Response[bytes]:
        service: Service = request.app.state.service
        body = read_as(await read_json(request), RenameBody)
        plan = await definitions.rename(
            service.pool,
            key.environment_id,
            kind,
            name,
            body.key,
            key.name,
            service.now(),
            body.note,
            expects=version_of(if_match),
        )
        return await _published(service, key, plan, dry=False)

    @post(
        f"{path}/versions/{{version:int}}/restore",
        status_code=200,
        operation_id=f"restore{noun}",
        summary=f"A {kind} as it was in an older version",
        tags=tags,
        scope="admin",
        dependencies=takes(RestoreBody),
        answer=Published,
        example={"note": "as it was"},
        guards=[readable],
    )
    async def restore_version(
        request: Request[Any, Any, Any],
        key: Bearer,
        name: FromPath[str],
        version: FromPath[int],
        if_match: IfMatch = None,
    ) -> Response[bytes]:
        """What it names goes by the keys of today. A deleted one returns under its id, with its salt."""
        service: Service = request.app.state.service
        body = read_as(await read_json(request, optional=True), RestoreBody)
        plan = await definitions.restore_version(
            service.pool,
            key.environment_id,
            kind,
            name,
            _number(version),
            key.name,
            service.now(),
            body.note,
            expects=version_of(if_match),
            dry=body.dry,
        )
        return await _published(service, key, plan, dry=body.dry)

    return [list_versions, impact, rename, restore_version]


@get(
    "/v1/admin/revisions",
    operation_id="listRevisions",
    summary="Who published what when, newest first",
    tags=["Definitions"],
    scope="admin",
    answer=Revisions,
)
async def list_revisions(
    request: Request[Any, Any, Any],
    key: Bearer,
    before: Annotated[int, QueryParameter(ge=0, le=_LATEST, description="older than this revision")] = _LATEST,
    limit: Limit = 50,
) -> Response[bytes]:
    service: Service = request.app.state.service
    async with acquired(service.pool) as connection:
        rows = await store.list_revisions(connection, key.environment_id, before, limit)
    found = [
        Revision(
            row["revision"],
            row["author"],
            row["note"],
            iso(row["published_at"]),
            iso_or_none(row["live_at"]),
        )
        for row in rows
    ]
    return answer(Revisions(found, found[-1].revision if len(rows) == limit else None))


@get(
    "/v1/admin/revisions/{revision:int}",
    operation_id="getRevision",
    summary="One revision, with what it changed",
    tags=["Definitions"],
    scope="admin",
    answer=RevisionDetail,
)
async def get_revision(request: Request[Any, Any, Any], key: Bearer, revision: FromPath[int]) -> Response[bytes]:
    service: Service = request.app.state.service
    return answer(await history.revision(service.pool, key.environment_id, _number(revision)))


@post(
    "/v1/admin/revisions/{revision:int}/restore",
    status_code=200,
    operation_id="restoreRevision",
    summary="All definitions as they were at a revision, as a new one",
    tags=["Definitions"],
    scope="admin",
    dependencies=takes(RestoreBody),
    answer=Published,
    example={"dry": True},
)
async def restore_revision(request: Request[Any, Any, Any], key: Bearer, revision: FromPath[int]) -> Response[bytes]:
    """What was deleted since returns under its id and salt, what is newer goes."""
    service: Service = request.app.state.service
    body = read_as(await read_json(request, optional=True), RestoreBody)
    plan = await definitions.restore(
        service.pool, key.environment_id, _number(revision), key.name, service.now(), body.note, dry=body.dry
    )
    return await _published(service, key, plan, dry=body.dry)


@get(
    "/v1/admin/diff",
    operation_id="diffRevisions",
    summary="How two revisions differ",
    tags=["Definitions"],
    scope="admin",
    answer=Differences,
)
async def diff(
    request: Request[Any, Any, Any],
    key: Bearer,
    since: Annotated[int, QueryParameter(name="from", ge=0, le=_LATEST, description="0 is before all definitions")],
    until: Annotated[int, QueryParameter(name="to", ge=0, le=_LATEST)],
) -> Response[bytes]:
    service: Service = request.app.state.service
    found = await history.difference(service.pool, key.environment_id, since, until)
    return answer(Differences(since, until, found))


def _number(number: int) -> int:
    """What a column of numbers can hold; beyond it there is nothing."""
    return min(max(number, -1), _LATEST)


ROUTES = [
    publish,
    *(route for kind in KINDS for route in _routes(kind)),
    list_revisions,
    get_revision,
    restore_revision,
    diff,
]
