"""SQL over the views of an environment, for those who want it.

Shape   POST /v1/analytics/sql answers rows with the types of their columns, or a file with all rows
Laws    read-only. A client that hangs up cancels its statement
Errors  400 SQL_REFUSED, SQL_FAILED, TIMED_OUT, OUT_OF_MEMORY · 429 ANALYTICS_BUSY · 503 ANALYTICS_AWAY
Source  docs/reference/analytics-sql.md
"""

from litestar import post
from litestar.params import JSONBody
from litestar.response.base import ASGIResponse

from tinycdp.api.http.encoding import encode
from tinycdp.api.http.parts import Injected
from tinycdp.products.analytics.routes.responses import MEDIA, file_of, first_part
from tinycdp.products.analytics.routes.schemas import SqlAnswer, SqlRequest
from tinycdp.products.analytics.service.files import FORMATS
from tinycdp.products.analytics.service.sql import Sql
from tinycdp.runtime.environment import Environment
from tinycdp.times import iso


@post(
    "/v1/analytics/sql",
    status_code=200,
    summary="Run a SELECT over the views of the environment",
    tags=["Analytics"],
    scope="read",
    media=("application/json", *(MEDIA[form] for form in FORMATS)),
    answer=SqlAnswer,
    example={"sql": "SELECT name, count() AS n FROM events GROUP BY name ORDER BY n DESC", "format": "json"},
)
async def run_sql(
    environment: Injected[Environment], analytics_sql: Injected[Sql], data: JSONBody[SqlRequest]
) -> ASGIResponse:
    """An answer in JSON has at most 10,000 rows; a file has all."""
    if data.format == "json":
        found = await analytics_sql.rows(environment, data.sql, data.parameters, data.id)
        columns = [{"name": name, "type": kind} for name, kind in found.columns]
        body = {"asOf": iso(found.as_of), "columns": columns, "rows": found.rows, "more": found.more}
        return ASGIResponse(body=encode(body), media_type="application/json")
    as_of, parts = await analytics_sql.file(environment, data.sql, data.parameters, FORMATS[data.format], data.id)
    return file_of(await first_part(parts), f"sql.{data.format}", iso(as_of))


ROUTES = [run_sql]
