"""Routes of dead letters: messages that were accepted and could not be stored.

Errors  404 NOT_FOUND for an unknown dead letter · 400 INVALID_BODY
Source  docs/reference/rejections.md
"""

from litestar import delete, get, post
from litestar.params import FromPath, JSONBody

from tinycdp.api.http.encoding import as_schema
from tinycdp.api.http.params import LAST_ID, Before, DryRun, Limit
from tinycdp.api.http.parts import Injected
from tinycdp.api.ingest.rejections import Code
from tinycdp.api.ingest.schemas import Choice, DiscardBody, Discarded, Letters, Replayed, WholeLetter
from tinycdp.errors import InvalidInput, NotFound
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.ingest import dead_letters
from tinycdp.runtime.ingest.group_commit import Ingest
from tinycdp.runtime.ingest.pipeline import Pipeline


@get(
    "/v1/admin/dead-letters",
    summary="Messages that were accepted and could not be stored, newest first",
    tags=["Operation"],
    scope="admin",
)
async def list_dead_letters(
    environment: Injected[Environment], code: Code = None, before: Before = LAST_ID, limit: Limit = 50
) -> Letters:
    return as_schema(await dead_letters.page(environment, before, code, limit), Letters)


@get(
    "/v1/admin/dead-letters/{id:int}",
    summary="A dead letter with its message",
    tags=["Operation"],
    scope="admin",
)
async def get_dead_letter(environment: Injected[Environment], id: FromPath[int]) -> WholeLetter:
    return as_schema(await dead_letters.find(environment, _storable(id)), WholeLetter)


@post(
    "/v1/admin/dead-letters/replay",
    status_code=200,
    summary="Try to store dead letters again",
    tags=["Operation"],
    scope="admin",
    example={"code": "INTERNAL"},
)
async def replay_dead_letters(
    environment: Injected[Environment], ingest: Injected[Ingest], pipeline: Injected[Pipeline], data: JSONBody[Choice]
) -> Replayed:
    """Oldest first, 1,000 at once; without `ids` and `code` all.

    Repeating is harmless: a message id counts once."""
    (after,) = _ids([data.after])
    ids = _ids(data.ids) if data.ids is not None else None
    found = await dead_letters.replay(environment, ingest, pipeline.admit, ids, data.code, after)
    return as_schema(found, Replayed)


@post(
    "/v1/admin/dead-letters/discard",
    status_code=200,
    summary="Delete dead letters: those of `ids`, or all with a `code`",
    tags=["Operation"],
    scope="admin",
    example={"code": "UNSTORABLE"},
)
async def discard_dead_letters(environment: Injected[Environment], data: JSONBody[DiscardBody]) -> Discarded:
    if data.ids is None and data.code is None:
        raise InvalidInput("INVALID_BODY", "Give `ids` or a `code`.")
    ids = _ids(data.ids) if data.ids is not None else None
    discarded = await dead_letters.discard(environment, ids, data.code, dry_run=data.dry_run)
    return Discarded(discarded, data.dry_run)


@delete(
    "/v1/admin/dead-letters/{id:int}",
    status_code=200,
    summary="Delete a dead letter",
    tags=["Operation"],
    scope="admin",
)
async def discard_dead_letter(
    environment: Injected[Environment], id: FromPath[int], dry_run: DryRun = False
) -> Discarded:
    if not await dead_letters.discard(environment, [_storable(id)], None, dry_run=dry_run):
        raise NotFound("NOT_FOUND", "There is no such dead letter: it was stored or discarded.")
    return Discarded(1, dry_run)


def _ids(texts: list[str]) -> list[int]:
    if len(texts) > dead_letters.MOST_AT_ONCE:
        raise InvalidInput("INVALID_BODY", f"$.ids: at most {dead_letters.MOST_AT_ONCE:,} at once.", path="$.ids")
    if not all(text.isascii() and text.isdigit() and len(text) < 19 for text in texts):
        raise InvalidInput("INVALID_BODY", "$.ids: an id is a string of digits, as in the list.")
    return [int(text) for text in texts]


def _storable(id: int) -> int:
    if not 0 < id < LAST_ID:
        raise NotFound("NOT_FOUND", "There is no such dead letter: it was stored or discarded.")
    return id


ROUTES = [
    list_dead_letters,
    get_dead_letter,
    replay_dead_letters,
    discard_dead_letters,
    discard_dead_letter,
]
