"""The routes of the demo shop, which a server has only with `serve --demo`.

Shape   PAGES → the page itself · OPEN → its data: the key that it uses, and what is known of its visitor
Laws    none of them needs a key. The page gets no key that reads a profile; what it shows of its own visitor comes by
        the visitor's id
Source  docs/reference/demo-shop.md
"""

from typing import Annotated

from litestar import HttpMethod, Response, get, route
from litestar.datastructures import CacheControlHeader
from litestar.params import QueryParameter

from tinycdp.api.http.parts import Injected
from tinycdp.api.pages.routes import page
from tinycdp.errors import Unauthenticated
from tinycdp.products.demo_shop import service
from tinycdp.products.demo_shop.schemas import Config, Visitor
from tinycdp.runtime.access.keys import Key, Keyring
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.decisions.decide import ProfileLoader
from tinycdp.runtime.environment import Environment
from tinycdp.settings import Settings
from tinycdp.store.database.pool import Pool

_NOT_KEPT = CacheControlHeader(no_store=True)


@route("/demo", http_method=[HttpMethod.GET, HttpMethod.HEAD], include_in_schema=False, sync_to_thread=True)
def demo_shop() -> Response[bytes]:
    return page("demo.html")


@get("/demo/config", include_in_schema=False, cache_control=_NOT_KEPT)
async def get_demo_config(settings: Injected[Settings], keyring: Injected[Keyring], now: Injected[Clock]) -> Config:
    """The key that the page uses, while it is valid."""
    _usable(settings, keyring, now)
    return Config(settings.demo_key or "")


@get("/demo/me", include_in_schema=False, cache_control=_NOT_KEPT)
async def get_demo_visitor(
    settings: Injected[Settings],
    keyring: Injected[Keyring],
    pool: Injected[Pool],
    now: Injected[Clock],
    profile_loader: Injected[ProfileLoader],
    id: Annotated[str, QueryParameter(description="the visitor's id, which the page made")],
) -> Visitor:
    key = _usable(settings, keyring, now)
    return await service.visitor(Environment(key.environment_id, pool, now), profile_loader, id)


def _usable(settings: Settings, keyring: Keyring, now: Clock) -> Key:
    key = keyring.find(settings.demo_key or "")
    if key is None or key.expired(now()):
        message = "The key of the demo shop was revoked, or has expired. Give TINYCDP_DEMO_KEY another one."
        raise Unauthenticated("INVALID_KEY", message)
    return key


PAGES = [demo_shop]
OPEN = [get_demo_config, get_demo_visitor]
PARTS = ("settings",)
