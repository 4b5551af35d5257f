"""Language services for editors: check, complete, format, hover and explain.

Shape   five routes under /v1/dsl, and /v1/admin/validate, the former name of `check`
Units   positions in characters (code points) of the source, half-open
Laws    an answer is 200 even for a source with errors, because it is being written. Nothing is saved
Source  docs/reference/language-services.md
"""

from collections.abc import Iterable
from typing import TypeVar

import msgspec
from litestar import post
from litestar.params import JSONBody

from tinycdp.api.definitions.schemas import Cost, Meaning, NamedDefinition
from tinycdp.api.editor.schemas import (
    CheckedSource,
    DraftBody,
    ExplainedPart,
    ExplainedSource,
    ExpressionBody,
    Formatted,
    Hover,
    Place,
    Proposals,
    Source,
    SourceReads,
    Term,
    Validity,
)
from tinycdp.api.http.encoding import as_schema
from tinycdp.api.http.parts import Injected
from tinycdp.dsl.diagnostics import SourceError
from tinycdp.dsl.editor import complete as completing
from tinycdp.dsl.editor import hover as hovering
from tinycdp.dsl.editor.describe import Sentence
from tinycdp.dsl.editor.format import lay_out
from tinycdp.dsl.editor.terms import SourceTerm, terms_of
from tinycdp.engine.flags.document import Flag, read_flag
from tinycdp.errors import InvalidInput
from tinycdp.runtime.definitions import workspace as workspaces
from tinycdp.runtime.definitions.workspace import Workspace
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.schema import editor
from tinycdp.runtime.schema.editor import SeenPropertiesCache

T = TypeVar("T")
_EXAMPLE = {"kind": "segment", "expression": "orders_90d = 3"}


@post(
    "/v1/dsl/check",
    status_code=200,
    summary="Check an expression or a flag: meaning, errors and fixes",
    tags=["Editing"],
    scope="read",
    example=_EXAMPLE,
)
async def check_source(workspace: Injected[Workspace], data: JSONBody[DraftBody]) -> CheckedSource:
    """Answers 200 even for errors: `valid` is false; `diagnostics` has reasons and fixes."""
    return _check(workspace, data)


@post(
    "/v1/admin/validate",
    status_code=200,
    summary="Check an expression or a flag (former name)",
    tags=["Editing"],
    scope="read",
    example={"expression": "events.purchase.count_90d", "type": "trait"},
)
async def validate(workspace: Injected[Workspace], data: JSONBody[ExpressionBody]) -> Validity:
    """As `check`, with the first error as `error`."""
    draft = data if data.type is None else msgspec.structs.replace(data, kind=data.type)
    meaning = _check(workspace, draft)
    error = next((one["message"] for one in meaning.diagnostics if one["severity"] == "error"), None)
    return Validity(**msgspec.structs.asdict(meaning), error=error)


def _check(workspace: Workspace, draft: DraftBody) -> CheckedSource:
    source = _source(draft)
    if isinstance(source, Flag):
        meaning = workspaces.understand_flag(workspace, source)
        by_path: dict[str | None, str] = {f"$.rules[{n}].when": rule.when for n, rule in enumerate(source.rules)}
    else:
        meaning = workspaces.understand(workspace, draft.kind, draft.key, source)
        by_path = {None: source}
    terms = [_term(term, path) for path, text in by_path.items() for term in terms_of(text)]
    return CheckedSource(**msgspec.structs.asdict(as_schema(meaning, Meaning)), terms=terms)


def _term(found: SourceTerm, path: str | None) -> Term:
    term = as_schema(found, Term)
    if path is not None:
        term.path = path
    return term


@post(
    "/v1/dsl/complete",
    status_code=200,
    summary="Complete a source at a position",
    tags=["Editing"],
    scope="read",
    example={"source": "events.pur", "position": 10, "kind": "segment"},
)
async def complete_source(
    environment: Injected[Environment],
    seen_properties: Injected[SeenPropertiesCache],
    workspace: Injected[Workspace],
    data: JSONBody[Place],
) -> Proposals:
    """Offers the environment's definitions, recent events and their properties."""
    seen = await seen_properties.get(environment)
    scope = editor.editor_scope(workspace, data.kind, data.key, seen, data.event)
    return as_schema(completing.complete(data.source, data.position, scope), Proposals)


