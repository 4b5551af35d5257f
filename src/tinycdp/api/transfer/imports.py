"""History in files, sent to a server or standing in its folder of imports.

Shape   POST begins, and answers once the first part is done; GET says how far it is; DELETE ends it
Laws    what was begun goes on after a restart. The file that is sent again goes on where it was, and adds nothing where
        it was done
Errors  400 FILE_MALFORMED, FILE_TOO_LARGE, INVALID_MAPPING, PARQUET_MISSING · 404 IMPORT_NOT_FOUND · 409 IMPORT_RUNNING
        · 429 IMPORTS_BUSY
Source  docs/reference/imports.md
"""

from pathlib import Path
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.params import FromPath, QueryParameter

from tinycdp.api.http.auth import Bearer
from tinycdp.api.http.exchange import Limit, answer, readable
from tinycdp.api.ingest.adapters.history import PARSE, check_mapping
from tinycdp.errors import InvalidInput
from tinycdp.runtime import imports
from tinycdp.runtime.imports import FileMapping, Progress, Source
from tinycdp.runtime.service import Service
from tinycdp.runtime.uploads import MOST_UPLOADED

_TAGS = ["Import"]


class Imports(msgspec.Struct):
    """Newest first."""

    imports: list[Progress]


@post(
    "/v1/admin/imports",
    status_code=202,
    operation_id="startImport",
    summary="Import a file of history",
    tags=_TAGS,
    scope="admin",
    answer=Progress,
    guards=[readable],
    request_max_body_size=MOST_UPLOADED,
)
async def start_import(
    request: Request[Any, Any, Any],
    key: Bearer,
    name: Annotated[str, QueryParameter(description="the file's name, whose ending tells its form")],
    form: Annotated[str | None, QueryParameter(name="format", description="jsonl, csv or parquet")] = None,
    mapping: Annotated[str | None, QueryParameter(description="of columns, as JSON: columns, fixed, text")] = None,
    stored: Annotated[bool, QueryParameter(description="it stands in the server's folder of imports")] = False,
) -> Response[bytes]:
    """The body is the file. Some rows may be refused: the log of rejections says which and why."""
    service: Service = request.app.state.service
    read_as = imports.form_of(Path(name), form)
    wanted = FileMapping()
    if mapping is not None:
        try:
            wanted = check_mapping(msgspec.json.decode(mapping, type=FileMapping))
        except msgspec.DecodeError as wrong:
            raise InvalidInput("INVALID_MAPPING", f"The mapping cannot be read: {wrong}.") from None
    uploads = service.imports
    uploads.check_room()
    path = uploads.standing(name) if stored else await uploads.receive(name, request.stream())
    source = Source(path, read_as, wanted, name)
    progress = await uploads.begin(key.environment_id, source, key.name, PARSE, key.id, keep=stored)
    return answer(progress, 202)


@get(
    "/v1/admin/imports",
    operation_id="listImports",
    summary="The newest imports, and how far they are",
    tags=_TAGS,
    scope="admin",
    answer=Imports,
)
async def list_imports(request: Request[Any, Any, Any], key: Bearer, limit: Limit = 50) -> Response[bytes]:
    service: Service = request.app.state.service
    return answer(Imports(await service.imports.listed(key.environment_id, limit)))


@get(
    "/v1/admin/imports/{id:str}",
    operation_id="getImport",
    summary="How far an import is",
    tags=_TAGS,
    scope="admin",
    answer=Progress,
    guards=[readable],
)
async def get_import(request: Request[Any, Any, Any], key: Bearer, id: FromPath[str]) -> Response[bytes]:
    service: Service = request.app.state.service
    return answer(await service.imports.find(key.environment_id, id))


@delete(
    "/v1/admin/imports/{id:str}",
    status_code=200,
    operation_id="stopImport",
    summary="Stop an import",
    tags=_TAGS,
    scope="admin",
    answer=Progress,
    guards=[readable],
)
async def stop_import(request: Request[Any, Any, Any], key: Bearer, id: FromPath[str]) -> Response[bytes]:
    """What is stored stays. The same file, sent again, goes on."""
    service: Service = request.app.state.service
    return answer(await imports.stop(service.pool, key.environment_id, id, f"Stopped by {key.name}.", service.now()))


ROUTES = [start_import, list_imports, get_import, stop_import]
