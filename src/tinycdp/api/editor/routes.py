"""The language, served to editors: check, complete, format, hover and explain.

Shape   five routes under /v1/dsl, and /v1/admin/validate, which is `check` under the name it had before
Units   positions in characters (code points) of the source, half-open
Laws    an answer is 200 whatever is wrong with the source: it is being written. Nothing is saved
Source  docs/reference/language-services.md
"""

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler

from tinycdp.api.http.auth import Bearer
from tinycdp.api.http.exchange import answer, read_as, read_json, workspace_of
from tinycdp.api.http.openapi import takes
from tinycdp.dsl import complete as completing
from tinycdp.dsl import hover as hovering
from tinycdp.dsl.check import Scope
from tinycdp.dsl.diagnostics import SourceError
from tinycdp.dsl.format import lay_out
from tinycdp.dsl.words import Sentence
from tinycdp.engine.flags import Flag, read_flag
from tinycdp.errors import InvalidInput
from tinycdp.runtime import language
from tinycdp.runtime import workspace as workspaces
from tinycdp.runtime.keys import Key
from tinycdp.runtime.service import Service
from tinycdp.runtime.workspace import Cost, Kind, Meaning, Workspace

T = TypeVar("T")
_EXAMPLE = {"kind": "segment", "expression": "orders_90d = 3"}


