"""What was not stored: the log of rejections with its counts, and dead letters.

Shape   rejections are looked at; dead letters are looked at, replayed and discarded
Errors  404 NOT_FOUND for a dead letter that is not there · 400 INVALID_BODY
Source  docs/reference/admin.md; docs/guide/operating.md "Dead letters"
"""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.params import FromPath, QueryParameter

from tinycdp.api.http.auth import Bearer
from tinycdp.api.http.exchange import LAST_ID, Before, Limit, answer, read_as, read_json, readable
from tinycdp.api.http.openapi import takes
from tinycdp.errors import InvalidInput, NotFound
from tinycdp.runtime import deadletters, rejections
from tinycdp.runtime.deadletters import Letters, Replayed, WholeLetter
from tinycdp.runtime.rejections import HourCount, Refusals
from tinycdp.runtime.service import Service

_LARGEST_KEY = 2**31 - 1
_MOST_HOURS = 400 * 24

Code = Annotated[str | None, QueryParameter(description="only those with this code")]


class Counts(msgspec.Struct):
    """Newest hour first, at most 10,000 lines."""

    counts: list[HourCount]


class Choice(msgspec.Struct, forbid_unknown_fields=True):
    """ids: these letters, at most 1,000. code: all with this code. after: as `next` of the answer before."""

    ids: list[str] | None = None
    code: str | None = None
    after: str = "0"


class Discarded(msgspec.Struct):
    discarded: int


@get(
    "/v1/admin/rejections",
    operation_id="listRejections",
    summary="Messages that were refused, newest first, and why",
    tags=["Operation"],
    scope="admin",
    answer=Refusals,
    guards=[readable],
)
async def list_rejections(
    request: Request[Any, Any, Any],
    key: Bearer,
    code: Code = None,
    key_id: Annotated[
        int | None, QueryParameter(name="keyId", ge=1, le=_LARGEST_KEY, description="only of this key")
    ] = None,
    before: Before = LAST_ID,
    limit: Limit = 50,
) -> Response[bytes]:
    """They are kept for 30 days, each once: a message that is sent again is counted."""
    service: Service = request.app.state.service
    return answer(await rejections.page(service.pool, key.environment_id, before, code, key_id, limit))


@get(
    "/v1/admin/rejections/counts",
    operation_id="countRejections",
    summary="How many messages were refused, by hour, key and code",
    tags=["Operation"],
    scope="admin",
    answer=Counts,
)
async def count_rejections(
    request: Request[Any, Any, Any],
    key: Bearer,
    hours: Annotated[int, QueryParameter(ge=1, le=_MOST_HOURS, description="so many, back from now")] = 24,
) -> Response[bytes]:
    """They are kept for 400 days."""
    service: Service = request.app.state.service
    return answer(Counts(await rejections.counts(service.pool, key.environment_id, hours, service.now())))


@get(
    "/v1/admin/dead-letters",
    operation_id="listDeadLetters",
    summary="Messages that were taken and could not be stored, newest first",
    tags=["Operation"],
    scope="admin",
    answer=Letters,
    guards=[readable],
)
async def list_dead_letters(
    request: Request[Any, Any, Any],
    key: Bearer,
    code: Code = None,
    before: Before = LAST_ID,
    limit: Limit = 50,
) -> Response[bytes]:
    service: Service = request.app.state.service
    return answer(await deadletters.page(service.pool, key.environment_id, before, code, limit))


@get(
    "/v1/admin/dead-letters/{id:int}",
    operation_id="getDeadLetter",
    summary="One of them, with the message",
    tags=["Operation"],
    scope="admin",
    answer=WholeLetter,
)
async def get_dead_letter(request: Request[Any, Any, Any], key: Bearer, id: FromPath[int]) -> Response[bytes]:
    service: Service = request.app.state.service
    return answer(await deadletters.find(service.pool, key.environment_id, _storable(id)))


@post(
    "/v1/admin/dead-letters/replay",
    status_code=200,
    operation_id="replayDeadLetters",
    summary="Try to store them again, by the ordinary path",
    tags=["Operation"],
    scope="admin",
    dependencies=takes(Choice),
    answer=Replayed,
    example={"code": "INTERNAL"},
)
async def replay_dead_letters(request: Request[Any, Any, Any], key: Bearer) -> Response[bytes]:
    """Oldest first, 1,000 at once; without `ids` and `code` all of them. Repeating is harmless: an id counts once."""
    service: Service = request.app.state.service
    wanted = read_as(await read_json(request), Choice)
    (after,) = _ids([wanted.after])
    ids = _ids(wanted.ids) if wanted.ids is not None else None
    how = (service.pool, service.ingest, service.door.admit)
    return answer(await deadletters.replay(*how, key.environment_id, ids, wanted.code, after))


@post(
    "/v1/admin/dead-letters/discard",
    status_code=200,
    operation_id="discardDeadLetters",
    summary="Throw them away: those of `ids`, or all of `code`",
    tags=["Operation"],
    scope="admin",
    dependencies=takes(Choice),
    answer=Discarded,
    example={"code": "UNSTORABLE"},
)
async def discard_dead_letters(request: Request[Any, Any, Any], key: Bearer) -> Response[bytes]:
    service: Service = request.app.state.service
    wanted = read_as(await read_json(request), Choice)
    if wanted.ids is None and wanted.code is None:
        raise InvalidInput("INVALID_BODY", "Say which: `ids`, or a `code`.")
    ids = _ids(wanted.ids) if wanted.ids is not None else None
    return answer(Discarded(await deadletters.discard(service.pool, key.environment_id, ids, wanted.code)))


@delete(
    "/v1/admin/dead-letters/{id:int}",
    status_code=204,
    operation_id="discardDeadLetter",
    summary="Throw one away",
    tags=["Operation"],
    scope="admin",
)
async def discard_dead_letter(request: Request[Any, Any, Any], key: Bearer, id: FromPath[int]) -> None:
    service: Service = request.app.state.service
    if not await deadletters.discard(service.pool, key.environment_id, [_storable(id)], None):
        raise NotFound("NOT_FOUND", "There is no such dead letter: it was stored or discarded.")


def _ids(texts: list[str]) -> list[int]:
    if len(texts) > deadletters.MOST_AT_ONCE:
        raise InvalidInput("INVALID_BODY", f"$.ids: at most {deadletters.MOST_AT_ONCE:,} at once.", path="$.ids")
    if not all(text.isascii() and text.isdigit() and len(text) < 19 for text in texts):
        raise InvalidInput("INVALID_BODY", "Ids are what the list gives: digits in a text.")
    return [int(text) for text in texts]


def _storable(id: int) -> int:
    if not 0 < id < LAST_ID:
        raise NotFound("NOT_FOUND", "There is no such dead letter: it was stored or discarded.")
    return id


ROUTES = [
    list_rejections,
    count_rejections,
    list_dead_letters,
    get_dead_letter,
    replay_dead_letters,
    discard_dead_letters,
    discard_dead_letter,
]
