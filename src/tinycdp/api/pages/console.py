"""The addresses of the console: one page answers them, and shows what they name.

Laws    only the console's own first segments, for GET and HEAD: every other address stays an error of the API in JSON
Source  docs/decisions/0043-pages.md
"""

import asyncio

from litestar import HttpMethod, Response, route

from tinycdp.api.pages.routes import page

#: The first segments of the console's addresses: src/console/app/routes.ts.
SEGMENTS = (
    "live",
    "new",
    "users",
    "traits",
    "segments",
    "flags",
    "insights",
    "dashboards",
    "experiments",
    "keys",
    "settings",
    "registry",
    "quality",
    "changes",
    "groups",
    "identity",
    "privacy",
    "imports",
    "exports",
    "destinations",
    "syncs",
    "audit",
)

_PATHS = [path for segment in SEGMENTS for path in (f"/{segment}", f"/{segment}/{{name:str}}")]


@route(_PATHS, http_method=[HttpMethod.GET, HttpMethod.HEAD], include_in_schema=False)
async def console() -> Response[bytes]:
    return await asyncio.to_thread(page, "console.html")  # it reads a file


ROUTES = [console]
