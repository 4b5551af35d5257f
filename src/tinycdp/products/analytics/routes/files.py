"""Answers and raw events as files.

Shape   POST /v1/analytics/export {question, format} · GET /v1/analytics/events.csv, .jsonl, .parquet
Laws    streamed, without a limit on rows. `X-Row-Count` says how many there are before the first of them.
        A client that hangs up cancels its statement
Errors  those of a question · 501 ANALYTICS_MISSING where a package of the format is not installed
Source  docs/reference/analytics-files.md
"""

from collections.abc import Callable, Sequence
from typing import Annotated, get_args

from litestar import get, post
from litestar.handlers import BaseRouteHandler
from litestar.params import JSONBody, QueryParameter

from tinycdp.api.http.parts import Injected
from tinycdp.products.analytics.questions.schemas import RawEventsQuestion
from tinycdp.products.analytics.routes.params import EventName, From, Last, People, To, Where, range_of
from tinycdp.products.analytics.routes.responses import MEDIA, FileResponse, file_of, first_part
from tinycdp.products.analytics.routes.schemas import ExportRequest
from tinycdp.products.analytics.service.answering import Analytics
from tinycdp.products.analytics.service.files import AnswerFormat, EventFormat, File, Files
from tinycdp.runtime.environment import Environment

_TAGS = ["Analytics"]


@post(
    "/v1/analytics/export",
    status_code=200,
    summary="The answer to a question, as a file",
    tags=_TAGS,
    scope="read",
    media=tuple(MEDIA[form] for form in get_args(AnswerFormat)),
    example={
        "question": {"kind": "trend", "last": "30d", "series": [{"event": "purchase"}]},
        "format": "xlsx",
    },
)
async def export_answer(
    environment: Injected[Environment], analytics: Injected[Analytics], data: JSONBody[ExportRequest]
) -> FileResponse:
    """CSV, Excel and Parquet have one flat table; JSON is the answer itself; PNG is a chart of it.

    `X-Row-Count` is the number of rows of the table, `X-As-Of` the instant of which they are true."""
    return await _response(await Files(analytics).answer(environment, data.question, data.format, data.id))


def _events_route(form: EventFormat) -> BaseRouteHandler:
    """The route of raw events in one format."""

    async def export_events(
        environment: Injected[Environment],
        analytics: Injected[Analytics],
        event: EventName = "*",
        where: Where = "",
        people: People = "",
        since: From = "",
        until: To = "",
        last: Last = "",
        raw: Annotated[bool, QueryParameter(description="do not escape formulas")] = False,
    ) -> FileResponse:
        """In the order of time. `X-Row-Count` is the number of rows, `X-As-Of` the instant of which they are true."""
        asked = RawEventsQuestion(event=event, where=where, people=people, **range_of(since, until, last))
        return await _response(await Files(analytics).events(environment, asked, form, raw=raw))

    make: Callable[..., BaseRouteHandler] = get(
        f"/v1/analytics/events.{form}",
        operation_id=f"exportEventsAs{form.capitalize()}",
        summary=f"Raw events, as {_NAMES[form]}",
        tags=_TAGS,
        scope="read",
        downloadable=True,
        media=(MEDIA[form],),
    )
    return make(export_events)


_NAMES: dict[EventFormat, str] = {"csv": "CSV", "jsonl": "JSON lines", "parquet": "Parquet"}


async def _response(file: File) -> FileResponse:
    return file_of(await first_part(file.parts), file.name, file.as_of, file.rows)


ROUTES: Sequence[BaseRouteHandler] = [export_answer, *map(_events_route, _NAMES)]
