"""Routes that edit and read the lists of static segments.

Shape   POST adds, removes or replaces identifiers, from a JSON body, another segment or an uploaded CSV file; GET pages
        through the list. The members are at …/members, as of any segment
Laws    nothing changes before the whole body is read and valid. An edit that was interrupted is sent again
Errors  400 LIST_MALFORMED with the line, LIST_EMPTY, FILE_TOO_LARGE · 404 NOT_FOUND · 409 NOT_STATIC, BACKFILLING
Source  docs/how-to/static-segments.md
"""

import asyncio
import contextlib
import tempfile
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from litestar import Response, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from tinycdp.api.http.encoding import as_schema
from tinycdp.api.http.params import DryRun, Limit
from tinycdp.api.http.parts import Injected
from tinycdp.api.http.requests import ExactRequest
from tinycdp.api.ingest.adapters.canonical import listed_identifier
from tinycdp.api.segments.progress import answer
from tinycdp.api.segments.schemas import ListChange, ListedIdentifier, ListedIdentifiers, ListEdit
from tinycdp.errors import InvalidInput
from tinycdp.model import Identifier, IdentifierKind
from tinycdp.runtime.access.actor import Actor
from tinycdp.runtime.segments import lists as lists_of
from tinycdp.runtime.segments.list_files import read_list, wrong_kind
from tinycdp.runtime.segments.lists import Lists, OnProgress

_TAGS = ["Segments"]
_IN_MEMORY = 1 << 20
#: The largest file of identifiers, in bytes: tens of millions.
MOST_UPLOADED = 1 << 30

Mode = Annotated[Literal["add", "remove", "replace"], QueryParameter(description="what becomes of the list")]


@get(
    "/v1/admin/segments/{name:str}/list",
    summary="The identifiers on the list of a static segment, page by page",
    tags=_TAGS,
    scope="read",
)
async def get_segment_list(
    actor: Injected[Actor],
    lists: Injected[Lists],
    name: FromPath[str],
    after: Annotated[str, QueryParameter(description="`next` of the last page")] = "",
    limit: Limit = 50,
) -> ListedIdentifiers:
    kind, _, value = after.partition(" ")
    found = as_schema(await lists.page(actor.environment_id, name, (kind, value), limit), list[ListedIdentifier])
    return ListedIdentifiers(found, f"{found[-1].kind} {found[-1].value}" if len(found) == limit else None)


@post(
    "/v1/admin/segments/{name:str}/list",
    status_code=200,
    summary="Add, remove or replace identifiers of a static segment",
    tags=_TAGS,
    scope="admin",
    answer=ListChange,
    example={"mode": "add", "identifiers": ["ada", {"kind": "anonymousId", "value": "ada-web"}]},
)
async def edit_segment_list(
    request: ExactRequest,
    actor: Injected[Actor],
    lists: Injected[Lists],
    name: FromPath[str],
    data: JSONBody[ListEdit],
    dry_run: DryRun = False,
) -> Response[Any]:
    """A client that accepts `application/jsonl` gets the progress as lines, and the answer as the last one."""
    if (data.identifiers is None) == (data.copy is None):
        raise InvalidInput("INVALID_BODY", "$: send either `identifiers` or `copy`.", path="$")
    identifiers = list(_identifiers(data))
    return await answer(
        request,
        lambda progress: lists.change(
            actor.environment_id,
            name,
            data.mode,
            identifiers,
            copied=data.copy,
            dry_run=dry_run,
            may_empty=data.copy is None,
            progress=progress,
        ),
    )


@post(
    "/v1/admin/segments/{name:str}/list/upload",
    status_code=200,
    summary="Add, remove or replace identifiers of a static segment, from a CSV file",
    tags=_TAGS,
    scope="admin",
    answer=ListChange,
    request_max_body_size=MOST_UPLOADED,
)
async def upload_segment_list(
    request: ExactRequest,
    actor: Injected[Actor],
    lists: Injected[Lists],
    name: FromPath[str],
    mode: Mode = "add",
    kind: Annotated[str | None, QueryParameter(description="the kind of all identifiers in the file")] = None,
    column: Annotated[str | None, QueryParameter(description="the column they are in")] = None,
    dry_run: DryRun = False,
) -> Response[Any]:
    """The body is the file, which may be compressed with gzip. It answers when the whole list is changed.

    A client that accepts `application/jsonl` gets the progress as lines, and the answer as the last one."""
    if column is not None and kind is None:
        raise InvalidInput("INVALID_REQUEST", "Say which `kind` the identifiers in `column` have.")
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY))
        async for part in request.stream():
            await asyncio.to_thread(file.write, part)
        await asyncio.to_thread(file.seek, 0)
        received = stack.pop_all()

    async def edit(progress: OnProgress) -> lists_of.ListChange:
        with received:
            identifiers = read_list(file, listed_identifier, kind, column)
            return await lists.change(actor.environment_id, name, mode, identifiers, dry_run=dry_run, progress=progress)

    return await answer(request, edit)


def _identifiers(data: ListEdit) -> Iterator[Identifier]:
    for n, one in enumerate(data.identifiers or ()):
        kind, value = (IdentifierKind.USER, one) if isinstance(one, str) else (one.kind, one.value)
        where = f"$.identifiers[{n}]"
        if problem := wrong_kind(kind):
            raise InvalidInput("INVALID_BODY", f"{where}.kind: {problem}", path=f"{where}.kind")
        try:
            read = listed_identifier(value)
        except InvalidInput as wrong:
            raise InvalidInput("INVALID_BODY", f"{where}: {wrong.message}", path=where) from None
        if read is None:
            message = f"{where}: {value[:40]!r} is a placeholder, and identifies no one."
            raise InvalidInput("INVALID_BODY", message, path=where)
        yield Identifier(kind, read)


ROUTES = [get_segment_list, edit_segment_list, upload_segment_list]
