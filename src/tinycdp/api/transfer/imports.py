"""Routes that import files of history, sent by a client or stored on the server.

Shape   POST starts an import, and answers once the first part is done; GET returns its progress, and its rejected rows;
        DELETE stops it
Laws    a started import is resumed after a restart. A file that is sent again continues where it stopped, and adds
        nothing if it was done
Errors  400 FILE_MALFORMED, FILE_TOO_LARGE, INVALID_MAPPING, PARQUET_MISSING · 404 IMPORT_NOT_FOUND, REPORT_NOT_FOUND
        · 409 IMPORT_RUNNING · 429 IMPORTS_BUSY
Source  docs/reference/imports.md
"""

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
from tinycdp.api.ingest.adapters.history import PARSE, check_mapping
from tinycdp.api.transfer.schemas import ImportProgress, Imports
from tinycdp.dsl.fields import in_words
from tinycdp.errors import InvalidInput
from tinycdp.runtime.access.actor import Actor
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.transfer import imports as history
from tinycdp.runtime.transfer.import_files import FileMapping, ImportFile, form_of
from tinycdp.runtime.transfer.import_queue import MOST_UPLOADED, ImportQueue

_TAGS = ["Import"]


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
    form: Annotated[str | None, QueryParameter(name="format", description="jsonl, csv or parquet")] = None,
    mapping: Annotated[
        str | None, QueryParameter(description="of columns, as JSON with `columns`, `fixed` and `text`")
    ] = None,
    stored: Annotated[bool, QueryParameter(description="the file is in the server's import folder already")] = False,
) -> ImportProgress:
    """The body is the file. Rows may be rejected; the rejections list says which and why."""
    read_as = form_of(Path(name), form)
    wanted = FileMapping()
    if mapping is not None:
        wanted = check_mapping(_mapping_of(mapping))
    imports.check_capacity()
    path = imports.stored_file(name) if stored else await imports.receive(name, request.stream())
    source = ImportFile(path, read_as, wanted, name)
    progress = await imports.begin(actor.environment_id, source, actor.name, PARSE, actor.key_id, keep=stored)
    return as_schema(progress, ImportProgress)


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


ROUTES = [start_import, list_imports, get_import, get_import_report, stop_import]
