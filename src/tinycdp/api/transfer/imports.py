"""Routes that import files of history, sent by a client or stored on the server.

Shape   POST …/inspect shows what an import would do; POST starts one, and answers once the first part is done;
        GET returns its progress, and its rejected rows; DELETE stops it
Laws    a started import is resumed after a restart. A file that is sent again continues where it stopped, and adds
        nothing if it was done
Errors  400 INVALID_REQUEST, FILE_MALFORMED, FILE_TOO_LARGE, INVALID_MAPPING, PARQUET_MISSING ·
        404 IMPORT_NOT_FOUND, REPORT_NOT_FOUND · 409 IMPORT_RUNNING · 429 IMPORTS_BUSY
Source  docs/reference/imports.md
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, QueryParameter
from litestar.response.streaming import ASGIStreamingResponse

from tinycdp.api.http.bodies import decode_json
from tinycdp.api.http.encoding import as_schema
from tinycdp.api.http.params import Limit
from tinycdp.api.http.parts import Injected
from tinycdp.api.http.requests import ExactRequest
from tinycdp.api.ingest.adapters.history import FIELDS, PARSE, check_mapping, field_of, guess_mapping
from tinycdp.api.transfer.schemas import (
    ImportColumn,
    ImportFileInfo,
    ImportFiles,
    ImportMapping,
    ImportProgress,
    Imports,
    InspectedFile,
    InspectedRow,
)
from tinycdp.dsl.fields import in_words
from tinycdp.errors import InvalidInput
from tinycdp.runtime.access.actor import Actor
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.transfer import imports as history
from tinycdp.runtime.transfer import inspection
from tinycdp.runtime.transfer.import_files import FileMapping, ImportFile, columns_of, form_of
from tinycdp.runtime.transfer.import_files import Form as FileForm
from tinycdp.runtime.transfer.import_queue import MOST_UPLOADED, ImportQueue
from tinycdp.times import iso

_TAGS = ["Import"]
#: A Parquet file is sent whole, others by their beginning.
MOST_INSPECTED = 64 * 1024**2

Form = Annotated[str | None, QueryParameter(name="format", description="jsonl, csv or parquet")]
Mapping = Annotated[str | None, QueryParameter(description="of columns, as JSON with `columns`, `fixed` and `text`")]
Stored = Annotated[bool, QueryParameter(description="the file is in the server's import folder of this environment")]


@post(
    "/v1/admin/imports",
    status_code=202,
    summary="Import a file of history",
    tags=_TAGS,
    scope="admin",
    takes_file=True,
    query="name=history.csv",
    request_max_body_size=MOST_UPLOADED,
)
async def start_import(
    request: ExactRequest,
    actor: Injected[Actor],
    imports: Injected[ImportQueue],
    name: Annotated[str, QueryParameter(description="the file's name; its ending gives the format")],
    form: Form = None,
    mapping: Mapping = None,
    stored: Stored = False,
) -> ImportProgress:
    """The body is the file. Rows may be rejected; the rejections list says which and why."""
    read_as = form_of(Path(name), form)
    wanted = FileMapping()
    if mapping is not None:
        wanted = check_mapping(_mapping_of(mapping))
    imports.check_capacity()
    path = await _file_of(request, imports, actor.environment_id, name, stored=stored)
    source = ImportFile(path, read_as, wanted, name)
    progress = await imports.begin(actor.environment_id, source, actor.name, PARSE, actor.key_id, keep=stored)
    return as_schema(progress, ImportProgress)


@post(
    "/v1/admin/imports/inspect",
    status_code=200,
    summary="What an import would make of a file's first rows; stores nothing",
    tags=_TAGS,
    scope="admin",
    takes_file=True,
    query="name=history.csv",
    request_max_body_size=MOST_INSPECTED,
)
async def inspect_import(
    request: ExactRequest,
    actor: Injected[Actor],
    imports: Injected[ImportQueue],
    now: Injected[Clock],
    name: Annotated[str, QueryParameter(description="the file's name; its ending gives the format")],
    form: Form = None,
    mapping: Mapping = None,
    stored: Stored = False,
    partial: Annotated[bool, QueryParameter(description="the body is only the beginning of the file")] = False,
) -> InspectedFile:
    """The body is the file or its beginning; Parquet files have their description at the end, so they are sent whole.

    Without `mapping`, columns that often hold a field are mapped to it; the answer has the mapping."""
    if stored and partial:
        message = "`partial` is for a body, and `stored` for a file on the server: leave one of them out."
        raise InvalidInput("INVALID_REQUEST", message, name="partial")
    read_as = form_of(Path(name), form)
    path = await _file_of(request, imports, actor.environment_id, name, stored=stored)
    try:
        if partial:
            await asyncio.to_thread(inspection.unpack, path)
        source = ImportFile(path, read_as, name=name)
        columns = await asyncio.to_thread(columns_of, source) if read_as != "jsonl" else []
        wanted = check_mapping(_mapping_of(mapping)) if mapping is not None else guess_mapping(columns)
        problem = _problem(columns, wanted) if read_as != "jsonl" else None
        source = replace(source, mapping=wanted)
        found = await inspection.inspect(source, PARSE, now(), whole=not partial, problem=problem)
    finally:
        if not stored:
            path.unlink(missing_ok=True)
    return InspectedFile(
        read_as,
        [ImportColumn(column, field_of(column, wanted)) for column in columns[: inspection.MOST_COLUMNS]],
        ImportMapping(wanted.columns, wanted.fixed, wanted.text),
        FIELDS,
        problem.message if problem is not None else None,
        as_schema(found.rows, list[InspectedRow]),
        found.read,
        found.rejected,
        as_schema(found.rejected_rows, list[InspectedRow]),
        found.complete,
    )


async def _file_of(
    request: ExactRequest, imports: ImportQueue, environment_id: int, name: str, *, stored: bool
) -> Path:
    """The path of the file that the request names or has as its body."""
    if not stored:
        return await imports.receive(name, request.stream())
    async for part in request.stream():
        if part:
            message = "With `stored=true` the file is the server's: send no body, or leave `stored` out."
            raise InvalidInput("INVALID_REQUEST", message, name="stored")
    return await imports.stored_file(environment_id, name)


def _problem(columns: Sequence[str], mapping: FileMapping) -> InvalidInput | None:
    try:
        PARSE.check_columns(columns, mapping)
    except InvalidInput as wrong:
        return wrong
    return None


@get(
    "/v1/admin/imports/files",
    summary="The files in the environment's import folder on the server",
    tags=_TAGS,
    scope="admin",
)
async def list_import_files(actor: Injected[Actor], imports: Injected[ImportQueue]) -> ImportFiles:
    """Of the machine that answers. `stored=true` imports one."""
    files = [
        ImportFileInfo(one.name, _form_by_name(one.name), one.size, iso(one.modified_at))
        for one in await imports.stored_files(actor.environment_id)
    ]
    folder = await imports.folder_of(actor.environment_id)
    return ImportFiles(str(folder.absolute()), files)


def _form_by_name(name: str) -> FileForm | None:
    try:
        return form_of(Path(name))
    except InvalidInput:
        return None


def _mapping_of(text: str) -> FileMapping:
    """The mapping in a parameter."""
    try:
        document = decode_json(text.encode())
    except InvalidInput as wrong:
        raise InvalidInput("INVALID_MAPPING", f"`mapping` is a JSON object: {wrong.message}") from None
    try:
        return msgspec.convert(document, FileMapping)
    except msgspec.ValidationError as wrong:
        path, fault = in_words(wrong, FileMapping, document)
        raise InvalidInput("INVALID_MAPPING", f"`mapping`, {path}: {fault}", path=path) from None


@get(
    "/v1/admin/imports",
    summary="The progress of the newest imports",
    tags=_TAGS,
    scope="admin",
)
async def list_imports(actor: Injected[Actor], imports: Injected[ImportQueue], limit: Limit = 50) -> Imports:
    return Imports(as_schema(await imports.listed(actor.environment_id, limit), list[ImportProgress]))


@get(
    "/v1/admin/imports/{id:str}",
    summary="The progress of an import",
    tags=_TAGS,
    scope="admin",
)
async def get_import(actor: Injected[Actor], imports: Injected[ImportQueue], id: FromPath[str]) -> ImportProgress:
    return as_schema(await imports.find(actor.environment_id, id), ImportProgress)


@get(
    "/v1/admin/imports/{id:str}/report",
    summary="The rejected rows of an import, as JSON lines",
    tags=_TAGS,
    scope="admin",
    downloadable=True,
    media=("application/jsonl",),
)
async def get_import_report(
    actor: Injected[Actor], imports: Injected[ImportQueue], id: FromPath[str]
) -> ASGIStreamingResponse:
    """Each line has `line`, `code` and `message`. It is kept for a day after its last row."""
    return ASGIStreamingResponse(
        iterator=await imports.report(actor.environment_id, id),
        media_type="application/jsonl",
        headers={"Content-Disposition": f'attachment; filename="import-{id[:12]}-rejected.jsonl"'},
    )


@delete(
    "/v1/admin/imports/{id:str}",
    status_code=200,
    summary="Stop an import",
    tags=_TAGS,
    scope="admin",
)
async def stop_import(actor: Injected[Actor], environment: Injected[Environment], id: FromPath[str]) -> ImportProgress:
    """Stored rows stay. Sending the same file again continues the import."""
    stopped = await history.stop(environment, id, f"Stopped by {actor.name}.")
    return as_schema(stopped, ImportProgress)


ROUTES = [start_import, inspect_import, list_import_files, list_imports, get_import, get_import_report, stop_import]
