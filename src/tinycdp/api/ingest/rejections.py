"""Routes of the log of rejected messages, and of its counts.

Source  docs/reference/rejections.md
"""

from typing import Annotated

from litestar import get
from litestar.params import QueryParameter

from tinycdp.api.http.encoding import as_schema
from tinycdp.api.http.params import LAST_ID, Before, Limit
from tinycdp.api.http.parts import Injected
from tinycdp.api.ingest.schemas import HourCount, RejectionCounts, Rejections
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.policies import rejections

_LARGEST_KEY = 2**31 - 1
_MOST_HOURS = 400 * 24

Code = Annotated[str | None, QueryParameter(description="only those with this code")]


@get(
    "/v1/admin/rejections",
    summary="Rejected messages and why, newest first",
    tags=["Operation"],
    scope="admin",
)
async def list_rejections(
    environment: Injected[Environment],
    code: Code = None,
    key_id: Annotated[
        int | None, QueryParameter(name="keyId", ge=1, le=_LARGEST_KEY, description="only of this key")
    ] = None,
    before: Before = LAST_ID,
    limit: Limit = 50,
) -> Rejections:
    """Entries are kept for 30 days. A message that is sent again is counted on its entry."""
    found = await rejections.page(environment, before, code, key_id, limit)
    return as_schema(found, Rejections)


@get(
    "/v1/admin/rejections/counts",
    summary="How many messages were rejected, by hour, key and code",
    tags=["Operation"],
    scope="admin",
)
async def count_rejections(
    environment: Injected[Environment],
    hours: Annotated[int, QueryParameter(ge=1, le=_MOST_HOURS, description="hours back from now")] = 24,
) -> RejectionCounts:
    """Counts are kept for 400 days."""
    found = await rejections.counts(environment, hours)
    return RejectionCounts(as_schema(found, list[HourCount]))


ROUTES = [list_rejections, count_rejections]
