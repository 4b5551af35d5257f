"""Plain questions with plain answers: counts, days, names, active people.

Shape   GET /v1/events/count, /v1/events/by-day, /v1/events/top, /v1/active; the same without /v1
Laws    each is a question of analytics with the same number. The range is the last 30 days if none is given.
        An unknown name is a warning with the nearest ones: in `warnings`, or in X-Warnings where the answer is a list
Errors  those of a question
Source  docs/reference/analytics-plain.md
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import msgspec
from litestar import get
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter

from tinycdp.api.http.parts import Injected
from tinycdp.api.http.responses import ExactResponse
from tinycdp.products.analytics.answers.schemas import ActiveAnswer, Notice, TrendAnswer
from tinycdp.products.analytics.questions.schemas import (
    ActiveQuestion,
    Bucket,
    RawEventsQuestion,
    Series,
    TrendQuestion,
)
from tinycdp.products.analytics.routes.params import EventName, From, Last, People, To, Where, range_of
from tinycdp.products.analytics.routes.schemas import ActivePeople, DayEvents, EventCount, NameCount
from tinycdp.products.analytics.service.answering import Analytics
from tinycdp.products.analytics.service.top import top_events
from tinycdp.runtime.environment import Environment

_TAGS = ["Analytics"]


async def count_events(
    environment: Injected[Environment],
    analytics: Injected[Analytics],
    event: EventName = "*",
    where: Where = "",
    people: People = "",
    since: From = "",
    until: To = "",
    last: Last = "",
) -> EventCount:
    asked = _trend(event, where, people, range_of(since, until, last), "year")
    answer = await _trend_answer(environment, analytics, asked)
    count, of_people = (int(line.total or 0) for line in answer.lines)
    return EventCount(count, of_people, answer.as_of, _of_one_series(answer))


async def count_events_by_day(
    environment: Injected[Environment],
    analytics: Injected[Analytics],
    event: EventName = "*",
    where: Where = "",
    people: People = "",
    since: From = "",
    until: To = "",
    last: Last = "",
) -> ExactResponse[list[DayEvents]]:
    """Every local day of the range that has begun, also those without events."""
    asked = _trend(event, where, people, range_of(since, until, last), "day")
    answer = await _trend_answer(environment, analytics, asked)
    days = [
        DayEvents(bucket.start[:10], int(value))
        for bucket, value in zip(answer.buckets, answer.lines[0].values, strict=True)
        if value is not None
    ]
    return _listed(days, answer.as_of, _of_one_series(answer))


async def list_top_events(
    environment: Injected[Environment],
    analytics: Injected[Analytics],
    people: People = "",
    since: From = "",
    until: To = "",
    last: Last = "",
    limit: Annotated[int, QueryParameter(ge=1, le=1000, description="most names")] = 10,
) -> ExactResponse[list[NameCount]]:
    """The names with the most events, ties in the order of names."""
    asked = RawEventsQuestion(people=people, **range_of(since, until, last))
    found = await top_events(environment, analytics, asked, limit)
    return _listed([NameCount(*row) for row in found.rows], found.as_of, found.notices)


async def count_active_people(
    environment: Injected[Environment],
    analytics: Injected[Analytics],
    days: Annotated[
        int, QueryParameter(ge=1, le=400, description="1 is daily, 7 weekly, 30 monthly active people")
    ] = 1,
    event: EventName = "*",
    where: Where = "",
    people: People = "",
) -> ActivePeople:
    asked = ActiveQuestion(last="1d", days=(days,), event=event, where=where, people=people)
    answer = await analytics.answer(environment, asked)
    assert isinstance(answer, ActiveAnswer)
    return ActivePeople(days, answer.lines[0].values[-1] or 0, answer.as_of, answer.warnings)


def _trend(event: str, where: str, people: str, range_: dict[str, str], bucket: Bucket) -> TrendQuestion:
    series = tuple(Series(event=event, where=where, measure=measure) for measure in ("count", "people"))
    return TrendQuestion(series=series, people=people, bucket=bucket, **range_)  # type: ignore[arg-type]


async def _trend_answer(environment: Environment, analytics: Analytics, asked: TrendQuestion) -> TrendAnswer:
    answer = await analytics.answer(environment, asked)
    assert isinstance(answer, TrendAnswer)
    return answer


def _of_one_series(answer: TrendAnswer) -> tuple[Notice, ...]:
    """The warnings; the two series of a plain question have the same."""
    said = {notice.message: Notice(notice.path.rpartition(".")[2], notice.message) for notice in answer.warnings}
    return tuple(said.values())


def _listed(rows: list[Any], as_of: str, warnings: Sequence[Notice]) -> ExactResponse[Any]:
    """A list, with what does not fit into it in the headers."""
    headers = {"X-As-Of": as_of}
    if warnings:
        # A header is ASCII; JSON's escapes are, too.
        text = msgspec.json.encode(warnings).decode()
        headers["X-Warnings"] = text.encode("ascii", "backslashreplace").decode()
    return ExactResponse(rows, headers=headers)


def plain(path: str, handler: Callable[..., Any], **options: Any) -> list[BaseRouteHandler]:
    """A route, and the same without /v1 for clients of the first source."""
    made = [get(path, tags=_TAGS, scope="read", **options)(handler)]
    return [*made, get(path.removeprefix("/v1"), include_in_schema=False, tags=_TAGS, scope="read", **options)(handler)]


ROUTES: Sequence[BaseRouteHandler] = [
    *plain("/v1/events/count", count_events, summary="How many events there are, and of how many people"),
    *plain("/v1/events/by-day", count_events_by_day, summary="How many events each local day has"),
    *plain("/v1/events/top", list_top_events, summary="The names with the most events"),
    *plain("/v1/active", count_active_people, summary="How many people were active in the last days"),
]
