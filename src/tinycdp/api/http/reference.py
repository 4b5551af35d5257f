"""The HTTP reference: /openapi.json, and the same document as a page at /docs.

Shape   page(document) -> HTML
Laws    the page has no scripts and loads nothing from other hosts: it works offline, and its Content-Security-Policy
        allows only its own style
"""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from html import escape
from textwrap import wrap
from threading import Lock
from typing import Any

from litestar import Litestar, Request, Response, get

from tinycdp.api.http.openapi import document
from tinycdp.api.http.pages import PALETTE, html, policy_of
from tinycdp.api.http.requests import host_of, scheme_of
from tinycdp.runtime.access.keys import ANY_SCOPE

_DEEPEST = 4
#: Stands for the server's address in the page that is kept.
_ADDRESS = "http://ADDRESS"
_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?")
#: The variable that holds a key with the scope of a route: the commands of all pages use these three.
_VARIABLES = {
    "write": "WRITE_KEY",
    "decide": "READ_KEY",
    "read": "READ_KEY",
    "admin": "ADMIN_KEY",
    ANY_SCOPE: "READ_KEY",
}
_lock = Lock()


# Both run in a thread: making the document takes a third of a second, once, and no decision waits for it.
@get("/openapi.json", include_in_schema=False, sync_to_thread=True)
def openapi_json(request: Request[Any, Any, Any]) -> Response[bytes]:
    return Response(_document(request.app), media_type="application/json")


@get("/docs", include_in_schema=False, sync_to_thread=True)
def docs(request: Request[Any, Any, Any]) -> Response[Any]:
    text = _page(_document(request.app)).replace(_ADDRESS.encode(), escape(address_of(request)).encode())
    return html(text, _POLICY)


def address_of(request: Request[Any, Any, Any]) -> str:
    """The address by which a client reached this server, as far as it can be part of a command."""
    host = host_of(request)
    if not _HOST.fullmatch(host):
        name, port = request.scope["server"] or ("127.0.0.1", 8000)
        host = f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
    return f"{scheme_of(request)}://{host}"


def _document(app: Litestar) -> bytes:
    with _lock:
        return _made(app)


@lru_cache(1)
def _made(app: Litestar) -> bytes:
    return json.dumps(document(app), ensure_ascii=False, indent=1).encode()


@lru_cache(1)
def _page(document: bytes) -> bytes:
    return page(json.loads(document)).encode()


