"""The demo shop in a real browser, on a served TinyCDP: what moves by itself moves, and everyone can use the page.

Shape   one server for the module, with the definitions of the example shop and a shorter window; each test has a
        browser context of its own, and so a visitor of its own
Laws    no test is decided by how fast the machine is: what is asserted is the order of what happened, by the clock of
        the browser, which is the server's
"""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from playwright.async_api import Browser, BrowserContext, Page, Request, expect

from browser import accessible
from console import FOLDER, built_console
from javascript import Package
from serving import ADMIN_KEY, KEYS, PATIENCE_SECONDS, READ_KEY, Server, bearer, define, eventually, served
from tinycdp import resources
from tinycdp.runtime import clock
from tinycdp.server.bootstrap import prepare, prepare_page
from tinycdp.settings import Settings
from tinycdp.times import instant_of, iso

DEMO_KEY = "page-key-of-the-tests"
#: Of the segment demo_hot in these tests: the shortest that there is.
WINDOW, WINDOW_MS = "1m", 60_000
#: How old the first views are in the test that waits for the end of the window: half of it is left.
AGO_MS = 30_000
#: All code and styles of the page, compressed.
MOST_BYTES = 60_000
WIDE, PHONE = (1440, 900), (390, 844)
PATIENCE_MS = PATIENCE_SECONDS * 1000

expect.set_options(timeout=PATIENCE_MS)

#: Notes every price that the page shows with its instant, and what the policy forbids.
WATCH = """
window.prices = []
window.violations = []
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective))
new MutationObserver(() => {
  const shown = document.querySelector("main .price b")?.textContent
  if (shown && window.prices.at(-1)?.[1] !== shown) window.prices.push([Date.now(), shown])
}).observe(document, { subtree: true, childList: true, characterData: true })
"""


@pytest.fixture(scope="module")
async def site(module_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    built_console()
    keys = {name.removeprefix("TINYCDP_").lower(): key for name, key in KEYS.items()}
    settings = Settings(database_url=module_dsn, demo_key=DEMO_KEY, **keys)
    await prepare(settings, clock.now())
    await prepare_page(settings, clock.now())
    for name in ("shop", "coffee"):
        text = resources.read_text(f"dsl/examples/{name}.yaml").replace("(sku, 2m)", f"(sku, {WINDOW})")
        await define(module_dsn, yaml.safe_load(text), clock.now())
    with served(tmp_path_factory.mktemp("shop"), dsn=module_dsn, demo_key=DEMO_KEY) as running:
        yield running


class Shop:
    """A visitor of the shop, and what their browser did."""

    def __init__(self, page: Page, context: BrowserContext, server: Server) -> None:
        self.page, self.context, self.server = page, context, server
        self.requests: list[Request] = []
        self.errors: list[str] = []
        page.on("request", lambda request: self.requests.append(request))  # noqa: PLW0108 - Playwright refuses a built-in
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)

    async def enter(self) -> None:
        await self.page.goto(f"{self.server.url}/demo")
        await expect(self.row("newcomers")).to_have_attribute("data-on", "true")

    async def look_at(self, *names: str) -> None:
        """Open the page of each product from the shelf, and wait until the server has it."""
        for name in names:
            await self.page.get_by_role("link", name="Kestrel Coffee, the shelf").click()
            await self.page.get_by_role("link", name=re.compile(f"^{name}")).click()
            await expect(self.page.get_by_role("heading", level=1, name=name)).to_be_visible()
            await expect(self.page.locator("[data-state=waiting]")).to_have_count(0)

    def row(self, key: str) -> Any:
        """What the panel says of a trait, segment or flag."""
        return self.page.locator(f'.rows [data-key="{key}"]')

    @property
    def offer(self) -> Any:
        return self.page.get_by_role("complementary", name="Offer")

    @property
    def price(self) -> Any:
        return self.page.locator("main .price b").first

    async def id(self) -> str:
        kept: str = await self.page.evaluate("JSON.parse(localStorage.getItem('kestrel-coffee')).id")
        return kept

    async def server_says(self) -> dict[str, Any]:
        """The visitor's profile as an admin sees it."""
        answer = self.server.http.get(f"/v1/admin/users/{await self.id()}", headers=bearer(ADMIN_KEY))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


Enter = Callable[..., Any]


