"""The lifecycle of definitions: publish together, compare, restore.

Shape   POST /v1/admin/publish and promote; revisions with their differences
Laws    each change is one atomic revision, with its author and a note. With `dryRun` nothing is saved, and the errors
        are those of a real publish
Errors  400 with every diagnostic · 404 NOT_FOUND, REVISION_NOT_FOUND · 409 KEY_EXISTS, VERSION_CONFLICT, REFERENCED
Source  docs/reference/definitions.md "History"
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter

from tinycdp.api.definitions.editing import Editing
from tinycdp.api.definitions.routes import LATEST, version_number
from tinycdp.api.definitions.schemas import (
    ChangeBody,
    Changed,
    Differences,
    ListedRevision,
    PromoteBody,
    PublishBody,
    Published,
    RestoreBody,
    RevisionDetail,
    Revisions,
)
from tinycdp.api.http import auth
from tinycdp.api.http.encoding import as_schema
from tinycdp.api.http.params import Limit
from tinycdp.api.http.parts import Injected
from tinycdp.api.http.requests import ExactRequest
from tinycdp.errors import InvalidInput
from tinycdp.runtime.definitions import promotion, revisions
from tinycdp.runtime.definitions import publish as definitions
from tinycdp.runtime.definitions.change_set import every_kind, read_change
from tinycdp.runtime.definitions.changes import Change
from tinycdp.runtime.definitions.promotion import read_selection
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment

MOST_CHANGES = 1_000


@post(
    "/v1/admin/publish",
    status_code=200,
    summary="Publish several definitions as one revision, all or nothing",
    tags=["Definitions"],
    scope="admin",
    example={
        "note": "regulars buy three times",
        "changes": [
            {"kind": "trait", "key": "orders_90d", "document": {"expression": "events.purchase.count_90d"}},
            {"kind": "segment", "key": "regulars", "document": {"rule": "orders_90d >= 3"}},
        ],
    },
)
async def publish(editing: Injected[Editing], data: JSONBody[PublishBody]) -> Published:
    plan = await definitions.publish(
        editing.environment,
        read_changes(data.changes),
        Edit(editing.actor.name, editing.environment.now(), data.note, dry_run=data.dry_run),
        prune=data.prune,
    )
    return await editing.published(plan, dry_run=data.dry_run)


def read_changes(bodies: list[ChangeBody]) -> list[Change]:
    """The changes of a body, with their form checked."""
    if len(bodies) > MOST_CHANGES:
        raise InvalidInput("INVALID_REQUEST", f"$.changes: at most {MOST_CHANGES:,} in one request.", path="$.changes")
    found: dict[tuple[str, str], Change] = {}
    for n, body in enumerate(bodies):
        path = f"$.changes[{n}]"
        if body.kind not in every_kind():
            kinds = ", ".join(every_kind())
            raise InvalidInput("INVALID_REQUEST", f"{path}.kind: expected one of {kinds}.", path=path)
        if (body.kind, body.key) in found:
            raise InvalidInput("INVALID_REQUEST", f"{path}: the {body.kind} {body.key!r} occurs twice.", path=path)
        change = Change(kind=body.kind, key=body.key, document=None)
        if body.document is not None:
            change = read_document(body.kind, body.key, body.document, f"{path}.document")
        found[body.kind, body.key] = msgspec.structs.replace(change, expects=body.expects, was=body.was)
    return list(found.values())


def read_document(kind: str, key: str, document: Mapping[str, Any], path: str) -> Change:
    """The change that a document makes of a key, with its form checked; path: where the document stands."""
    named = {"key": key, **document}
    if named["key"] != key:
        message = f"{path}.key: expected {key!r}, the key of the change."
        raise InvalidInput("KEY_MISMATCH", message, path=f"{path}.key")
    return read_change(kind, named, path)


@post(
    "/v1/admin/promote",
    status_code=200,
    summary="Take definitions over from another environment, as one revision",
    tags=["Definitions"],
    scope="admin",
    example={"only": ["flag", "segment:regulars"], "dryRun": True},
)
async def promote(
    request: ExactRequest,
    editing: Injected[Editing],
    data: JSONBody[PromoteBody],
    source_key: Annotated[str, HeaderParameter(name="X-Source-Key", description="an admin key of the source")],
) -> Published:
    """The key of the request is the target's. A new flag brings its salt; one that is there keeps its own."""
    source = auth.recognise(request, source_key, "admin")
    only = [read_selection(text, f"$.only[{n}]") for n, text in enumerate(data.only)]
    plan = await promotion.promote(
        replace(editing.environment, id=source.environment_id),
        editing.environment,
        Edit(editing.actor.name, editing.environment.now(), data.note, dry_run=data.dry_run),
        only=only,
        prune=data.prune,
    )
    return await editing.published(plan, dry_run=data.dry_run)


@get(
    "/v1/admin/revisions",
    summary="List the revisions, newest first",
    tags=["Definitions"],
    scope="read",
)
async def list_revisions(
    environment: Injected[Environment],
    before: Annotated[int, QueryParameter(ge=0, le=LATEST, description="older than this revision")] = LATEST,
    limit: Limit = 50,
) -> Revisions:
    found = as_schema(await revisions.page(environment, before, limit), list[ListedRevision])
    return Revisions(found, found[-1].revision if len(found) == limit else None)


@get(
    "/v1/admin/revisions/{revision:int}",
    summary="Show one revision, with its changes",
    tags=["Definitions"],
    scope="read",
)
async def get_revision(environment: Injected[Environment], revision: FromPath[int]) -> RevisionDetail:
    return as_schema(await revisions.revision(environment, version_number(revision)), RevisionDetail)


@post(
    "/v1/admin/revisions/{revision:int}/restore",
    status_code=200,
    summary="Restore all definitions of a revision, as a new revision",
    tags=["Definitions"],
    scope="admin",
    example={"dryRun": True},
)
async def restore_revision(
    editing: Injected[Editing], revision: FromPath[int], data: JSONBody[RestoreBody] = RestoreBody()
) -> Published:
    """Deleted definitions return with their id and salt; newer ones are deleted."""
    plan = await definitions.restore(
        editing.environment,
        version_number(revision),
        Edit(editing.actor.name, editing.environment.now(), data.note, dry_run=data.dry_run),
    )
    return await editing.published(plan, dry_run=data.dry_run)


@get(
    "/v1/admin/diff",
    summary="Compare two revisions",
    tags=["Definitions"],
    scope="read",
    query="from=0&to=1",
)
async def diff_revisions(
    environment: Injected[Environment],
    since: Annotated[int, QueryParameter(name="from", ge=0, le=LATEST, description="0 is before all definitions")],
    until: Annotated[int, QueryParameter(name="to", ge=0, le=LATEST)],
) -> Differences:
    changes = await revisions.difference(environment, since, until)
    return Differences(since, until, as_schema(changes, list[Changed]))


ROUTES = [
    publish,
    promote,
    list_revisions,
    get_revision,
    restore_revision,
    diff_revisions,
]
