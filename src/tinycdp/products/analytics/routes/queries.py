"""Ask a question, and cancel one.

Shape   POST /v1/analytics/query takes a question of any kind; `kind` says which
Laws    a client that hangs up cancels its question
Errors  400 INVALID_QUESTION with the path of the field, TIMED_OUT, OUT_OF_MEMORY · 404 QUESTION_NOT_FOUND ·
        429 ANALYTICS_BUSY · 503 ANALYTICS_AWAY, ANALYTICS_FILLING
Source  docs/reference/analytics.md
"""

from typing import Annotated

from litestar import delete, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from tinycdp.api.http.parts import Injected
from tinycdp.errors import NotFound
from tinycdp.products.analytics.answers.schemas import Answer
from tinycdp.products.analytics.questions.schemas import Question
from tinycdp.products.analytics.routes.schemas import Lag
from tinycdp.products.analytics.service.answering import Analytics
from tinycdp.runtime.environment import Environment

_TAGS = ["Analytics"]

QueryId = Annotated[
    str, QueryParameter(description="a name of your choice for the running question, by which it can be cancelled")
]


@post(
    "/v1/analytics/query",
    status_code=200,
    summary="Ask a question",
    tags=_TAGS,
    scope="read",
    example={"kind": "trend", "last": "30d", "series": [{"event": "purchase", "measure": "people"}]},
)
async def ask_question(
    environment: Injected[Environment], analytics: Injected[Analytics], data: JSONBody[Question], id: QueryId = ""
) -> Answer:
    return await analytics.answer(environment, data, id)


@delete(
    "/v1/analytics/queries/{id:str}", status_code=204, summary="Cancel a running question", tags=_TAGS, scope="read"
)
async def cancel_question(
    environment: Injected[Environment], analytics: Injected[Analytics], id: FromPath[str]
) -> None:
    if not await analytics.cancel(environment, id):
        raise NotFound("QUESTION_NOT_FOUND", f"No question {id!r} is running.")


@get("/v1/analytics/lag", summary="How far the copy of events is behind", tags=_TAGS, scope="read")
async def get_lag(environment: Injected[Environment], analytics: Injected[Analytics]) -> Lag:
    found = await analytics.lag(environment)
    return Lag("filling") if found is None else Lag("following", found.rows, found.seconds)


ROUTES = [ask_question, cancel_question, get_lag]