@pytest.fixture
def visitor(browser: Browser, site: Server) -> Enter:
    @asynccontextmanager
    async def enter(size: tuple[int, int] = WIDE, theme: str = "light") -> AsyncIterator[Shop]:
        context = await browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=theme)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        page = await context.new_page()
        await page.add_init_script(WATCH)
        shop = Shop(page, context, site)
        await shop.enter()
        yield shop
        assert await page.evaluate("window.violations") == []
        await context.close()

    return enter


async def test_prices_fall_at_the_third_product(visitor: Enter) -> None:
    async with visitor() as shop:
        await shop.page.evaluate("window.mark = 'this page'")
        await shop.look_at("Yirgacheffe", "Huila", "Huila")
        await expect(shop.price).to_have_text("€13.50")
        await expect(shop.row("demo_discount").locator(".value")).to_have_text("none")
        await shop.look_at("Stoneware Cup")
        await expect(shop.price).to_have_text("€16.20")
        await expect(shop.row("demo_hot").locator(".value")).to_have_text("in")
        await expect(shop.row("demo_discount").locator(".value")).to_have_text("ten")
        await shop.page.get_by_role("link", name="Kestrel Coffee, the shelf").click()
        await expect(shop.page.locator("main .price[data-reduced]")).to_have_count(8)
        assert await shop.page.evaluate("window.mark") == "this page", "no reload"


async def test_prices_rise_by_themselves(visitor: Enter) -> None:
    async with visitor() as shop:
        first = clock.now() - AGO_MS
        for n, sku in enumerate(("yirgacheffe", "huila")):
            event = {"anonymousId": await shop.id(), "event": "product_viewed", "properties": {"sku": sku}}
            shop.server.track({**event, "timestamp": iso(first + n)}, DEMO_KEY)
        until = iso(first + WINDOW_MS)
        await shop.page.evaluate("window.mark = 'this page'")
        await shop.look_at("Stoneware Cup")
        await expect(shop.price).to_have_text("€16.20")

        # The offer and the panel count down to one instant, which is the server's, and show the same at every moment.
        for counting in (shop.offer, shop.row("demo_hot"), shop.row("demo_discount"), shop.row("products_seen")):
            await expect(counting.locator("time")).to_have_attribute("data-until", until)
        ending_then = "until => [...document.querySelectorAll(`[data-until='${until}']`)].map(time => time.textContent)"
        left = await shop.page.evaluate(ending_then, until)
        assert len(left) == 5 and len(set(left)) == 1, "these four, and the handle of the sheet"
        segments = {segment["key"]: segment for segment in (await shop.server_says())["profile"]["segments"]}
        assert segments["demo_hot"]["until"] == until

        requests = len(shop.requests)
        await expect(shop.offer).not_to_have_attribute("data-open", "true")
        await expect(shop.price).to_have_text("€18.00")
        prices = await shop.page.evaluate("window.prices")
        assert [price for _, price in prices[-2:]] == ["€16.20", "€18.00"]
        assert prices[-1][0] >= instant_of(until), "not before"
        sent = [urlsplit(request.url).path for request in shop.requests[requests:]]
        assert "/v1/batch" not in sent, "no event was needed"
        assert await shop.page.evaluate("window.mark") == "this page", "nor a reload"

        # The panel says that it was the clock, and so does the server, at that very instant.
        await expect(shop.row("demo_hot").locator(".value")).to_have_text("out")
        await expect(shop.page.locator("[data-cause=clock] .moves").first).to_contain_text("demo_discount → none")

        async def left_at() -> list[tuple[str, str]]:
            changes = (await shop.server_says())["transitions"]
            return [(c["at"], c["cause"]) for c in changes if c["segment"] == "demo_hot" and not c["entered"]]

        assert await eventually(left_at) == [(until, "clock")]


async def test_each_event_lights_up_what_it_moved(visitor: Enter) -> None:
    async with visitor() as shop:
        await shop.look_at("Moka Pot")
        first = shop.page.locator(".journal ol > li").first
        await expect(first).to_contain_text("product_viewed")
        await expect(first).to_contain_text("sku moka · category brewing · price 34")
        await expect(first.locator(".moves")).to_contain_text("favourite_category → brewing")
        await expect(first.locator(".moves")).to_contain_text("products_seen → 1")
        await expect(shop.row("products_seen")).to_have_attribute("data-lit", "")


