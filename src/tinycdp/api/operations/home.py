"""The page at /: the console; and what this server is, and where to go.

Shape   a browser, which asks for text/html, gets the console, or this page if the console is not built; every other
        client the same as JSON
Laws    links are relative, so the page works behind a proxy that serves it under a path. It has no scripts and loads
        nothing
"""

import asyncio
from html import escape
from typing import Any

from litestar import Request, Response, get

from tinycdp.api.http.pages import PALETTE, html, policy_of
from tinycdp.api.http.responses import ExactResponse
from tinycdp.api.operations.schemas import Home
from tinycdp.api.pages.routes import is_built, page

#: Address in Home, its title, and what is there.
_LINKS = (
    ("docs", "HTTP reference", "every route, with an example to copy"),
    ("openapi", "OpenAPI document", "the same as data, for tools and generated clients"),
    ("health", "Health", "whether this process is running"),
    ("readiness", "Readiness", "whether it can do everything, the database included"),
    ("metrics", "Metrics", "counters for Prometheus"),
)


@get("/", summary="What this server is, and where to go", tags=["Operation"], answer=Home)
async def home(request: Request[Any, Any, Any]) -> Response[Any]:
    """A browser gets the same as a page."""
    vary = {"Vary": "Accept"}
    if "text/html" not in request.headers.get("accept", ""):
        return ExactResponse(Home(), headers=vary)
    if is_built("console.html"):
        answer = await asyncio.to_thread(page, "console.html")
        answer.headers.update(vary)
        return answer
    return html(_PAGE, _POLICY, vary)


_STYLE = f"""
{PALETTE}
body{{margin:0;font:16px/1.55 system-ui,sans-serif;color:var(--ink);background:var(--paper)}}
main{{max-width:38rem;margin:0 auto;padding:clamp(1.5rem,8vh,6rem) 1.25rem 3rem}}
h1{{margin:0;font-size:2rem;letter-spacing:-.02em}}h1 small{{font-size:1rem;font-weight:400;color:var(--dim)}}
p{{margin:.75rem 0}}
ul{{list-style:none;margin:1.5rem 0;padding:0;border:1px solid var(--line);border-radius:10px;overflow:hidden}}
li+li{{border-top:1px solid var(--line)}}
li a{{display:block;padding:.7rem 1rem;color:inherit;text-decoration:none}}
li a:hover,li a:focus-visible{{background:var(--panel)}}
li b{{color:var(--link)}}li span{{display:block;font-size:.9rem;color:var(--dim)}}
code{{font:.86em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;padding:.1em .3em;border-radius:4px;
background:var(--panel);white-space:nowrap}}
footer{{font-size:.9rem;color:var(--dim)}}
"""
_POLICY = policy_of(_STYLE)


def _page(home: Home) -> str:
    links = "".join(
        f'<li><a href="{escape(getattr(home, field))}"><b>{title}</b><span>{words}</span></a></li>'
        for field, title, words in _LINKS
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{home.name}</title><style>{_STYLE}</style></head>
<body><main><h1>{home.name} <small>{escape(home.version)}</small></h1>
<p>A real-time customer data platform with feature flags. This server takes events, keeps traits and segments of every
profile up to date, and decides flags from them.</p>
<p>The console is not built. <code>make console</code> builds it, in the checkout that this server runs from.</p>
<ul>{links}</ul>
<footer><p>A request needs a key, in <code>Authorization: Bearer …</code>. The server printed the first keys when it
started for the first time; <code>tinycdp key create</code> makes more. Guides are in <code>README.md</code> and
<code>docs/</code> of the source.</p></footer></main></body></html>
"""


_PAGE = _page(Home()).encode()

ROUTES = [home]
