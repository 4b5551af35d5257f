"""Traits, segments and flags, for those who write them.

Shape   the same five routes for each kind; lifecycle.py has what happens to them over time
Laws    a save is all or nothing, and its answer is what GET answers next. PUT and DELETE take If-Match with the version
        that shall be replaced. What is saved with warnings is saved
Errors  400 with every diagnostic · 404 NOT_FOUND · 409 KEY_EXISTS, VERSION_CONFLICT, REFERENCED
Source  docs/reference/admin.md
"""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter

from tinycdp.api.http.auth import Bearer
from tinycdp.api.http.exchange import AfterProfile, IfMatch, Limit, answer, etag, read_json, readable, version_of
from tinycdp.api.http.openapi import takes
from tinycdp.engine.catalog import Definition, InvalidDefinitions
from tinycdp.errors import InvalidInput, NotFound
from tinycdp.model import Instant
from tinycdp.runtime import workspace as workspaces
from tinycdp.runtime.changes import Change, document_of, read_change
from tinycdp.runtime.definitions import LONGEST_NOTE, Plan, publish
from tinycdp.runtime.experiments import Lately, lately
from tinycdp.runtime.export import memberships_as_of
from tinycdp.runtime.keys import Key
from tinycdp.runtime.people import Identifier, PersonSummary, summary_of
from tinycdp.runtime.service import Service
from tinycdp.runtime.times import iso, iso_or_none
from tinycdp.runtime.workspace import Cost, Kind, Named, Progress, Workspace
from tinycdp.store import definitions as store
from tinycdp.store import reads
from tinycdp.store.pool import acquired, snapshot

KINDS: tuple[Kind, ...] = ("trait", "segment", "flag")


class ExpressionBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A trait or a segment. The expression may stand under either name; the address of a PUT has the key already."""

    key: str = ""
    expression: str = ""
    rule: str = ""
    description: str = ""


class ExclusionBody(msgspec.Struct, rename={"since": "from"}):
    """A rule's share of an exclusion group, in per cent: rules of one group never share anyone."""

    group: str
    since: float
    to: float


