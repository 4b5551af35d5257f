"""History in files, sent to a server or standing in its folder of imports.

Shape   POST begins, and answers once the first part is done; GET says how far it is
Laws    the file that is sent again goes on where it was, and adds nothing where it was done
Errors  400 FILE_MALFORMED, FILE_TOO_LARGE, INVALID_MAPPING, PARQUET_MISSING · 404 IMPORT_NOT_FOUND · 409 IMPORT_RUNNING
        · 429 IMPORTS_BUSY
Source  docs/reference/imports.md
"""

from pathlib import Path
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath, QueryParameter

from tinycdp.api.auth import Bearer
from tinycdp.api.exchange import Limit, answer, readable
from tinycdp.api.wire.history import PARSE, check_mapping
from tinycdp.errors import InvalidInput
from tinycdp.runtime import imports
from tinycdp.runtime.imports import MOST_UPLOADED, FileMapping, Progress, Source
from tinycdp.runtime.service import Service

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
    opt={"scope": "admin", "answer": Progress},
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
    path = uploads.standing(name) if stored else await uploads.receive(name, request.stream())
    source = Source(path, read_as, wanted, name)
    progress = await uploads.start(key.environment_id, source, key.name, PARSE, key.id, keep=stored)
    return answer(progress, 202)


@get(
    "/v1/admin/imports",
    operation_id="listImports",
    summary="The newest imports, and how far they are",
    tags=_TAGS,
    opt={"scope": "admin", "answer": Imports},
)
async def list_imports(request: Request[Any, Any, Any], key: Bearer, limit: Limit = 50) -> Response[bytes]:
    service: Service = request.app.state.service
    return answer(Imports(await imports.listed(service.pool, key.environment_id, limit)))


@get(
    "/v1/admin/imports/{id:str}",
    operation_id="getImport",
    summary="How far an import is",
    tags=_TAGS,
    opt={"scope": "admin", "answer": Progress},
    guards=[readable],
)
async def get_import(request: Request[Any, Any, Any], key: Bearer, id: FromPath[str]) -> Response[bytes]:
    service: Service = request.app.state.service
    return answer(await imports.find(service.pool, key.environment_id, id))


ROUTES = [start_import, list_imports, get_import]