def page(document: dict[str, Any]) -> str:
    """The document as one self-contained page."""
    info = document["info"]
    groups = [(tag, list(_operations(document, tag["name"]))) for tag in document["tags"]]
    links = "".join(
        f'<h2><a href="#{_slug(tag["name"])}">{escape(tag["name"])}</a></h2><ul>'
        + "".join(
            f'<li><a href="#{operation["operationId"]}"><b class="{method}">{method}</b> {_path(path)}</a></li>'
            for method, path, operation in operations
        )
        + "</ul>"
        for tag, operations in groups
    )
    sections = "".join(
        f'<section><h2 id="{_slug(tag["name"])}">{escape(tag["name"])}</h2><p>{_prose(tag.get("description", ""))}</p>'
        + "".join(_operation(document, *operation) for operation in operations)
        + "</section>"
        for tag, operations in groups
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(info["title"])} HTTP reference</title><style>{_STYLE}</style></head>
<body><nav><a class="home" href="#top">{escape(info["title"])} <small>{escape(info["version"])}</small></a>{links}</nav>
<main id="top"><header><h1>HTTP reference</h1><p>{_prose(info["description"])}</p>
<p>The same as data: <a href="openapi.json"><code>/openapi.json</code></a>, OpenAPI {escape(document["openapi"])}.</p>
{_keys(document)}</header>{sections}{_errors(document)}</main></body></html>
"""


def _operations(document: dict[str, Any], tag: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if tag in operation["tags"]:
                yield method, path, operation


def _operation(document: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> str:
    parts = [
        f'<article id="{operation["operationId"]}"><h3><a href="#{operation["operationId"]}">'
        f'<b class="{method}">{method}</b> {_path(path)}</a>',
        f'<span class="scope">{escape(operation["x-scope"])}</span>' if "x-scope" in operation else "",
        f"</h3><p><strong>{escape(operation['summary'])}.</strong> {_prose(operation.get('description', ''))}</p>",
    ]
    if operation["parameters"]:
        rows = "".join(map(_parameter, operation["parameters"]))
        parts.append(f"<table><tbody>{rows}</tbody></table>")
    parts.append(f"<pre><code>{escape(_curl(method, path, operation))}</code></pre>")
    if (body := operation.get("requestBody")) and "application/json" in body["content"]:
        parts.append(_shape(document, "Body", body["content"]["application/json"]["schema"]))
    errors = []
    answers: dict[str, list[str]] = {}  # a schema → the statuses that answer with it
    for status, response in operation["responses"].items():
        if "$ref" in response:
            errors.append(f'<a href="#{response["$ref"].rsplit("/", 1)[1]}">{status}</a>')
            continue
        contents = response.get("content", {})
        if "application/json" in contents:
            answers.setdefault(json.dumps(contents["application/json"]["schema"]), []).append(status)
        elif contents:
            parts.append(f"<p>Answer {status}: {', '.join(f'<code>{escape(media)}</code>' for media in contents)}</p>")
        else:
            parts.append(f"<p>Answer {status}, without a body</p>")
    for schema, statuses in answers.items():
        parts.append(_shape(document, f"Answer {' or '.join(statuses)}", json.loads(schema)))
    parts.append(f'<p class="errors">Errors: {" · ".join(errors)}</p></article>')
    return "".join(parts)


def _parameter(entry: dict[str, Any]) -> str:
    schema = entry["schema"]
    bounds = [_kind(schema)]
    if "minimum" in schema or "maximum" in schema:
        bounds.append(f"{schema.get('minimum', '')} to {schema.get('maximum', '')}")
    if "default" in schema:
        bounds.append(f"default {json.dumps(schema['default'])}")
    need = "required" if entry["required"] else "optional"
    return (
        f"<tr><td><code>{escape(entry['name'])}</code></td><td>{entry['in']}, {need}</td>"
        f"<td>{escape(', '.join(bounds))}</td><td>{_prose(entry.get('description', ''))}</td></tr>"
    )


def _kind(schema: dict[str, Any]) -> str:
    """The type of a parameter; an optional one is not shown as nullable."""
    kinds = [one for one in schema.get("oneOf", [schema]) if one.get("type") != "null"]
    return _type({}, kinds[0], 0, ())


def _curl(method: str, path: str, operation: dict[str, Any]) -> str:
    words = ["curl"] if method == "get" else ["curl", "-X", method.upper()]
    if method == "post" and "requestBody" in operation:
        words = ["curl"]
    needed = [p["name"] for p in operation["parameters"] if p["in"] == "query" and p["required"]]
    query = operation.get("x-query") or "&".join(f"{name}=…" for name in needed)
    words.append(f"'{_ADDRESS}{path}{'?' if query else ''}{query}'")
    if operation["security"]:
        words.append(f'-H "Authorization: Bearer ${_VARIABLES[operation["x-scope"]]}"')
    words += [
        f'-H "{p["name"]}: $SOURCE_KEY"' for p in operation["parameters"] if p["in"] == "header" and p["required"]
    ]
    if body := operation.get("requestBody"):
        content = body["content"].get("application/json")
        if content is None:
            words.append("--data-binary @FILE")
        elif "example" in content:
            words.append("\\\n  -d '" + json.dumps(content["example"], ensure_ascii=False) + "'")
        else:
            words.append("-d @body.json")
    return " ".join(words)


def _shape(document: dict[str, Any], title: str, schema: dict[str, Any]) -> str:
    named = schema.get("$ref", "").rsplit("/", 1)[-1]
    words = document["components"]["schemas"].get(named, {}).get("description", "")
    description = f"<p>{_prose(words)}</p>" if words else ""
    return (
        f"<details open><summary>{escape(title)}</summary>{description}"
        f"<pre><code>{escape(_type(document, schema, 0, ()))}</code></pre></details>"
    )


def _type(document: dict[str, Any], schema: dict[str, Any], depth: int, inside: tuple[str, ...]) -> str:
    """A schema in the form of its JSON, with types as values."""
    if "$ref" in schema:
        name: str = schema["$ref"].rsplit("/", 1)[1]
        if name in inside or depth > _DEEPEST:
            return name
        return _type(document, document["components"]["schemas"][name], depth, (*inside, name))
    if choices := schema.get("oneOf", schema.get("allOf")):
        return " | ".join(_type(document, one, depth, inside) for one in choices)
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    if "const" in schema:
        return json.dumps(schema["const"])
    pad = "  " * depth
    match schema.get("type"):
        case "object" if schema.get("properties"):
            required = set(schema.get("required", ()))
            lines = []
            for name, inner in schema["properties"].items():
                if words := inner.get("description"):
                    lines += [f"{pad}  // {line}" for line in wrap(words, 84)]
                mark = "" if name in required else "?"
                lines.append(f'{pad}  "{name}"{mark}: {_type(document, inner, depth + 1, inside)},')
            lines[-1] = lines[-1].removesuffix(",")
            return "{\n" + "\n".join(lines) + f"\n{pad}}}"
        case "object":
            inner = schema.get("additionalProperties")
            return f"{{[name]: {_type(document, inner, depth, inside)}}}" if isinstance(inner, dict) else "{…}"
        case "array" if "prefixItems" in schema:
            return f"[{', '.join(_type(document, one, depth, inside) for one in schema['prefixItems'])}]"
        case "array":
            items = schema.get("items")
            return f"[{_type(document, items, depth, inside)}, …]" if isinstance(items, dict) and items else "[…]"
        case str(name):
            return name
        case list(names):
            return " | ".join(names)
        case _:
            return "any"


def _keys(document: dict[str, Any]) -> str:
    schemes = document["components"]["securitySchemes"].values()
    names = [s["name"] if s["type"] == "apiKey" else f"Authorization: {s['scheme'].title()}" for s in schemes]
    ways = [f"<code>{escape(name)}</code>" for name in names]
    exports = "\n".join(f"export {name}=…" for name in dict.fromkeys(_VARIABLES.values()))
    return (
        f"<p>A key goes in {' or '.join(ways)}. The scope that a route needs is beside it.</p>"
        f"<p>The commands take keys from the shell's variables. Set them once, with the keys of this server:</p>"
        f"<pre><code>{exports}</code></pre>"
    )


def _errors(document: dict[str, Any]) -> str:
    rows = "".join(
        f'<tr id="{name}"><td>{escape(name)}</td><td>{_prose(response["description"])}</td></tr>'
        for name, response in document["components"]["responses"].items()
    )
    problem = escape(_type(document, {"$ref": "#/components/schemas/Problem"}, 0, ()))
    return (
        f'<section><h2 id="errors">Errors</h2><pre><code>{problem}</code></pre>'
        f"<table><tbody>{rows}</tbody></table></section>"
    )


def _path(path: str) -> str:
    """The path, breakable after each slash."""
    return f"<code>{escape(path).replace('/', '/<wbr>')}</code>"


def _prose(words: str) -> str:
    """Text with its code spans and paragraphs."""
    parts = escape(words, quote=False).split("`")
    marked = "".join(f"<code>{part}</code>" if n % 2 else part for n, part in enumerate(parts))
    return "<br>".join(" ".join(block.split()) for block in marked.split("\n\n"))


def _slug(name: str) -> str:
    return name.lower().replace(" ", "-")


_STYLE = (
    f"\n{PALETTE}"
    + """
