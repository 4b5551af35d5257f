"""Routes that export a segment, or a flag's exposures, as a file; and links to such files.

Laws    streamed: no limit on rows, and constant memory. A failure in the middle breaks the connection, so that half a
        file is never mistaken for a complete one
Source  docs/reference/export.md; docs/reference/exposures.md "As a file"
"""

from typing import Annotated, get_args

import msgspec
from litestar import get
from litestar.params import PathParameter, QueryParameter
from litestar.response.base import ASGIResponse
from litestar.response.streaming import ASGIStreamingResponse
from litestar.types import Receive, Scope, Send

from tinycdp.api.exposures.routes import First, Last, days_between
from tinycdp.api.http import auth
from tinycdp.api.http.encoding import encode
from tinycdp.api.http.parts import Injected
from tinycdp.api.http.requests import ExactRequest, host_of, scheme_of
from tinycdp.api.transfer.schemas import AvailableExport, AvailableExports, SegmentDownload
from tinycdp.errors import NotFound
from tinycdp.model import Instant
from tinycdp.runtime.access import download_links
from tinycdp.runtime.access.actor import Actor, actor_of
from tinycdp.runtime.access.keys import Keyring
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.decisions.exposures import Exposures
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.transfer.export import (
    Export,
    Exports,
    ExposuresRequest,
    Form,
    SegmentRequest,
    SegmentSize,
    segment_sizes,
    split_names,
)
from tinycdp.times import day_of, iso

_MEDIA: dict[Form, str] = {"csv": "text/csv", "jsonl": "application/jsonl"}


class _File(ASGIStreamingResponse):
    """An export as a response.

    It is closed when it is sent, when its client disconnects, and when anything fails."""

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
    summary="All members of a segment, as CSV or JSON lines; or a link to them",
    tags=["Export"],
    scope="read",
    downloadable=True,
    media=(*_MEDIA.values(), "application/json"),
)
async def export_segment(
    request: ExactRequest,
    actor: Injected[Actor],
    environment: Injected[Environment],
    exports: Injected[Exports],
    catalogs: Injected[Catalogs],
    keyring: Injected[Keyring],
    now: Injected[Clock],
    file: Annotated[str, PathParameter(description="the segment's key, with .csv or .jsonl for the file itself")],
    columns: Annotated[str | None, QueryParameter(description="properties, separated by commas; default: all")] = None,
    traits: Annotated[str, QueryParameter(description="traits, separated by commas")] = "",
    raw: Annotated[bool, QueryParameter(description="do not escape formulas")] = False,
) -> ASGIResponse:
    """All rows are true as of one instant, given in `X-As-Of`.

    The key alone is answered with `downloadUrl`, `filename` and `userCount`, as clients of the first TinyCDP expect."""
    if not file.endswith(tuple(f".{form}" for form in _MEDIA)):
        found, as_of = await segment_sizes(environment, catalogs, file)
        link = _download(request, keyring, actor, found[0], as_of, now())
        return ASGIResponse(body=encode(link), media_type="application/json")
    segment, form = _name_and_form(file)
    wanted = SegmentRequest(
        segment=segment,
        form=form,
        columns=split_names(columns) if columns is not None else None,
        traits=split_names(traits),
        raw=raw,
    )
    return await _file(actor, exports, now(), wanted)


@get("/v1/export/list", summary="The segments that can be exported", tags=["Export"], scope="read")
async def list_exports(
    request: ExactRequest,
    actor: Injected[Actor],
    environment: Injected[Environment],
    catalogs: Injected[Catalogs],
    keyring: Injected[Keyring],
) -> AvailableExports:
    """Each with a link that is valid for at least an hour, without a key."""
    instant = environment.now()
    found, as_of = await segment_sizes(environment, catalogs)
    listed = []
    for one in found:
        download = msgspec.structs.asdict(_download(request, keyring, actor, one, as_of, instant))
        etag = f"{one.fingerprint % 2**64:016x}-{one.members}"
        listed.append(AvailableExport(**download, name=download["filename"], etag=etag))
    return AvailableExports(listed)


def _download(
    request: ExactRequest, keyring: Keyring, actor: Actor, found: SegmentSize, as_of: Instant, now: Instant
) -> SegmentDownload:
    file = f"{found.segment}.csv"
    token = download_links.DOWNLOADS.issue(keyring, download_links.link_to(actor.key_id, file, now))
    url = f"{scheme_of(request)}://{host_of(request)}/v1/export/download/{token}"
    return SegmentDownload(url, file, found.members, iso(as_of))


@get(
    "/v1/export/download/{token:str}",
    summary="The file of a download link",
    tags=["Export"],
    media=tuple(_MEDIA.values()),
)
async def download_export(
    request: ExactRequest,
    exports: Injected[Exports],
    keyring: Injected[Keyring],
    now: Injected[Clock],
    token: Annotated[str, PathParameter(description="the end of a `downloadUrl`")],
) -> _File:
    """A link is valid for at least an hour, while its key is. It has the members of now."""
    link, key = download_links.DOWNLOADS.redeem(keyring, token, now())
    auth.admit_from(request, key, "read")
    auth.allow(key, "read")
    segment, form = _name_and_form(link.file)
    return await _file(actor_of(key), exports, now(), SegmentRequest(segment=segment, form=form))


@get(
    "/v1/export/exposures/{file:str}",
    summary="All exposures of a flag, as CSV or JSON lines",
    tags=["Export"],
    scope="read",
    downloadable=True,
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
    raw: Annotated[bool, QueryParameter(description="do not escape formulas")] = False,
) -> _File:
    """Newest day first."""
    flag, form = _name_and_form(file)
    days = days_between(first, last, day_of(now()))
    await exposures.flush()
    return await _file(
        actor, exports, now(), ExposuresRequest(flag=flag, days=days, form=form, variant=variant, raw=raw)
    )


def _name_and_form(file: str) -> tuple[str, Form]:
    name, _, ending = file.rpartition(".")
    form = next((form for form in get_args(Form) if form == ending), None)
    if form is None:
        raise NotFound("NOT_FOUND", f"There is no export {file!r}; end the key with .csv or .jsonl.")
    return name, form


async def _file(actor: Actor, exports: Exports, now: Instant, wanted: SegmentRequest | ExposuresRequest) -> _File:
    export = await exports.open(actor.environment_id, wanted, now)
    headers = {
        "Content-Disposition": f'attachment; filename="{export.name}"',
        "X-As-Of": iso(export.as_of),
        "Cache-Control": "no-store",
    }
    return _File(export, media_type=_MEDIA[wanted.form], headers=headers)


ROUTES = [export_segment, list_exports, export_exposures]

#: The link has a signature of its own.
OPEN_ROUTES = [download_export]
