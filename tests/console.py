"""The pages of src/console, built for tests, and the console as a person opens it.

Shape   built_console() → the folder with the pages; raises Missing without Node
        opening(browser, site) → open(address, key, size, theme) → a page, signed in
Laws    they are built once for a test run, from the sources as they are now, however many runs begin together
        a page that was opened ends without a violation of its policy, without an error in the browser's console, and
        without a request to another host
"""

import functools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, Locator, Page, expect

from javascript import Package, alone
from serving import ADMIN_KEY, PATIENCE_SECONDS, Server
from tinycdp import resources

FOLDER = Path(__file__).parents[1] / "src" / "console"


@functools.cache
def built_console() -> Path:
    """The folder of the built pages."""
    package = Package(FOLDER)
    with alone(FOLDER):
        package.node("tools/build.ts")
    return resources.PAGES


WIDE, PHONE = (1440, 900), (390, 844)
PATIENCE_MS = PATIENCE_SECONDS * 1000
WATCH = """
window.violations = []
addEventListener('securitypolicyviolation', broken => {
  window.violations.push(broken.violatedDirective + ' ' + broken.blockedURI)
})
"""

Open = Callable[..., Any]
expect.set_options(timeout=PATIENCE_MS)


def opening(browser: Browser, site: Server) -> Open:
    """Opens pages of the console, each in a session of its own."""

    @asynccontextmanager
    async def opened(
        address: str = "", key: str | None = ADMIN_KEY, size: tuple[int, int] = WIDE, theme: str = "light"
    ) -> AsyncIterator[Page]:
        viewport: Any = {"width": size[0], "height": size[1]}
        scheme: Any = theme
        context = await browser.new_context(viewport=viewport, color_scheme=scheme, reduced_motion="reduce")
        context.set_default_timeout(PATIENCE_MS)
        page = await context.new_page()
        hosts, errors = set[str](), list[str]()
        page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
        page.on("pageerror", lambda error: errors.append(str(error)))
        await page.add_init_script(WATCH)
        await page.goto(f"{site.url}{address}{f'#key={key}' if key else ''}")
        yield page
        assert await page.evaluate("window.violations") == []
        assert hosts - {""} == {urlsplit(site.url).netloc}
        assert errors == []
        await context.close()

    return opened


def heading(page: Page) -> Locator:
    return page.get_by_role("heading", level=1)