class Draft(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An `expression`, or a whole `flag`. With a `key`, cycles show. A flag's expression is a rule's condition."""

    kind: Kind = "segment"
    key: str | None = None
    expression: str | None = None
    flag: dict[str, Any] | None = None


class Place(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A cursor in a source. With a `key`, the definition that is being written is known too."""

    source: str
    position: int
    kind: Kind = "segment"
    key: str | None = None


class Source(msgspec.Struct, forbid_unknown_fields=True):
    source: str


class Proposals(msgspec.Struct, rename={"start": "from", "end": "to"}):
    """Best first, at most 50; each replaces the characters from `from` up to `to`."""

    start: int
    end: int
    items: tuple[completing.Proposal, ...]


class Formatted(msgspec.Struct):
    """formatted  null for a source that cannot be read; `diagnostics` say why"""

    formatted: str | None
    diagnostics: list[dict[str, Any]]


class Told(msgspec.Struct, rename={"start": "from", "end": "to"}, omit_defaults=True):
    """One part of an expression in words, in the order of the source.

    path  of the whole condition of a flag's rule: where in the flag it stands"""

    start: int
    end: int
    text: str
    parts: list["Told"] = []
    path: str | None = None


class Named(msgspec.Struct):
    kind: str
    key: str


class Read(msgspec.Struct):
    """What is looked at: names of events (`any` is every event), of properties of the profile, of traits of its group,
    and of what the context brings."""

    events: list[str]
    properties: list[str]
    group: list[str]
    context: list[str]
    definitions: list[Named]


class InWords(msgspec.Struct):
    """text     the whole in a sentence, for a flag one for each rule; null where there are errors
    tree     the same, part by part; for a flag one tree for each rule
    changes  what makes it another while nothing arrives
    unknown  where it may be unknown, and what that leads to
    cost     as `check` says it"""

    valid: bool
    text: str | None
    tree: list[Told]
    reads: Read
    changes: list[str]
    unknown: list[str]
    cost: Cost
    diagnostics: list[dict[str, Any]]


class Explanation(msgspec.Struct, rename={"start": "from", "end": "to"}):
    """What stands there. Where that is nothing known, `markdown` is null.

    type  of its value, null for what has none, such as an event"""

    start: int
    end: int
    markdown: str | None
    type: str | None


def _checking(path: str, operation_id: str, summary: str, tag: str) -> HTTPRouteHandler:
    @post(
        path,
        status_code=200,
        operation_id=operation_id,
        summary=summary,
        tags=[tag],
        scope="admin",
        dependencies=takes(Draft),
        answer=Meaning,
        example=_EXAMPLE,
    )
    async def handler(request: Request[Any, Any, Any], key: Bearer) -> Response[bytes]:
        """Answers 200 for an expression with errors too: `valid` is false, and `diagnostics` say why, with fixes."""
        draft = read_as(await read_json(request), Draft)
        workspace, source = await workspace_of(request.app.state.service, key), _source(draft)
        if isinstance(source, Flag):
            return answer(workspaces.understand_flag(workspace, source))
        return answer(workspaces.understand(workspace, draft.kind, draft.key, source))

    return handler


check_source = _checking(
    "/v1/dsl/check",
    "checkSource",
    "What an expression or a flag would mean, with errors and fixes",
    "Editing",
)
validate = _checking("/v1/admin/validate", "validate", "The same, under the name it had before", "Definitions")


@post(
    "/v1/dsl/complete",
    status_code=200,
    operation_id="completeSource",
    summary="What could stand at a place of a source",
    tags=["Editing"],
    scope="admin",
    dependencies=takes(Place),
    answer=Proposals,
    example={"source": "events.pur", "position": 10, "kind": "segment"},
)
async def complete_source(request: Request[Any, Any, Any], key: Bearer) -> Response[bytes]:
    """Knows the environment: its definitions, the events that arrived lately, and the properties these had."""
    place = read_as(await read_json(request), Place)
    _, scope = await _surroundings(request.app.state.service, key, place)
    found = completing.complete(place.source, place.position, scope)
    return answer(Proposals(found.start, found.end, found.items))


@post(
    "/v1/dsl/format",
    status_code=200,
    operation_id="formatSource",
    summary="A source as it is written in one way only",
    tags=["Editing"],
    scope="admin",
    dependencies=takes(Source),
    answer=Formatted,
    example={"source": "a and(b>1)"},
)
async def format_source(request: Request[Any, Any, Any], key: Bearer) -> Response[bytes]:
    """Comments are kept, in front. A long source gets a line for each term of its outermost `&&` or `||`."""
    source = read_as(await read_json(request), Source).source
    try:
        return answer(Formatted(lay_out(source), []))
    except SourceError as wrong:
        return answer(Formatted(None, wrong.details["diagnostics"]))


@post(
    "/v1/dsl/hover",
    status_code=200,
    operation_id="hoverSource",
    summary="What stands at a place of a source",
    tags=["Editing"],
    scope="admin",
    dependencies=takes(Place),
    answer=Explanation,
    example={"source": "events.purchase.count_30d > 2", "position": 18, "kind": "segment"},
)
async def hover_source(request: Request[Any, Any, Any], key: Bearer) -> Response[bytes]:
    place = read_as(await read_json(request), Place)
    workspace, scope = await _surroundings(request.app.state.service, key, place)
    found = hovering.hover(place.source, place.position, scope, language.describe(workspace))
    if found is None:
        return answer(Explanation(place.position, place.position, None, None))
    return answer(Explanation(found.start, found.end, found.markdown, found.type.value if found.type else None))


@post(
    "/v1/dsl/explain",
    status_code=200,
    operation_id="explainSource",
    summary="An expression or a flag in plain English",
    tags=["Editing"],
    scope="admin",
    dependencies=takes(Draft),
    answer=InWords,
    example={"kind": "segment", "expression": "events.purchase.count_30d >= 1 && last_seen_days_ago < 1"},
)
async def explain_source(request: Request[Any, Any, Any], key: Bearer) -> Response[bytes]:
    """Takes what `check` takes. With errors in the expression `text` is null, and `diagnostics` say why."""
    draft = read_as(await read_json(request), Draft)
    workspace = await workspace_of(request.app.state.service, key)
    meaning, told = language.in_words(workspace, draft.kind, draft.key, _source(draft))
    whole = meaning.valid and bool(told)
    return answer(
        InWords(
            valid=meaning.valid,
            text="\n".join(telling.tree.text for _, telling in told) if whole else None,
            tree=[_told(telling.tree, path) for path, telling in told],
            reads=Read(
                events=_once(name for _, telling in told for name in telling.events),
                properties=_once(name for _, telling in told for name in telling.properties),
                group=_once(name for _, telling in told for name in telling.group),
                context=_once(name for _, telling in told for name in telling.context),
                definitions=[Named(*name) for name in _once(name for _, t in told for name in t.definitions)],
            ),
            changes=_once(text for _, telling in told for text in telling.changes),
            unknown=_once(text for _, telling in told for text in telling.unknown),
            cost=meaning.cost,
            diagnostics=meaning.diagnostics,
        )
    )


def _told(sentence: Sentence, path: str | None = None) -> Told:
    return Told(sentence.span.start, sentence.span.end, sentence.text, [_told(part) for part in sentence.parts], path)


def _once(names: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(names))


def _source(draft: Draft) -> str | Flag:
    """The expression of a draft, or its flag. Raises InvalidInput for neither, and for both."""
    if (draft.expression is None) == (draft.flag is None) or (draft.flag is not None) > (draft.kind == "flag"):
        message = "Send an `expression`, or for the kind flag a whole `flag`."
        raise InvalidInput("INVALID_BODY", message)
    if draft.flag is not None:
        return read_flag({"key": draft.key or "flag", **draft.flag}, "")
    assert draft.expression is not None
    return draft.expression


async def _surroundings(service: Service, key: Key, place: Place) -> tuple[Workspace, Scope]:
    workspace = await workspace_of(service, key)
    seen = await service.sightings.seen(service.pool, key.environment_id, service.now())
    return workspace, language.surroundings(workspace, place.kind, place.key, seen)


ROUTES = [check_source, complete_source, explain_source, format_source, hover_source, validate]
