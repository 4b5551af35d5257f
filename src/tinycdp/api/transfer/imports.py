"""History in files, sent to a server or standing in its folder of imports.

Shape   POST begins, and answers once the first part is done; GET says how far it is; DELETE ends it
Laws    what was begun goes on after a restart. The file that is sent again goes on where it was, and adds nothing where
        it was done
Errors  400 FILE_MALFORMED, FILE_TOO_LARGE, INVALID_MAPPING, PARQUET_MISSING · 404 IMPORT_NOT_FOUND · 409 IMPORT_RUNNING
        · 429 IMPORTS_BUSY
Source  docs/reference/imports.md
"""

from pathlib import Path
from typing import Annotated

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, QueryParameter

from tinycdp.api.http.params import Limit
from tinycdp.api.http.parts import Injected
from tinycdp.api.http.requests import ExactRequest
from tinycdp.api.http.responses import as_schema
from tinycdp.api.ingest.adapters.history import PARSE, check_mapping
from tinycdp.api.transfer.schemas import ImportProgress, Imports
from tinycdp.errors import InvalidInput
from tinycdp.runtime.access.actor import Actor
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.transfer import imports as history
from tinycdp.runtime.transfer.import_queue import MOST_UPLOADED, Uploads
from tinycdp.runtime.transfer.imports import FileMapping, Source
from tinycdp.store.pool import Pool

_TAGS = ["Import"]


@post(
    "/v1/admin/imports",
    status_code=202,
    summary="Import a file of history",
    tags=_TAGS,
    scope="admin",
    request_max_body_size=MOST_UPLOADED,
)
async def start_import(
    request: ExactRequest,
    actor: Injected[Actor],
    imports: Injected[Uploads],
    name: Annotated[str, QueryParameter(description="the file's name, whose ending tells its form")],
    form: Annotated[str | None, QueryParameter(name="format", description="jsonl, csv or parquet")] = None,
    mapping: Annotated[str | None, QueryParameter(description="of columns, as JSON: columns, fixed, text")] = None,
    stored: Annotated[bool, QueryParameter(description="it stands in the server's folder of imports")] = False,
) -> ImportProgress:
    """The body is the file. Some rows may be refused: the log of rejections says which and why."""
    read_as = history.form_of(Path(name), form)
    wanted = FileMapping()
    if mapping is not None:
        try:
            wanted = check_mapping(msgspec.json.decode(mapping, type=FileMapping))
        except msgspec.DecodeError as wrong:
            raise InvalidInput("INVALID_MAPPING", f"The mapping cannot be read: {wrong}.") from None
    imports.check_room()
    path = imports.standing(name) if stored else await imports.receive(name, request.stream())
    source = Source(path, read_as, wanted, name)
    progress = await imports.begin(actor.environment_id, source, actor.name, PARSE, actor.key_id, keep=stored)
    return as_schema(progress, ImportProgress)


@get(
    "/v1/admin/imports",
    summary="The newest imports, and how far they are",
    tags=_TAGS,
    scope="admin",
)
async def list_imports(actor: Injected[Actor], imports: Injected[Uploads], limit: Limit = 50) -> Imports:
    return Imports(as_schema(await imports.listed(actor.environment_id, limit), list[ImportProgress]))


@get(
    "/v1/admin/imports/{id:str}",
    summary="How far an import is",
    tags=_TAGS,
    scope="admin",
)
async def get_import(actor: Injected[Actor], imports: Injected[Uploads], id: FromPath[str]) -> ImportProgress:
    return as_schema(await imports.find(actor.environment_id, id), ImportProgress)


@delete(
    "/v1/admin/imports/{id:str}",
    status_code=200,
    summary="Stop an import",
    tags=_TAGS,
    scope="admin",
)
async def stop_import(
    actor: Injected[Actor], pool: Injected[Pool], now: Injected[Clock], id: FromPath[str]
) -> ImportProgress:
    """What is stored stays. The same file, sent again, goes on."""
    stopped = await history.stop(pool, actor.environment_id, id, f"Stopped by {actor.name}.", now())
    return as_schema(stopped, ImportProgress)


ROUTES = [start_import, list_imports, get_import, stop_import]
