"""A segment, or a flag's exposures, as a file.

Laws    streamed: no cap, no memory that grows. A failure in the middle breaks the connection off, so that half a file
        is never taken for a whole one
Source  docs/reference/admin.md "Export"; docs/reference/exposures.md "As a file"
"""

from typing import Annotated, Any, get_args

from litestar import Request, get
from litestar.params import PathParameter, QueryParameter
from litestar.response.streaming import ASGIStreamingResponse
from litestar.types import Receive, Scope, Send

from tinycdp.api.exposures.routes import First, Last, days_between
from tinycdp.api.http.auth import Bearer
from tinycdp.api.http.exchange import readable
from tinycdp.errors import NotFound
from tinycdp.runtime.experiments import day_of
from tinycdp.runtime.export import Export, Form, Wanted, WantedExposures, named
from tinycdp.runtime.keys import Key
from tinycdp.runtime.service import Service
from tinycdp.runtime.times import iso

_MEDIA: dict[Form, str] = {"csv": "text/csv", "jsonl": "application/jsonl"}


class _File(ASGIStreamingResponse):
    """The export as it comes; closed when it is sent, when its reader goes away, and when anything fails."""

    def __init__(self, export: Export, media_type: str, headers: dict[str, str]) -> None:
        super().__init__(iterator=export.parts(), media_type=media_type, headers=headers)
        self._export = export

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._export.close()


@get(
    "/v1/export/segment/{file:str}",
    operation_id="exportSegment",
    summary="Everyone in a segment, as CSV or JSON lines",
    tags=["Export"],
    scope="read",
    media=tuple(_MEDIA.values()),
    guards=[readable],
)
async def export_segment(
    request: Request[Any, Any, Any],
    key: Bearer,
    file: Annotated[str, PathParameter(description="the segment's key and .csv or .jsonl")],
    columns: Annotated[
        str | None, QueryParameter(description="properties, separated by commas; all of them where it is left out")
    ] = None,
    traits: Annotated[str, QueryParameter(description="traits, separated by commas")] = "",
    raw: Annotated[bool, QueryParameter(description="leave formulas as they are")] = False,
) -> _File:
    """All rows are of one instant; `X-As-Of` says which."""
    service: Service = request.app.state.service
    segment, form = _name_and_form(file)
    wanted = Wanted(
        segment=segment,
        form=form,
        columns=named(columns) if columns is not None else None,
        traits=named(traits),
        raw=raw,
    )
    return await _file(service, key, wanted)


@get(
    "/v1/export/exposures/{file:str}",
    operation_id="exportExposures",
    summary="Everything a flag gave to anybody, as CSV or JSON lines",
    tags=["Export"],
    scope="admin",
    media=tuple(_MEDIA.values()),
    guards=[readable],
)
async def export_exposures(
    request: Request[Any, Any, Any],
    key: Bearer,
    file: Annotated[str, PathParameter(description="the flag's key and .csv or .jsonl")],
    variant: Annotated[str | None, QueryParameter(description="only this variant")] = None,
    first: First = None,
    last: Last = None,
    raw: Annotated[bool, QueryParameter(description="leave formulas as they are")] = False,
) -> _File:
    """The newest day first."""
    service: Service = request.app.state.service
    flag, form = _name_and_form(file)
    days = days_between(first, last, day_of(service.now()))
    await service.exposures.flush()
    return await _file(service, key, WantedExposures(flag=flag, days=days, form=form, variant=variant, raw=raw))


def _name_and_form(file: str) -> tuple[str, Form]:
    name, _, ending = file.rpartition(".")
    form = next((form for form in get_args(Form) if form == ending), None)
    if form is None:
        raise NotFound("NOT_FOUND", f"There is nothing called {file!r}; ask for a key with .csv or .jsonl.")
    return name, form


async def _file(service: Service, key: Key, wanted: Wanted | WantedExposures) -> _File:
    export = await service.exports.open(key.environment_id, wanted, service.now())
    headers = {
        "Content-Disposition": f'attachment; filename="{export.name}"',
        "X-As-Of": iso(export.as_of),
        "Cache-Control": "no-store",
    }
    return _File(export, media_type=_MEDIA[wanted.form], headers=headers)


ROUTES = [export_segment, export_exposures]
