"""Routes of exports: create, list, follow, cancel, and open their files.

Laws    a file is sent as it is, whole or a part of it. Its name and its type are the server's, and no browser runs it
Errors  400 INVALID_REQUEST · 403 INVALID_DOWNLOAD_LINK, MISSING_SCOPE · 404 EXPORT_NOT_FOUND, EXPORT_FILE_GONE ·
        409 EXPORT_NOT_DONE · 416 RANGE_NOT_SATISFIABLE · 429 EXPORTS_BUSY · 503 EXPORT_STORAGE_FAILED
Source  docs/reference/exports.md
"""

import re
from typing import Annotated

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody, PathParameter
from litestar.response.streaming import ASGIStreamingResponse

from tinycdp.api.http import auth
from tinycdp.api.http.params import LAST_ID, Before, Limit
from tinycdp.api.http.parts import Injected
from tinycdp.api.http.requests import ExactRequest, host_of, scheme_of
from tinycdp.errors import InvalidInput
from tinycdp.model import HOUR_MS
from tinycdp.products.exports import service
from tinycdp.products.exports.routes.schemas import (
    ExportFault,
    ExportJob,
    ExportLink,
    ExportList,
    LinkBody,
)
from tinycdp.products.exports.schemas import ExportBody
from tinycdp.products.exports.service import ExportedFile, ExportJobs
from tinycdp.products.exports.store import ExportRow
from tinycdp.runtime.access import download_links
from tinycdp.runtime.access.actor import Actor
from tinycdp.runtime.access.keys import Keyring
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.transfer.writers import MEDIA
from tinycdp.store.database.pool import Pool
from tinycdp.times import iso, iso_or_none

