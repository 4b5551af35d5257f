"""The pages that are built from src/console, and their files.

Shape   page("demo.html") → the answer of a page's route · GET and HEAD /assets/{name} → a file that a page names
Laws    a page may load scripts, styles and data of this server, and nothing else; styles that its scripts make carry a
        nonce of this one answer. It is asked for anew each time; its files have their digest in their name, and are
        kept for ever.
        Files were compressed when they were built: nothing is compressed on request
Errors  503 with how to build, as a page, if nothing was built · 404 NOT_FOUND for a file that no page names
Source  docs/decisions/0043-pages.md
"""

import mimetypes
import re
import secrets
from pathlib import Path
from typing import Any

from litestar import HttpMethod, Request, Response, route
from litestar.params import FromPath

from tinycdp import resources
from tinycdp.api.http import compression
from tinycdp.api.http.pages import PALETTE, SAFE_HEADERS, html, policy_of
from tinycdp.errors import NotFound

#: Stands in a built page wherever its nonce goes.
NONCE = b"__NONCE__"

_METHODS = [HttpMethod.GET, HttpMethod.HEAD]
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
#: What a browser says it takes → the ending of the file that has it; the best first.
_ENCODINGS = {"br": ".br", "gzip": ".gz"}
_FOR_EVER = "public, max-age=31536000, immutable"


def is_built(name: str) -> bool:
    return (resources.PAGES / name).is_file()


def page(name: str) -> Response[Any]:
    """A built page, with a nonce of its own; or how to build it."""
    try:
        built = (resources.PAGES / name).read_bytes()
    except FileNotFoundError:
        return html(_NOT_BUILT, policy_of(_STYLE), {"Cache-Control": "no-store"}, status=503)
    nonce = secrets.token_urlsafe(16)
    return html(built.replace(NONCE, nonce.encode()), _policy(nonce), {"Cache-Control": "no-cache"})


def _policy(nonce: str) -> str:
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; font-src 'self'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


# It reads a file, so it runs in a thread.
@route("/assets/{name:str}", http_method=_METHODS, include_in_schema=False, sync_to_thread=True)
def asset(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    """A file of a page, compressed as the client takes it."""
    path = resources.PAGES / "assets" / name
    if not _NAME.fullmatch(name) or path.suffix in _ENCODINGS.values() or not path.is_file():
        raise NotFound("NOT_FOUND", "No page has this file. Load the page again: it may have been built anew.")
    headers = SAFE_HEADERS | {"Cache-Control": _FOR_EVER, "Vary": "Accept-Encoding"}
    encoding, file = _encoded(path, request.headers.get("accept-encoding", ""))
    if encoding:
        headers["Content-Encoding"] = encoding
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Response(file.read_bytes(), media_type=media_type, headers=headers)


def _encoded(path: Path, accepted: str) -> tuple[str, Path]:
    """The encoding and the file to send to a client that accepts this."""
    taken = compression.accepted(accepted)
    for encoding, ending in _ENCODINGS.items():
        if encoding in taken and (compressed := path.with_name(path.name + ending)).is_file():
            return encoding, compressed
    return "", path


_STYLE = f"""
{PALETTE}
body{{margin:0;font:16px/1.55 system-ui,sans-serif;color:var(--ink);background:var(--paper)}}
main{{max-width:36rem;margin:0 auto;padding:clamp(2rem,12vh,8rem) 1.25rem}}
h1{{margin:0;font-size:1.5rem;letter-spacing:-.01em}}
pre{{padding:.8rem 1rem;border:1px solid var(--line);border-radius:8px;background:var(--panel);
font:.9rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}}
p{{color:var(--dim)}}
"""
_NOT_BUILT = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>This page is not built</title><style>{_STYLE}</style></head>
<body><main><h1>This page is not built</h1>
<p>The server works without it. To build it, in the checkout that this server runs from:</p>
<pre>make console</pre><p>Then load this page again; the server need not be restarted.</p></main></body></html>
""".encode()

ROUTES = [asset]