@post(
    "/v1/dsl/format",
    status_code=200,
    summary="Format a source",
    tags=["Editing"],
    scope="read",
    example={"source": "a and(b>1)"},
)
async def format_source(
    data: JSONBody[Source],
) -> Formatted:
    """Comments move to the front.

    A long source has one line for each term of its outermost `&&` or `||`."""
    try:
        return Formatted(lay_out(data.source), [])
    except SourceError as wrong:
        return Formatted(None, wrong.details["diagnostics"])


@post(
    "/v1/dsl/hover",
    status_code=200,
    summary="Explain the name at a position of a source",
    tags=["Editing"],
    scope="read",
    example={"source": "events.purchase.count_30d > 2", "position": 18, "kind": "segment"},
)
async def hover_source(
    environment: Injected[Environment],
    seen_properties: Injected[SeenPropertiesCache],
    workspace: Injected[Workspace],
    data: JSONBody[Place],
) -> Hover:
    seen = await seen_properties.get(environment)
    scope = editor.editor_scope(workspace, data.kind, data.key, seen, data.event)
    found = hovering.hover(data.source, data.position, scope, editor.describe(workspace))
    if found is None:
        return Hover(data.position, data.position, None, None)
    return Hover(found.start, found.end, found.markdown, found.type.value if found.type else None)


@post(
    "/v1/dsl/explain",
    status_code=200,
    summary="Explain an expression or a flag in plain English",
    tags=["Editing"],
    scope="read",
    example={"kind": "segment", "expression": "events.purchase.count_30d >= 1 && last_seen_days_ago < 1"},
)
async def explain_source(
    workspace: Injected[Workspace],
    data: JSONBody[DraftBody],
) -> ExplainedSource:
    """Takes what `check` takes.

    For a source with errors, `text` is null and `diagnostics` has the reasons."""
    meaning, descriptions = editor.describe_source(workspace, data.kind, data.key, _source(data))
    whole = meaning.valid and bool(descriptions)
    return ExplainedSource(
        valid=meaning.valid,
        text="\n".join(description.tree.text for _, description in descriptions) if whole else None,
        tree=[_explained_part(description.tree, path) for path, description in descriptions],
        reads=SourceReads(
            events=_once(name for _, description in descriptions for name in description.events),
            properties=_once(name for _, description in descriptions for name in description.properties),
            group=_once(name for _, description in descriptions for name in description.group),
            context=_once(name for _, description in descriptions for name in description.context),
            definitions=[
                NamedDefinition(*name) for name in _once(name for _, d in descriptions for name in d.definitions)
            ],
        ),
        changes=_once(text for _, description in descriptions for text in description.changes),
        unknown=_once(text for _, description in descriptions for text in description.unknown),
        cost=as_schema(meaning.cost, Cost),
        diagnostics=meaning.diagnostics,
    )


def _explained_part(sentence: Sentence, path: str | None = None) -> ExplainedPart:
    return ExplainedPart(
        sentence.span.start, sentence.span.end, sentence.text, [_explained_part(part) for part in sentence.parts], path
    )


def _once(names: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(names))


def _source(draft: DraftBody) -> str | Flag:
    """The expression of a draft, or its flag. Raises InvalidInput for none or both."""
    if (draft.expression is None) == (draft.flag is None) or (draft.flag is not None) > (draft.kind == "flag"):
        message = "Send an `expression`, or for the kind flag a whole `flag`."
        raise InvalidInput("INVALID_BODY", message)
    if draft.flag is not None:
        return read_flag({"key": draft.key or "flag", **draft.flag}, "")
    assert draft.expression is not None
    return draft.expression


ROUTES = [check_source, complete_source, explain_source, format_source, hover_source, validate]