class RuleBody(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """Where `when` is true, serves one variant or splits over several in hundred-thousandths that sum to 100000.
    rollout is the percentage of people who are let in, exposure of those who take part in an experiment, both with up
    to three decimals."""

    when: str
    id: str = ""
    serve: str = ""
    split: dict[str, int] = {}
    rollout: float = 100
    exposure: float = 100
    exclusion: ExclusionBody | None = None


class OverrideBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Serves a variant to one person, named by any identifier or by one of a kind, or to a segment, before any rule."""

    serve: str
    profile: str = ""
    alias: Identifier | None = None
    segment: str = ""


class PrerequisiteBody(msgspec.Struct):
    """Another flag that has to serve one of these variants; else this flag serves its off variant."""

    flag: str
    variants: list[str]


class StepBody(msgspec.Struct):
    """From an instant on, what stands at these JSON pointers; a rule goes by its place or its id."""

    at: str
    set: dict[str, Any]


class DefaultBody(msgspec.Struct):
    serve: str


class FlagBody(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A flag. `{"key", "rule"}` is short for a boolean flag that is on where the rule is true.

    holdouts  boolean flags: for whom one of them is true, no rule of this one counts
    schema    JSON Schema that every variant's value meets
    hold      how long a silent session keeps the variant it was given, as `30m`
    archived  takes no part in anything, and is kept
    metadata  flat, comes back over OFREP"""

    key: str = ""
    rule: str = ""
    type: str = "boolean"
    variants: dict[str, Any] = {}
    off_variant: str = ""
    default: DefaultBody | None = None
    enabled: bool = True
    prerequisites: list[PrerequisiteBody] = []
    holdouts: list[str] = []
    overrides: list[OverrideBody] = []
    rules: list[RuleBody] = []
    schedule: list[StepBody] = []
    schema: dict[str, Any] = {}
    hold: str = ""
    archived: bool = False
    metadata: dict[str, Any] = {}
    description: str = ""
    salt: str = ""


class Described(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    """status  "live", or "warming" until what was last saved serves
    type  of its values: bool, number, string, datetime, duration, version, list or dyn
    used_by  the definitions that name it
    progress  of the warm-up, while there is one
    diagnostics  warnings: code, severity, span, message, fixes; in answers about one definition
    cost  an estimate, in answers about one definition
    revision, warming  after a save: its revision, and whether that warms up"""

    key: str
    description: str
    version: int
    status: str
    type: str
    used_by: list[Named]
    progress: Progress | None = None
    diagnostics: list[dict[str, Any]] | msgspec.UnsetType = msgspec.UNSET
    cost: Cost | msgspec.UnsetType = msgspec.UNSET
    revision: int | msgspec.UnsetType = msgspec.UNSET
    warming: bool | msgspec.UnsetType = msgspec.UNSET


class Trait(Described, kw_only=True):
    expression: str
    canonical: str
    nullable: bool


class Segment(Described, kw_only=True):
    """members  as of as_of; null until the segment first goes live"""

    rule: str
    canonical: str
    members: int | None
    as_of: str


class Flag(Described, kw_only=True):
    """document  the whole flag, sugar expanded: what PUT takes
    exposures  who got what lately, in answers to GET of one flag; null where counting them takes too long"""

    enabled: bool
    document: dict[str, Any]
    exposures: Lately | msgspec.UnsetType | None = msgspec.UNSET


class Traits(msgspec.Struct):
    traits: list[Trait]
    revision: int


class Segments(msgspec.Struct):
    segments: list[Segment]
    revision: int


class Flags(msgspec.Struct):
    flags: list[Flag]
    revision: int


class Deleted(msgspec.Struct):
    key: str
    revision: int
    warming: bool


class Backfill(msgspec.Struct, rename="camel"):
    revision: int
    started_at: str
    finished_at: str | None
    progress: Progress


class Backfills(msgspec.Struct):
    backfills: list[Backfill]


class Member(PersonSummary, frozen=True, rename="camel"):
    entered_at: str


class Members(msgspec.Struct, rename="camel"):
    """In the order of profile ids. `next` is what `after` takes for the following page."""

    members: list[Member]
    next: str | None
    as_of: str


_ANSWERS: dict[Kind, tuple[type[Described], type[msgspec.Struct], type[msgspec.Struct]]] = {
    "trait": (Trait, Traits, ExpressionBody),
    "segment": (Segment, Segments, ExpressionBody),
    "flag": (Flag, Flags, FlagBody),
}

_EXAMPLES: dict[Kind, dict[str, Any]] = {
    "trait": {"key": "orders_90d", "expression": "events.purchase.count_90d"},
    "segment": {"key": "regulars", "rule": "orders_90d >= 3"},
    "flag": {"key": "thanks", "rule": 'segment("regulars")'},
}

SaveNote = Annotated[str, QueryParameter(max_length=LONGEST_NOTE, description="why, for whoever reads the history")]


def _routes(kind: Kind) -> list[HTTPRouteHandler]:
    one, many, body = _ANSWERS[kind]
    path, noun, tags = f"/v1/admin/{kind}s", kind.capitalize(), ["Definitions"]

    @get(
        path,
        operation_id=f"list{noun}s",
        summary=f"All {kind}s",
        tags=tags,
        scope="admin",
        answer=many,
        guards=[readable],
    )
    async def list_all(request: Request[Any, Any, Any], key: Bearer) -> Response[bytes]:
        service: Service = request.app.state.service
        workspace = await workspace_of(service, key)
        described = await _describe(service, workspace, workspace.of_kind(kind))
        return answer({f"{kind}s": described, "revision": workspace.catalog.head})

    @get(
        f"{path}/{{name:str}}",
        operation_id=f"get{noun}",
        summary=f"One {kind}, with what it means and costs",
        tags=tags,
        scope="admin",
        answer=one,
        guards=[readable],
    )
    async def get_one(request: Request[Any, Any, Any], key: Bearer, name: FromPath[str]) -> Response[bytes]:
        service: Service = request.app.state.service
        found = await _one(service, key, kind, name)
        if isinstance(found, Flag):
            await service.exposures.flush()
            found.exposures = await lately(service.pool, service.catalogs, key.environment_id, name, service.now())
        return answer(found, headers=etag(found.version))

    @post(
        path,
        operation_id=f"create{noun}",
        summary=f"A new {kind}",
        tags=tags,
        scope="admin",
        dependencies=takes(body),
        answer=one,
        example=_EXAMPLES[kind],
        guards=[readable],
    )
    async def create(request: Request[Any, Any, Any], key: Bearer, note: SaveNote = "") -> Response[bytes]:
        change = read_change(kind, await read_json(request))
        return await _save(request, key, kind, msgspec.structs.replace(change, expects=0), note)

    @put(
        f"{path}/{{name:str}}",
        operation_id=f"put{noun}",
        summary=f"A {kind} as it shall be, new or not",
        tags=tags,
        scope="admin",
        dependencies=takes(body),
        answer=one,
        example={name: value for name, value in _EXAMPLES[kind].items() if name != "key"},
        also={201: "it was created"},
        guards=[readable],
    )
    async def replace(
        request: Request[Any, Any, Any], key: Bearer, name: FromPath[str], if_match: IfMatch = None, note: SaveNote = ""
    ) -> Response[bytes]:
        document = await read_json(request)
        if document.setdefault("key", name) != name:
            message = f"$.key: the address says {name!r}. POST {path}/{name}/rename gives it another key."
            raise InvalidInput("KEY_MISMATCH", message, path="$.key")
        change = read_change(kind, document)
        return await _save(request, key, kind, msgspec.structs.replace(change, expects=version_of(if_match)), note)

    @delete(
        f"{path}/{{name:str}}",
        status_code=200,
        operation_id=f"delete{noun}",
        summary=f"Delete a {kind} that nothing refers to",
        tags=tags,
        scope="admin",
        answer=Deleted,
        guards=[readable],
    )
    async def remove(
        request: Request[Any, Any, Any], key: Bearer, name: FromPath[str], if_match: IfMatch = None, note: SaveNote = ""
    ) -> Response[bytes]:
        service: Service = request.app.state.service
        change = Change(kind=kind, key=name, document=None, expects=version_of(if_match))
        plan = await _publish(service, key, change, note)
        return answer(Deleted(name, plan.revision, plan.warming))

    return [list_all, get_one, create, replace, remove]


@get(
    "/v1/admin/segments/{name:str}/members",
    operation_id="listMembers",
    summary="A segment's members, page by page",
    tags=["Definitions"],
    scope="admin",
    answer=Members,
    guards=[readable],
)
async def list_members(
    request: Request[Any, Any, Any],
    key: Bearer,
    name: FromPath[str],
    after: AfterProfile = 0,
    limit: Limit = 50,
) -> Response[bytes]:
    service: Service = request.app.state.service
    now = service.now()
    async with snapshot(service.pool) as connection:
        environment = await store.find_environment(connection, key.environment_id)
        catalog = await service.catalogs.at(
            connection, key.environment_id, environment["live_revision"], environment["head_revision"]
        )
        fingerprint = catalog.live.fingerprints.get(("segment", name))
        if fingerprint is None:
            raise NotFound("NOT_FOUND", f"There is no segment {name!r}.")
        as_of = await memberships_as_of(connection, key.environment_id, now)
        rows = await reads.members_page(connection, key.environment_id, fingerprint, after, limit)
    members = [Member(**msgspec.structs.asdict(summary_of(row)), entered_at=iso(row["entered_at"])) for row in rows]
    return answer(Members(members, members[-1].id if len(rows) == limit else None, iso(as_of)))


@get(
    "/v1/admin/backfills",
    operation_id="listBackfills",
    summary="The newest warm-ups, and how far they are",
    tags=["Definitions"],
    scope="admin",
    answer=Backfills,
)
async def list_backfills(request: Request[Any, Any, Any], key: Bearer, limit: Limit = 20) -> Response[bytes]:
    service: Service = request.app.state.service
    async with acquired(service.pool) as connection:
        rows = await store.list_backfills(connection, key.environment_id, limit)
    now = service.now()
    return answer(
        Backfills(
            [
                Backfill(
                    row["revision"],
                    iso(row["started_at"]),
                    iso_or_none(row["finished_at"]),
                    workspaces.progress_of(row, now),
                )
                for row in rows
            ]
        )
    )


async def workspace_of(service: Service, key: Key) -> Workspace:
    return await workspaces.read_workspace(
        service.pool, service.catalogs, service.vocabulary, key.environment_id, service.now()
    )


async def _save(request: Request[Any, Any, Any], key: Key, kind: Kind, change: Change, note: str) -> Response[bytes]:
    service: Service = request.app.state.service
    plan = await _publish(service, key, change, note)
    found = await _one(service, key, kind, change.key)
    found.revision, found.warming = plan.revision, plan.warming
    return answer(found, 201 if plan.steps[0].action == "create" else 200, etag(found.version))


async def _publish(service: Service, key: Key, change: Change, note: str) -> Plan:
    try:
        plan = await publish(service.pool, key.environment_id, [change], key.name, service.now(), note)
    except InvalidDefinitions as wrong:
        # The diagnostics of what was sent stand alone, beside those of others that it would break.
        own = [d for found in wrong.details["definitions"] if _is(found, change) for d in found["diagnostics"]]
        raise InvalidInput(wrong.code, wrong.message, diagnostics=own, **wrong.details) from None
    # The process that took the change decides by it at once; the others hear of it.
    await service.catalogs.refresh(service.pool, key.environment_id)
    return plan


def _is(found: dict[str, Any], change: Change) -> bool:
    return (found["kind"], found["key"]) == (change.kind, change.key)


async def _one(service: Service, key: Key, kind: Kind, name: str) -> Described:
    workspace = await workspace_of(service, key)
    definition = workspace.find((kind, name))
    if definition is None:
        raise NotFound("NOT_FOUND", f"There is no {kind} {name!r}.")
    (found,) = await _describe(service, workspace, [definition])
    meaning = workspaces.understand_definition(workspace, definition)
    found.diagnostics, found.cost = meaning.diagnostics, meaning.cost
    return found


async def _describe(service: Service, workspace: Workspace, definitions: list[Definition]) -> list[Described]:
    used_by = workspace.used_by()
    live, warming = workspace.catalog.live, workspace.catalog.warming
    counted: dict[int, int] = {}
    as_of: Instant = service.now()
    wanted = [live.fingerprints[d.name] for d in definitions if d.kind == "segment" and d.name not in warming]
    if wanted:
        async with snapshot(service.pool) as connection:
            as_of = await memberships_as_of(connection, workspace.catalog.environment_id, as_of)
            counted = await reads.count_members(connection, workspace.catalog.environment_id, wanted)
    found: list[Described] = []
    for definition in definitions:
        name = definition.name
        is_warming = workspace.is_warming(name)
        common: dict[str, Any] = {
            "key": definition.key,
            "version": definition.version,
            "status": "warming" if is_warming else "live",
            "type": workspaces.type_of(workspace, definition).value,
            "used_by": [Named(*other) for other in used_by[name]],
            "progress": workspace.progress if is_warming else None,
        }
        if definition.flag is not None:
            flag = definition.flag
            document = document_of(definition)
            found.append(Flag(**common, description=flag.description, enabled=flag.enabled, document=document))
            continue
        text = definition.expression
        common |= {"description": definition.description, "canonical": workspaces.canonical(text)}
        if definition.kind == "trait":
            found.append(Trait(**common, expression=text, nullable=workspace.head.nodes[name].nullable))
        else:
            members = None if name in warming else counted.get(live.fingerprints[name], 0)
            found.append(Segment(**common, rule=text, members=members, as_of=iso(as_of)))
    return found


ROUTES = [
    *(route for kind in KINDS for route in _routes(kind)),
    list_members,
    list_backfills,
]
