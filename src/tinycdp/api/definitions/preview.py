"""What a change would do, before it is made.

Shape   POST /v1/admin/preview takes changes as /v1/admin/publish does
Laws    nothing is saved. A change with an error is refused as a publish of it would be; warnings come along
Errors  400 with every diagnostic, PREVIEW_TOO_LONG · 404 EVENTS_DROPPED · 429 PREVIEWS_BUSY
Source  docs/reference/admin.md "Preview"
"""

from typing import Any, Literal

import msgspec
from litestar import Request, Response, post

from tinycdp.api.decisions.replay import instant_of
from tinycdp.api.definitions.lifecycle import ChangeBody, read_changes
from tinycdp.api.http.auth import Bearer
from tinycdp.api.http.exchange import answer, read_as, read_json
from tinycdp.api.http.openapi import takes
from tinycdp.errors import InvalidInput
from tinycdp.runtime.preview import MOST_EXAMPLES, SAMPLE, Preview, Question
from tinycdp.runtime.service import Service


class PreviewBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """changes  as /v1/admin/publish takes them
    prune     delete every definition that is not named
    at        a past instant, ISO 8601 with a zone; now if left out
    sample    how many profiles to look at, or "all"
    context   what `context.…` in flags' rules reads
    examples  at most so many people of each kind"""

    changes: list[ChangeBody]
    prune: bool = False
    at: str | None = None
    sample: int | Literal["all"] = SAMPLE
    context: dict[str, Any] = {}
    examples: int = 20


@post(
    "/v1/admin/preview",
    status_code=200,
    operation_id="preview",
    summary="Who would enter, leave and be served otherwise, if changes were published",
    tags=["Definitions"],
    scope="admin",
    dependencies=takes(PreviewBody),
    answer=Preview,
    example={
        "changes": [{"kind": "segment", "key": "regulars", "document": {"rule": "orders_90d >= 5"}}],
        "examples": 3,
    },
)
async def preview(request: Request[Any, Any, Any], key: Bearer) -> Response[bytes]:
    service: Service = request.app.state.service
    body = read_as(await read_json(request), PreviewBody)
    if not 0 <= body.examples <= MOST_EXAMPLES:
        raise InvalidInput("INVALID_REQUEST", f"$.examples: 0 to {MOST_EXAMPLES}.", path="$.examples")
    if body.sample != "all" and not 1 <= body.sample < 2**31:
        raise InvalidInput("INVALID_REQUEST", '$.sample: a number of profiles, or "all".', path="$.sample")
    now = service.now()
    question = Question(
        read_changes(body.changes),
        body.prune,
        instant_of(body.at, now, "$.at") if body.at is not None else None,
        None if body.sample == "all" else body.sample,
        body.context,
        body.examples,
    )
    return answer(await service.previews.of(key.environment_id, question, now))


ROUTES = [preview]
