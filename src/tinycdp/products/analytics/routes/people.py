"""The people behind a number of an answer.

Shape   POST /v1/analytics/people {question, cell, limit, after}
Errors  those of a question, with the path in the cell
Source  docs/reference/analytics.md "People"
"""

from litestar import post
from litestar.params import JSONBody

from tinycdp.api.http.encoding import as_schema
from tinycdp.api.http.parts import Injected
from tinycdp.api.profiles.schemas import ProfileSummary
from tinycdp.products.analytics.routes.schemas import PeopleBehind, PeopleBody
from tinycdp.products.analytics.service.answering import Analytics
from tinycdp.products.analytics.service.people import people_page
from tinycdp.runtime.environment import Environment
from tinycdp.times import iso


@post(
    "/v1/analytics/people",
    status_code=200,
    summary="The people behind a number",
    tags=["Analytics"],
    scope="read",
    example={
        "question": {"kind": "trend", "last": "30d", "series": [{"event": "purchase", "measure": "people"}]},
        "cell": {"kind": "trend", "series": "A"},
    },
)
async def list_people_behind(
    environment: Injected[Environment], analytics: Injected[Analytics], data: JSONBody[PeopleBody]
) -> PeopleBehind:
    """There are as many as the number says, if it counts people; behind another, such as sessions, are those who have
    them. The cell names the number as the answer does, and has the kind of the question."""
    page = await people_page(environment, analytics, data.question, data.cell, data.after, data.limit)
    people = [as_schema(one, ProfileSummary) for one in page.people]
    return PeopleBehind(iso(page.as_of), page.total, people, page.next)


ROUTES = [list_people_behind]
