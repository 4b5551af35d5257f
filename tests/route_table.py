"""The route table, for tests that hold every route to one law.

Shape   routes(app) → Route: what it is called, reads and needs · with_json(app) are those that read JSON
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from application import Application
from tinycdp.api.http.encoding import Documented
from tinycdp.api.http.openapi import reads_body
from tinycdp.api.http.params import parameters_of
from tinycdp.api.pages.console import console
from tinycdp.api.routes import FOREIGN, FOREIGN_GUARDED

#: Their bodies are files, or may be empty.
NO_JSON = {"/v1/admin/imports", "/v1/admin/segments/{name}/list/upload"}
#: Their bodies are not read.
UNREAD = {"/v1/m", "/ofrep/v1/evaluate/flags/{flag}/{rest}"}
#: What streams for ever once it is let in.
STREAMS = {"/v1/events/live"}


@dataclass(frozen=True)
class Route:
    """A method and a path of the route table."""

    method: str
    path: str
    handler: HTTPRouteHandler

    @property
    def own(self) -> bool:
        """Whether it is the API's, and no other product's or a page: then nothing unknown is accepted."""
        return self.handler.fn not in _FOREIGN and not self.path.startswith("/assets/")

    @property
    def example(self) -> dict[str, Any]:
        example = self.handler.opt.get("example")
        return dict(example) if isinstance(example, dict) else {}

    @property
    def body(self) -> Any:
        """The type of its body, None without one."""
        field = self.handler.parsed_fn_signature.parameters.get("data")
        if field is None:
            return None
        shown = next((one for one in field.metadata if isinstance(one, Documented)), None)
        return shown.kind if shown is not None else field.annotation

    def address(self, **parts: str) -> str:
        def part(found: re.Match[str]) -> str:
            return parts.get(found[1], {"file": "no.csv", "name": "limits"}.get(found[1], "1"))

        return re.sub(r"\{(\w+)\}", part, self.path)

    def required(self) -> dict[str, str]:
        """Its required parameters, with values that it accepts."""
        values = {"from": "0", "to": "1", "name": "x.csv", "flag": "x", "token": "x"}
        needed = [n for n, field, _ in parameters_of(self.handler) if not (field.has_default or field.is_optional)]
        return {name: values[name] for name in needed if not name.startswith("X-")}  # those are headers


# The query of a page's address is read by the page.
_FOREIGN = {handler.fn for handler in (*FOREIGN, *FOREIGN_GUARDED, console)}


def routes(app: Application) -> Iterator[Route]:
    """Every route of the route table."""
    for route in app.litestar.routes:
        assert isinstance(route, HTTPRoute)
        for method, (handler, _) in sorted(route.route_handler_map.items()):
            if method not in {"HEAD", "OPTIONS"}:
                yield Route(str(method), route.path_format, handler)


def with_json(app: Application) -> Iterator[Route]:
    """The routes that read JSON."""
    for route in routes(app):
        reads = reads_body(route.handler) or (not route.own and route.method == "POST")
        if reads and route.path not in NO_JSON | UNREAD:
            yield route