async def test_offline_and_back(visitor: Enter) -> None:
    async with visitor() as shop:
        await shop.context.set_offline(True)
        await expect(shop.page.get_by_text("Offline. Events wait")).to_be_visible()
        await shop.page.get_by_role("link", name=re.compile("^Hand Grinder")).click()
        await shop.page.get_by_role("button", name="Add to cart").click()
        await expect(shop.page.locator("[data-state=waiting]")).to_have_count(2)
        await expect(shop.row("products_seen").locator(".value")).to_have_text("0")
        await shop.context.set_offline(False)
        await expect(shop.page.locator("[data-state=waiting]")).to_have_count(0)
        await expect(shop.row("products_seen").locator(".value")).to_have_text("1")
        await expect(shop.row("cart_open").locator(".value")).to_have_text("yes")
        await expect(shop.page.get_by_text("Offline. Events wait")).to_have_count(0)
        names = [event["event"] for event in (await shop.server_says())["recentEvents"] if event["type"] == "track"]
        assert sorted(names) == ["cart", "product_viewed"], "each once"


async def test_an_order_opens_the_members_corner(visitor: Enter) -> None:
    async with visitor() as shop:
        await shop.page.get_by_role("link", name="Members").click()
        await expect(shop.page.get_by_text("An order opens this door")).to_be_visible()
        await shop.look_at("Gooseneck Kettle")
        await shop.page.get_by_role("button", name="Add to cart").click()
        await shop.page.get_by_role("button", name="Add to cart").click()
        await shop.page.get_by_role("link", name="Cart").click()
        await shop.page.get_by_role("button", name="One Gooseneck Kettle less").click()
        await shop.page.get_by_role("link", name="Check out").click()
        await shop.page.get_by_label("Your first name").fill("Mira")
        await shop.page.get_by_role("button", name="Buy it for €69.00").click()
        await expect(shop.page.get_by_text("It opened the members' corner")).to_be_visible()
        await shop.page.get_by_role("link", name="Go to the members' corner").click()
        await expect(shop.page.get_by_role("heading", level=1)).to_have_text("Welcome, Mira")
        await expect(shop.row("members_area").locator(".value")).to_have_text("on")
        (order,) = [event for event in (await shop.server_says())["recentEvents"] if event["event"] == "purchase"]
        bought = {"amount": 69, "currency": "EUR", "items": 1, "discounted": False, "category": "brewing"}
        assert {key: order["properties"][key] for key in bought} == bought


async def test_a_reload_keeps_the_visitor_and_the_cart(visitor: Enter) -> None:
    async with visitor() as shop:
        await shop.look_at("Huila")
        await shop.page.get_by_role("button", name="Add to cart").click()
        await expect(shop.row("cart_open").locator(".value")).to_have_text("yes")
        id = await shop.id()
        await shop.page.reload()
        await expect(shop.page.get_by_role("heading", level=1)).to_have_text("Huila")
        await expect(shop.page.get_by_role("link", name="Cart 1 item")).to_be_visible()
        await expect(shop.page.locator(".journal")).to_contain_text("cart")
        assert await shop.id() == id


async def test_starting_over_is_another_visitor(visitor: Enter) -> None:
    async with visitor() as shop:
        await shop.look_at("Huila", "Moka Pot", "Filter Cone")
        await expect(shop.offer).to_have_attribute("data-open", "true")
        await shop.page.get_by_role("button", name="Add to cart").click()
        before = await shop.id()
        await expect(shop.page.locator("[data-state=waiting]")).to_have_count(0)
        await shop.page.get_by_role("button", name="Start over").click()
        await expect(shop.offer).not_to_have_attribute("data-open", "true")
        await expect(shop.page.get_by_role("heading", level=1)).to_have_text("Coffee, and what it takes")
        await expect(shop.page.get_by_role("link", name="Cart 0 items")).to_be_visible()
        await expect(shop.row("products_seen").locator(".value")).to_have_text("0")
        await expect(shop.page.locator(".journal ol > li")).to_have_count(1)
        after = await shop.id()
        assert before != after
        assert all(re.fullmatch(r"demo_[\w-]{24}", id) for id in (before, after))
        (identifier,) = (await shop.server_says())["profile"]["identifiers"]
        assert identifier == {"kind": "anonymousId", "value": after}, "the two are not linked"
        gone = shop.server.http.get(f"/v1/profiles/{before}", headers=bearer(READ_KEY))
        assert {"kind": "anonymousId", "value": before} in gone.json()["identifiers"]


