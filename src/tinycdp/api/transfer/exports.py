"""A segment, or a flag's exposures, as a file.

Laws    streamed: no cap, no memory that grows. A failure in the middle breaks the connection off, so that half a file
        is never taken for a whole one
Source  docs/reference/export.md; docs/reference/exposures.md "As a file"
"""

from typing import Annotated, get_args

from litestar import get
from litestar.params import PathParameter, QueryParameter
from litestar.response.streaming import ASGIStreamingResponse
from litestar.types import Receive, Scope, Send

from tinycdp.api.exposures.routes import First, Last, days_between
from tinycdp.api.http.parts import Injected
from tinycdp.errors import NotFound
from tinycdp.model import Instant
from tinycdp.runtime.access.actor import Actor
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.decisions.exposure_stats import day_of
from tinycdp.runtime.decisions.exposures import Exposures
from tinycdp.runtime.transfer.export import Export, Exports, Form, Wanted, WantedExposures, named
from tinycdp.times import iso

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
    summary="Everyone in a segment, as CSV or JSON lines",
    tags=["Export"],
    scope="read",
    media=tuple(_MEDIA.values()),
)
async def export_segment(
    actor: Injected[Actor],
    exports: Injected[Exports],
    now: Injected[Clock],
    file: Annotated[str, PathParameter(description="the segment's key and .csv or .jsonl")],
    columns: Annotated[
        str | None, QueryParameter(description="properties, separated by commas; all of them where it is left out")
    ] = None,
    traits: Annotated[str, QueryParameter(description="traits, separated by commas")] = "",
    raw: Annotated[bool, QueryParameter(description="leave formulas as they are")] = False,
) -> _File:
    """All rows are of one instant; `X-As-Of` says which."""
    segment, form = _name_and_form(file)
    wanted = Wanted(
        segment=segment,
        form=form,
        columns=named(columns) if columns is not None else None,
        traits=named(traits),
        raw=raw,
    )
    return await _file(actor, exports, now(), wanted)


@get(
    "/v1/export/exposures/{file:str}",
    summary="Everything a flag gave to anybody, as CSV or JSON lines",
    tags=["Export"],
    scope="admin",
    media=tuple(_MEDIA.values()),
)
async def export_exposures(
    actor: Injected[Actor],
    exports: Injected[Exports],
    exposures: Injected[Exposures],
    now: Injected[Clock],
    file: Annotated[str, PathParameter(description="the flag's key and .csv or .jsonl")],
    variant: Annotated[str | None, QueryParameter(description="only this variant")] = None,
    first: First = None,
    last: Last = None,
    raw: Annotated[bool, QueryParameter(description="leave formulas as they are")] = False,
) -> _File:
    """The newest day first."""
    flag, form = _name_and_form(file)
    days = days_between(first, last, day_of(now()))
    await exposures.flush()
    return await _file(
        actor, exports, now(), WantedExposures(flag=flag, days=days, form=form, variant=variant, raw=raw)
    )


def _name_and_form(file: str) -> tuple[str, Form]:
    name, _, ending = file.rpartition(".")
    form = next((form for form in get_args(Form) if form == ending), None)
    if form is None:
        raise NotFound("NOT_FOUND", f"There is nothing called {file!r}; ask for a key with .csv or .jsonl.")
    return name, form


async def _file(actor: Actor, exports: Exports, now: Instant, wanted: Wanted | WantedExposures) -> _File:
    export = await exports.open(actor.environment_id, wanted, now)
    headers = {
        "Content-Disposition": f'attachment; filename="{export.name}"',
        "X-As-Of": iso(export.as_of),
        "Cache-Control": "no-store",
    }
    return _File(export, media_type=_MEDIA[wanted.form], headers=headers)


ROUTES = [export_segment, export_exposures]
