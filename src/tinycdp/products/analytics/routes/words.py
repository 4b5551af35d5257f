"""Ask in words.

Shape   POST /v1/analytics/ask takes a text, and answers with the question that it became
Errors  400 INVALID_QUESTION, and those of a question that is run
Source  docs/how-to/ask.md
"""

from collections.abc import Sequence

from litestar import post
from litestar.params import JSONBody

from tinycdp.api.http.parts import Injected
from tinycdp.products.analytics.routes.queries import QueryId
from tinycdp.products.analytics.routes.schemas import Alternative, AskedInWords, Span, Words
from tinycdp.products.analytics.service.answering import Analytics
from tinycdp.products.analytics.service.asking import Asked, ask_in_words
from tinycdp.products.analytics.words.sentence import in_words
from tinycdp.products.analytics.words.state import Understood
from tinycdp.runtime.environment import Environment


@post(
    "/v1/analytics/ask",
    status_code=200,
    summary="Ask a question in words",
    tags=["Analytics"],
    scope="read",
    example={"text": "purchases by platform last week", "run": False},
)
async def ask_words(
    environment: Injected[Environment], analytics: Injected[Analytics], data: JSONBody[Words], id: QueryId = ""
) -> AskedInWords:
    return asked_in_words(data.text, await ask_in_words(analytics, environment, data.text, run=data.run, id=id))


def asked_in_words(text: str, asked: Asked) -> AskedInWords:
    """What a text was understood as, for clients."""
    found = asked.understanding

    def spans(of: Sequence[Understood]) -> tuple[Span, ...]:
        return tuple(Span(one.start, one.end, text[one.start : one.end], one.meaning) for one in of)

    return AskedInWords(
        question=found.question,
        text=in_words(found.question) if found.question is not None else "",
        understood=spans(found.understood),
        ignored=spans(found.ignored),
        assumed=found.assumed,
        alternatives=tuple(Alternative(one, in_words(one)) for one in found.alternatives),
        missing=found.missing,
        answer=asked.answer,
    )


ROUTES = [ask_words]