TAGS = ["Export"]
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})\Z", re.ASCII)
#: A file is data: whatever a client wrote into it, no browser shows it as a page of this server.
_SAFE = {
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class UnsatisfiableRange(InvalidInput):
    """No byte of the file is in the range."""

    status = 416


@post(
    "/v1/exports",
    status_code=202,
    summary="Start an export of a segment, of profiles or of events",
    tags=TAGS,
    scope="read",
    example={"what": "segment", "segment": "power_users", "format": "csv"},
)
async def create_export(
    actor: Injected[Actor], environment: Injected[Environment], data: JSONBody[ExportBody]
) -> ExportJob:
    """The worker writes it; its progress is at `GET /v1/exports/{id}`."""
    return job_of(await service.create(environment, data, actor.name, actor.key_id), None)


@get("/v1/exports", summary="List exports, newest first", tags=TAGS, scope="read")
async def list_export_jobs(
    environment: Injected[Environment], before: Before = LAST_ID, limit: Limit = 50
) -> ExportList:
    """What became of an export is listed for 90 days, its file is kept for less."""
    rows = await service.listed(environment, before, limit)
    keys = await service.keys_of_schedules(environment, rows)
    found = [job_of(row, keys.get(row.schedule_id or 0)) for row in rows]
    return ExportList(found, found[-1].id if len(found) == limit else None)


@get("/v1/exports/{id:int}", summary="The progress of an export", tags=TAGS, scope="read")
async def get_export(environment: Injected[Environment], id: FromPath[int]) -> ExportJob:
    return await _shown(environment, await service.find(environment, id))


@delete(
    "/v1/exports/{id:int}",
    status_code=200,
    summary="Cancel an export, or remove its file",
    tags=TAGS,
    scope="read",
)
async def end_export(actor: Injected[Actor], environment: Injected[Environment], id: FromPath[int]) -> ExportJob:
    """An export of another key, or of a schedule, needs the scope `admin`."""
    if (await service.find(environment, id)).key_id != actor.key_id:
        auth.allow(actor, "admin")
    return await _shown(environment, await service.end(environment, id, actor.name))


@post(
    "/v1/exports/{id:int}/link",
    status_code=201,
    summary="Create a link that opens the file without a key",
    tags=TAGS,
    scope="read",
    example={"hours": 24},
)
async def create_export_link(
    request: ExactRequest,
    actor: Injected[Actor],
    environment: Injected[Environment],
    export_jobs: Injected[ExportJobs],
    keyring: Injected[Keyring],
    id: FromPath[int],
    data: JSONBody[LinkBody] = LinkBody(),
) -> ExportLink:
    """It opens the file as often as one likes, until it expires, the file is removed, or the key is revoked."""
    found = await service.file_of(export_jobs, environment, id)
    until = min(environment.now() + data.hours * HOUR_MS, found.row.expires_at or LAST_ID)
    token = download_links.EXPORTS.issue(keyring, download_links.ExportLink(actor.key_id, until, id))
    return ExportLink(f"{scheme_of(request)}://{host_of(request)}/v1/exports/download/{token}", iso(until))


@get(
    "/v1/exports/{id:int}/file",
    summary="The file of an export",
    tags=TAGS,
    scope="read",
    downloadable=True,
    media=tuple(MEDIA.values()),
)
async def get_export_file(
    request: ExactRequest,
    environment: Injected[Environment],
    export_jobs: Injected[ExportJobs],
    id: FromPath[int],
) -> ASGIStreamingResponse:
    """`Range` with one range of bytes answers with that part."""
    return _sent(request, export_jobs, await service.file_of(export_jobs, environment, id))


@get(
    "/v1/exports/download/{token:str}",
    summary="The file of a link",
    tags=TAGS,
    media=tuple(MEDIA.values()),
)
async def open_export_link(
    request: ExactRequest,
    export_jobs: Injected[ExportJobs],
    keyring: Injected[Keyring],
    pool: Injected[Pool],
    now: Injected[Clock],
    token: Annotated[str, PathParameter(description="the end of a `url`")],
) -> ASGIStreamingResponse:
    """`Range` with one range of bytes answers with that part, so that a download can be continued."""
    link, key = download_links.EXPORTS.redeem(keyring, token, now())
    auth.admit_from(request, key, "read")
    auth.allow(key, "read")
    environment = Environment(key.environment_id, pool, now)
    return _sent(request, export_jobs, await service.file_of(export_jobs, environment, link.export_id))


def _sent(request: ExactRequest, jobs: ExportJobs, file: ExportedFile) -> ASGIStreamingResponse:
    row, size = file.row, file.size
    tag = f'"{row.id}-{row.attempt}-{size}"'
    start, end = 0, size
    asked = request.headers.get("range")
    is_part = asked is not None and request.headers.get("if-range", tag) == tag
    if is_part and asked is not None:
        found = _range_of(asked, size)
        is_part = found is not None
        start, end = found or (0, size)
    headers = {
        **_SAFE,
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'attachment; filename="{row.name}"',
        "Content-Length": str(end - start),
        "ETag": tag,
        "X-As-Of": iso(row.as_of or 0),
        "X-Row-Count": str(row.rows),
    }
    if is_part:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return ASGIStreamingResponse(
        iterator=jobs.storage.read(row.place, start, end),
        status_code=206 if is_part else 200,
        media_type=next(media for form, media in MEDIA.items() if form == row.format),
        headers=headers,
    )


def _range_of(asked: str, size: int) -> tuple[int, int] | None:
    """The bytes that a header Range names; None for what is no single range of bytes, which is ignored."""
    found = _RANGE.match(asked.strip())
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= size or (not first and int(last) == 0):
        raise UnsatisfiableRange(
            "RANGE_NOT_SATISFIABLE", f"The file has {size:,} bytes; {asked[:60]!r} has none of them."
        )
    return start, end


async def _shown(environment: Environment, row: ExportRow) -> ExportJob:
    keys = await service.keys_of_schedules(environment, [row])
    return job_of(row, keys.get(row.schedule_id or 0))


def job_of(row: ExportRow, schedule: str | None) -> ExportJob:
    """An export as it is answered. schedule: the key of its schedule"""
    is_there = row.status == "done"
    return ExportJob(
        id=row.id,
        status=row.status,  # type: ignore[arg-type]
        name=row.name,
        format=row.format,  # type: ignore[arg-type]
        request=msgspec.convert(row.request, ExportBody),
        rows=row.rows,
        total=row.total,
        share=row.share,
        size=row.size,
        as_of=iso_or_none(row.as_of),
        author=row.author,
        schedule=schedule,
        created_at=iso(row.created_at),
        started_at=iso_or_none(row.started_at),
        finished_at=iso_or_none(row.finished_at),
        expires_at=iso_or_none(row.expires_at) if is_there else None,
        note=row.note,
        error=ExportFault(row.code, row.error or "") if row.code is not None else None,
    )


ROUTES = [create_export, list_export_jobs, get_export, end_export, create_export_link, get_export_file]