async def test_the_keyboard_is_enough(visitor: Enter) -> None:
    async with visitor(PHONE) as shop:
        keyboard = shop.page.keyboard

        async def tab_to(name: str) -> None:
            for _ in range(60):
                await keyboard.press("Tab")
                focused = await shop.page.evaluate("document.activeElement.textContent || document.activeElement.id")
                if focused.startswith(name):
                    return
            raise AssertionError(f"{name} is not reached")

        await tab_to("Skip to the shop")
        await keyboard.press("Enter")
        await tab_to("Moka Pot")
        await keyboard.press("Enter")
        await expect(shop.page.get_by_role("heading", level=1, name="Moka Pot")).to_be_focused()
        await tab_to("Add to cart")
        await keyboard.press("Space")
        await expect(shop.page.get_by_text("In the cart")).to_be_visible()
        await shop.page.goto(f"{shop.server.url}/demo#/cart")
        await tab_to("Check out")
        await keyboard.press("Enter")
        await tab_to("firstName")
        await keyboard.type("Ada")
        await keyboard.press("Enter")
        await expect(shop.page.get_by_role("heading", level=1, name="Thank you")).to_be_focused()
        # The sheet.
        await tab_to("What TinyCDP knows")
        await expect(shop.row("members_area")).to_be_hidden()
        await keyboard.press("Enter")
        await expect(shop.row("members_area")).to_be_visible()
        await keyboard.press("Escape")
        await expect(shop.row("members_area")).to_be_hidden()


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
async def test_every_view_is_accessible_quiet_and_at_home(visitor: Enter, axe: str, size: tuple[int, int]) -> None:
    async with visitor(size) as shop:
        await shop.page.emulate_media(reduced_motion="reduce")
        checked = 0

        async def check(view: str) -> None:
            nonlocal checked
            await accessible(shop.page, axe, view)
            checked += 1

        await check("the shelf")
        await shop.look_at("Huila", "Night Shift", "Hand Grinder")
        await expect(shop.offer).to_have_attribute("data-open", "true")
        await shop.page.get_by_role("button", name="Add to cart").click()
        await check("a product, reduced")
        for address in ("", "cart", "checkout", "members"):
            await shop.page.goto(f"{shop.server.url}/demo#/{address}")
            await expect(shop.page.get_by_role("heading", level=1)).to_be_visible()
            await check(address or "the shelf, reduced")
        await shop.page.goto(f"{shop.server.url}/demo#/checkout")
        await shop.page.get_by_role("button", name="Buy").click()
        await expect(shop.page.get_by_text("It opened the members' corner")).to_be_visible()
        await check("thanks")
        await shop.page.goto(f"{shop.server.url}/demo#/members")
        await check("members, open")
        if size == PHONE:
            await shop.page.get_by_role("button", name=re.compile("^What TinyCDP knows")).click()
        for summary in await shop.page.locator("summary").all():
            await summary.click()
        await check("the panel, unfolded")
        assert checked >= 9
        hosts = {urlsplit(request.url).netloc for request in shop.requests if not request.url.startswith("data:")}
        assert hosts == {urlsplit(shop.server.url).netloc}
        assert shop.errors == []


async def test_the_page_has_no_key_that_reads(visitor: Enter) -> None:
    async with visitor() as shop:
        await shop.look_at("Huila")
        headers = [await request.all_headers() for request in shop.requests]
        sent = repr(headers) + repr([(request.url, request.post_data) for request in shop.requests])
        assert DEMO_KEY in sent
        assert not any(key in sent for key in KEYS.values())
        refused = shop.server.http.get(f"/v1/profiles/{await shop.id()}", headers=bearer(DEMO_KEY))
        assert refused.json()["code"] == "MISSING_SCOPE"


async def test_the_page_is_small() -> None:
    assets = built_console() / "assets"
    sizes = {file.name: file.stat().st_size for file in assets.glob("demo-*.gz")}
    assert len(sizes) == 2
    assert sum(sizes.values()) < MOST_BYTES, sizes
    assert all(file.with_suffix(".br").exists() for file in assets.glob("*.gz"))


def test_the_page_s_own_tests_types_and_style_hold() -> None:
    package = Package(FOLDER)
    package.run("vitest", "run")
    package.run("tsc", "--noEmit")
    package.run("biome", "check", ".")