html{scroll-padding-top:1rem}
body{margin:0;display:grid;grid-template-columns:19rem minmax(0,1fr);font:16px/1.55 system-ui,sans-serif;
color:var(--ink);background:var(--paper)}
a{color:inherit;text-decoration:none}a:hover{color:var(--link)}p a,header a{color:var(--link)}
a:focus-visible,summary:focus-visible{outline:2px solid var(--link);outline-offset:2px;border-radius:3px}
code,pre{font:.86em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
nav{position:sticky;top:0;height:100vh;overflow:auto;padding:1.25rem;border-right:1px solid var(--line);
background:var(--panel);font-size:.82rem}
nav .home{font-weight:700;font-size:1.05rem}nav small{font-weight:400;color:var(--dim)}
nav h2{margin:1.2rem 0 .3rem;font-size:.72rem;letter-spacing:.06em;text-transform:uppercase;color:var(--dim)}
nav ul{list-style:none;margin:0;padding:0}nav li{margin:.12rem 0}nav li a{display:flex;gap:.5rem;align-items:baseline}
main{max-width:56rem;width:100%;padding:2rem clamp(1rem,4vw,3.5rem) 6rem}
h1{margin:0 0 .5rem;font-size:2rem;letter-spacing:-.02em}
section>h2{margin:3.5rem 0 .25rem;font-size:1.4rem;letter-spacing:-.01em}
section>h2+p{color:var(--dim);margin-top:0}
article{margin:1.5rem 0 0;padding:1.25rem 0 .5rem;border-top:1px solid var(--line)}
h3{display:flex;flex-wrap:wrap;gap:.75rem;align-items:baseline;margin:0;font-size:1rem;font-weight:400}
h3 code{font-size:1rem}
b[class]{display:inline-block;min-width:3.6em;font:700 .72rem/1.5 ui-monospace,monospace;text-transform:uppercase}
.get{color:var(--get)}.post{color:var(--post)}.put{color:var(--put)}.delete{color:var(--delete)}
.scope{margin-left:auto;padding:.05rem .55rem;border:1px solid var(--line);border-radius:1rem;font-size:.75rem;
color:var(--dim)}
article p{margin:.4rem 0 .8rem}
p code,td code{padding:.1em .3em;border-radius:4px;background:var(--panel)}
pre{margin:.5rem 0;padding:.8rem 1rem;overflow-x:auto;border:1px solid var(--line);border-radius:8px;
background:var(--panel)}
table{width:100%;border-collapse:collapse;font-size:.88rem}
td{padding:.35rem .8rem .35rem 0;border-top:1px solid var(--line);vertical-align:top}tr:first-child td{border-top:0}
td:nth-child(2),td:nth-child(3){color:var(--dim)}
summary{cursor:pointer;margin-top:.6rem;font-size:.75rem;font-weight:600;letter-spacing:.05em;text-transform:uppercase;
color:var(--dim)}
.errors{font-size:.85rem;color:var(--dim)}
:target>h3 code,tr:target{background:color-mix(in srgb,var(--link) 14%,transparent);border-radius:4px}
@media (max-width:52rem){body{display:block}nav{position:static;height:auto;max-height:40vh;border-right:0;
border-bottom:1px solid var(--line)}}
@media print{nav{display:none}body{display:block}}
"""
)

_POLICY = policy_of(_STYLE)

ROUTES = [openapi_json, docs]
