"""The route of a trait's values.

Shape   GET /v1/admin/traits/{key}/distribution: how they are spread over people now
Errors  404 NOT_FOUND · 400 INVALID_REQUEST, PREVIEW_TOO_LONG · 429 PREVIEWS_BUSY
Source  docs/reference/profiles.md "The values of a trait"
"""

from typing import Annotated

from litestar import get
from litestar.params import FromPath, QueryParameter

from tinycdp.api.http.encoding import as_schema
from tinycdp.api.http.parts import Injected
from tinycdp.api.time_travel.schemas import Distribution
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.time_travel.distribution import MOST_SAMPLED, SAMPLE, distribution
from tinycdp.runtime.time_travel.preview import Previews


@get(
    "/v1/admin/traits/{name:str}/distribution",
    summary="How the values of a trait are spread over people now",
    tags=["Definitions"],
    scope="read",
)
async def get_distribution(
    environment: Injected[Environment],
    catalogs: Injected[Catalogs],
    previews: Injected[Previews],
    name: FromPath[str],
    sample: Annotated[int, QueryParameter(ge=1, le=MOST_SAMPLED, description="most profiles to evaluate")] = SAMPLE,
) -> Distribution:
    return as_schema(await distribution(environment, catalogs, previews, name, sample), Distribution)


ROUTES = [get_distribution]
