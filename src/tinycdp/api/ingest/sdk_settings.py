"""Settings that browser SDKs fetch before they send an event.

Shape   GET /v1/projects/{writeKey}/settings for analytics-next · GET /sourceConfig for RudderStack
Laws    Every key of an environment gets the same answer, since nothing is configurable. Without an answer these SDKs
        never send an event.
Source  docs/reference/sdks.md "What browsers fetch first"
"""

from typing import Any

from litestar import get
from litestar.params import FromPath

from tinycdp.api.http import auth
from tinycdp.api.http.requests import ExactRequest, host_of, scheme_of
from tinycdp.api.http.responses import ExactResponse
from tinycdp.times import iso

#: The answer contains the host of the request, so shared caches must not store it.
BRIEFLY = {"Cache-Control": "private, max-age=60"}


@get("/v1/projects/{write_key:str}/settings", tags=["Tracking"], include_in_schema=False)
async def settings(request: ExactRequest, write_key: FromPath[str]) -> ExactResponse[dict[str, Any]]:
    """Settings of analytics-next, with the key in the path.

    Events then go to the host of this request."""
    auth.recognise(request, write_key, "write")
    # More than this one integration would make the client fetch others from Segment's own network.
    destination = {"apiKey": write_key, "apiHost": f"{host_of(request)}/v1", "protocol": scheme_of(request)}
    found = {
        "integrations": {"Segment.io": destination},
        "plan": {},
        "metrics": {"sampleRate": 0},
        "remotePlugins": [],
    }
    return ExactResponse(found, headers=BRIEFLY)


@get("/sourceConfig", tags=["Tracking"], include_in_schema=False)
async def source_config(request: ExactRequest) -> ExactResponse[dict[str, Any]]:
    """Settings of RudderStack. The key is the user name of Basic, or the parameter `writeKey`."""
    text = auth.presented(request)
    key = auth.recognise(request, text, "write")
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
    return ExactResponse({"source": source, "updatedAt": iso(0)}, headers=BRIEFLY)


ROUTES = [settings, source_config]
