"""Parameters that the plain routes of analytics share.

Shape   From, To, Last: the range · range_of(since, until, last) → its fields in a question
"""

from typing import Annotated, Any

from litestar.params import QueryParameter

EventName = Annotated[str, QueryParameter(description="the name of an event, * for every track, page and screen")]
Where = Annotated[str, QueryParameter(description="a condition over the event, in the language of segments")]
People = Annotated[str, QueryParameter(description="a condition over people as of now, in the language of segments")]
From = Annotated[str, QueryParameter(name="from", description="the first local day, or instant")]
To = Annotated[str, QueryParameter(name="to", description="the end, not included; a local day or instant")]
Last = Annotated[str, QueryParameter(description="instead of from and to: 24h, 30d, 8w or 12m, today included")]

#: The range of a request that names none.
USUAL_RANGE = "30d"


def range_of(since: str, until: str, last: str) -> dict[str, Any]:
    """The range as fields of a question; the last 30 days, today included, if none is given."""
    if not (since or until or last):
        last = USUAL_RANGE
    return {"from_": since, "to": until, "last": last}
