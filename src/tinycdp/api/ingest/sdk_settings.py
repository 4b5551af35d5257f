"""What browsers' SDKs fetch before they send anything: the settings of the source they belong to.

Shape   GET /v1/projects/{writeKey}/settings for analytics-next · GET /sourceConfig for RudderStack's
Laws    every key of an environment gets the same answer: there is nothing to configure, but a client that gets no
        answer never sends an event
Source  docs/reference/tracking.md "What browsers fetch first"
"""

from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath

from tinycdp.api.http import auth
from tinycdp.api.http.exchange import answer
from tinycdp.runtime.service import Service
from tinycdp.runtime.times import iso

#: The answer names the host it was asked at, so no shared cache may give it to somebody who asked at another.
BRIEFLY = {"Cache-Control": "private, max-age=60"}


@get("/v1/projects/{write_key:str}/settings", tags=["Tracking"], include_in_schema=False)
async def settings(request: Request[Any, Any, Any], write_key: FromPath[str]) -> Response[bytes]:
    """analytics-next's. The key stands in the address. Events then go to the host the settings were fetched from."""
    service: Service = request.app.state.service
    auth.recognise(service.keyring, write_key, "write")
    # More than this one integration would make the client fetch others from Segment's own network.
    destination = {"apiKey": write_key, "apiHost": f"{_host(request)}/v1", "protocol": _scheme(request)}
    found = {
        "integrations": {"Segment.io": destination},
        "plan": {},
        "metrics": {"sampleRate": 0},
        "remotePlugins": [],
    }
    return answer(found, headers=BRIEFLY)


@get("/sourceConfig", tags=["Tracking"], include_in_schema=False)
async def source_config(request: Request[Any, Any, Any]) -> Response[bytes]:
    """RudderStack's. The key is the user name of Basic, or the parameter `writeKey`."""
    service: Service = request.app.state.service
    text = auth.presented(request)
    key = auth.recognise(service.keyring, text, "write")
    nothing = {"enabled": False}
    source: dict[str, Any] = {
        "id": str(key.id),
        "name": key.name,
        "writeKey": text,
        "enabled": True,
        "workspaceId": str(key.environment_id),
        "connections": [],
        "destinations": [],
        "dataplanes": {},
        "config": {"statsCollection": {"errors": nothing, "metrics": nothing}},
        "updatedAt": iso(0),
    }
    return answer({"source": source, "updatedAt": iso(0)}, headers=BRIEFLY)


def _host(request: Request[Any, Any, Any]) -> str:
    return request.headers.get("host") or request.url.netloc


def _scheme(request: Request[Any, Any, Any]) -> str:
    """How the client came, also where a proxy ends TLS in front of us."""
    forwarded = request.headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    return forwarded if forwarded in {"http", "https"} else request.url.scheme


ROUTES = [settings, source_config]
