"""The TypeScript SDK in a real browser: no event is lost or counted twice, however a page is left.

Shape   a page on one origin, a real server on another, a proxy between them that fails on purpose
        what arrived is read from the server's database, once for each message it stored
Laws    no test waits for a time to pass: pages with a schedule have a clock of their own, which the test turns
"""

import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from playwright.async_api import Browser, BrowserContext, Page, Route

from browser import Backend, Site
from javascript import Package
from serving import KEYS, WRITE_KEY, Server, bearer, define, eventually, served
from tinycdp.runtime import clock
from tinycdp.server.bootstrap import prepare
from tinycdp.settings import Settings

SDK = Path(__file__).parents[2] / "sdk-ts"
DECIDE_KEY = "decide-key-of-the-tests"
_numbers = itertools.count(1)

FLAGS = {
    "flags": [
        {"key": "bought", "rule": "events.bought.count() >= 1"},
        {"key": "pro", "rule": 'profile.plan == "pro"'},
    ]
}

# The page makes the client with the options in its address, and counts what onError says.
PAGE = """<!doctype html><title>shop</title><script type="module">
import { initTinyCDP } from "/dist/index.js"
window.problems = []
const given = JSON.parse(decodeURIComponent(location.hash.slice(1)) || "{}")
window.cdp = initTinyCDP({ ...given, onError: (problem) => window.problems.push(problem) })
window.many = (event, from, to) => { for (let n = from; n < to; n++) window.cdp.track(event, { n }) }
window.ready = true
</script>"""


@pytest.fixture(scope="module")
def dist() -> Path:
    Package(SDK).build()
    return SDK


@pytest.fixture(scope="module")
async def shop(module_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    keys = {name[8:].lower(): key for name, key in KEYS.items()}
    await prepare(Settings(database_url=module_dsn, **keys), clock.now())
    await define(module_dsn, FLAGS, clock.now())
    with served(tmp_path_factory.mktemp("shop"), dsn=module_dsn, role="api") as running:
        yield running


@pytest.fixture(scope="module")
def keys(shop: Server) -> dict[str, str]:
    """What a page may have."""
    body = {"name": "page", "scopes": ["decide"]}
    made = shop.http.post("/v1/admin/keys", json=body, headers=bearer(KEYS["TINYCDP_BOOTSTRAP_ADMIN_KEY"]))
    return {"writeKey": WRITE_KEY, "readKey": made.json()["key"]}


@pytest.fixture(scope="module")
def site(dist: Path) -> Iterator[Site]:
    with Site(dist, PAGE) as running:
        yield running


@pytest.fixture
def backend(shop: Server) -> Iterator[Backend]:
    with Backend(shop.url) as running:
        yield running


@pytest.fixture
async def visitor(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A browser of its own, with nothing stored."""
    context = await browser.new_context()
    yield context
    await context.close()


@pytest.fixture
def event() -> str:
    return f"event_{next(_numbers)}"


Visit = Callable[..., Awaitable[Page]]
Stored = Callable[[str, int], Awaitable[Counter[int]]]
Leave = Callable[[Page], Awaitable[None]]


@pytest.fixture
async def visit(visitor: BrowserContext, site: Site, backend: Backend) -> Visit:
    """Opens a page with the SDK; options are those of initTinyCDP, beside the address and the key for events."""

    async def visit(page: Page | None = None, **options: Any) -> Page:
        page = page or await visitor.new_page()
        given = {"endpoint": backend.url, "writeKey": WRITE_KEY, **options}
        await page.goto("about:blank")
        await page.goto(f"{site.url}/page.html#{json.dumps(given)}")
        await page.wait_for_function("window.ready")
        return page

    return visit


@pytest.fixture
def stored(module_dsn: str) -> Stored:
    """How often the server has stored each `n` of an event, once there are as many as expected."""

    async def read(event: str) -> Counter[int]:
        connection = await asyncpg.connect(module_dsn)
        try:
            rows = await connection.fetch("SELECT properties->>'n' AS n FROM events WHERE name = $1", event)
        finally:
            await connection.close()
        return Counter(int(row["n"]) for row in rows)

    async def wait(event: str, expected: int) -> Counter[int]:
        async def enough() -> Counter[int] | None:
            found = await read(event)
            return found if len(found) >= expected else None

        found = await eventually(enough)
        assert found is not None
        return found

    return wait


async def came(check: Callable[[], bool]) -> None:
    """Wait for something that needs no waiting to be looked at."""

    async def look() -> bool:
        return check()

    await eventually(look)


def once(n: int) -> Counter[int]:
    return Counter(range(n))


async def navigate(page: Page) -> None:
    await page.goto("about:blank")


async def close(page: Page) -> None:
    await page.close()


async def bounce(page: Page) -> None:
    """The visitor is gone 30 ms after the last event."""
    async with page.expect_event("framenavigated"):
        await page.evaluate("() => void setTimeout(() => { location.href = 'about:blank' }, 30)")


@pytest.mark.parametrize("leave", [navigate, close, bounce])
async def test_nothing_is_lost_when_a_page_is_left(visit: Visit, event: str, stored: Stored, leave: Leave) -> None:
    """Ten visits of twenty events each, every page left before its timer would send, and no page after the last."""
    for turn in range(10):
        page = await visit(flushAt=1_000, flushIntervalMs=600_000)
        await page.evaluate("([event, from, to]) => many(event, from, to)", [event, turn * 20, turn * 20 + 20])
        await leave(page)
    assert await stored(event, 200) == once(200)


async def test_what_does_not_fit_into_the_last_request_waits_for_the_next_page(
    visit: Visit, event: str, stored: Stored
) -> None:
    page = await visit(flushAt=1_000, flushIntervalMs=600_000)
    await page.evaluate("event => many(event, 0, 400)", event)
    await navigate(page)
    await visit(page)
    assert await stored(event, 400) == once(400)


async def test_a_reload_without_a_network_loses_and_repeats_nothing(
    visit: Visit, backend: Backend, event: str, stored: Stored
) -> None:
    page = await visit()
    backend.state = "away"
    await page.evaluate("event => many(event, 0, 30)", event)
    await page.reload()
    await page.wait_for_function("window.ready")
    await page.evaluate("event => many(event, 30, 60)", event)
    await came(lambda: any(request.status == 0 for request in backend.batches()))
    backend.state = "up"
    await page.evaluate("dispatchEvent(new Event('online'))")
    await stored(event, 60)
    await page.evaluate("cdp.flush()")
    assert await stored(event, 60) == once(60)


async def test_an_answer_that_is_lost_makes_nothing_count_twice(
    visit: Visit, backend: Backend, event: str, stored: Stored
) -> None:
    page = await visit()
    backend.state = "deaf"
    await page.evaluate("event => many(event, 0, 40)", event)
    await stored(event, 40)
    backend.state = "up"
    await page.evaluate("dispatchEvent(new Event('online'))")
    await came(lambda: len(backend.arrived(event)) == 40)
    assert await stored(event, 40) == once(40)


async def test_two_tabs_lose_and_repeat_nothing(visit: Visit, backend: Backend, event: str, stored: Stored) -> None:
    tabs = [await visit(), await visit()]
    for n in range(0, 100, 10):
        await tabs[0].evaluate("([event, n]) => many(event, n, n + 10)", [event, n])
        await tabs[1].evaluate("([event, n]) => many(event, n, n + 10)", [event, 100 + n])
    assert await stored(event, 200) == once(200)
    # What one tab removes from the storage, another may see a moment later, and send again. Without one sender for
    # both, each of them would send nearly all.
    assert set(backend.arrived(event)) == set(once(200))
    assert backend.arrived(event).total() < 300


_REST = """() => new Promise((done) => {
  const { port1, port2 } = new MessageChannel()
  port1.onmessage = done
  port2.postMessage(0)
})"""


async def _turn(page: Page, seconds: int) -> None:
    """Let the page's clock go on, with a rest after each step in which answers arrive."""
    for _ in range(seconds * 2):
        await page.clock.run_for(500)
        await page.evaluate(_REST)


async def test_a_busy_server_is_left_in_peace(
    visit: Visit, visitor: BrowserContext, backend: Backend, event: str
) -> None:
    page = await visitor.new_page()
    await page.clock.install()
    await visit(page)
    backend.state = "busy"
    await page.evaluate("event => many(event, 0, 30)", event)
    await came(lambda: bool(backend.batches()))
    await _turn(page, 20)
    assert 1 <= len(backend.batches()) <= 3
    assert [problem["code"] for problem in await page.evaluate("problems")] == ["SERVER"]


async def test_a_blocker_causes_no_loop(visit: Visit, visitor: BrowserContext, event: str) -> None:
    tried: list[str] = []
    page = await visitor.new_page()
    await page.clock.install()
    await visit(page)

    async def block(route: Route) -> None:
        tried.append(route.request.url)
        await route.abort("blockedbyclient")

    await page.route("**/v1/batch", block)
    for n in range(30):
        await page.evaluate("([event, n]) => many(event, n, n + 1)", [event, n])
        await _turn(page, 1)
    assert 1 <= len(tried) <= 5
    assert [problem["code"] for problem in await page.evaluate("problems")] == ["NETWORK"]


async def test_eight_tabs_share_one_stream(visit: Visit, backend: Backend, keys: dict[str, str]) -> None:
    tabs = [await visit(**keys) for _ in range(8)]
    for tab in tabs:
        await tab.wait_for_function("cdp.peek('pro')")
    await came(lambda: backend.streams == 1)
    await tabs[5].evaluate("cdp.identify(`ada-${Math.random()}`, { plan: 'pro' })")
    for tab in tabs[5:]:
        await tab.wait_for_function("cdp.peek('pro')?.value === true")
    await came(lambda: backend.streams == 1)  # the proxy may see the new one begin before the former ends
    await tabs[0].close()
    await came(lambda: backend.streams == 1)
    await tabs[6].evaluate("cdp.identify({ plan: 'free' })")
    for tab in tabs[1:]:
        await tab.wait_for_function("cdp.peek('pro')?.value === false")
    assert backend.streams == 1


async def test_a_decision_includes_what_the_page_sent_before(visit: Visit, keys: dict[str, str]) -> None:
    page = await visit(**keys)
    assert await page.evaluate("cdp.decide('bought').then((answer) => answer.value)") is False
    asked = "(cdp.track('bought'), cdp.decide('bought').then((answer) => answer.value))"
    assert await page.evaluate(asked) is True


REFUSED = "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError') } })"
FULL = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }"


@pytest.mark.parametrize("storage", [REFUSED, FULL], ids=["refused", "full"])
async def test_without_storage_events_are_kept_in_memory(
    visit: Visit, visitor: BrowserContext, event: str, stored: Stored, storage: str
) -> None:
    await visitor.add_init_script(storage)
    page = await visit()
    await page.evaluate("event => many(event, 0, 30)", event)
    await page.evaluate("cdp.flush()")
    assert await stored(event, 30) == once(30)
    assert {problem["code"] for problem in await page.evaluate("problems")} <= {"STORAGE"}
    assert len(await page.evaluate("problems")) <= 1


async def test_a_wrong_key_is_reported_once_and_asked_no_more(visit: Visit, backend: Backend, event: str) -> None:
    page = await visit(writeKey="not-a-key")
    for n in range(3):
        await page.evaluate("([event, n]) => { many(event, n, n + 1); return cdp.flush() }", [event, n])
    problems = await page.evaluate("problems")
    assert [problem["code"] for problem in problems] == ["INVALID_KEY"]
    assert len(backend.batches()) <= 3


async def test_a_wrong_address_is_reported_once(visit: Visit, site: Site, event: str) -> None:
    page = await visit(endpoint=site.url)  # a site that is no TinyCDP
    for n in range(3):
        await page.evaluate("([event, n]) => { many(event, n, n + 1); return cdp.flush() }", [event, n])
    assert len(await page.evaluate("problems")) == 1


async def test_a_wrong_clock_is_corrected(
    visit: Visit, visitor: BrowserContext, event: str, module_dsn: str, stored: Stored
) -> None:
    page = await visitor.new_page()
    await page.clock.install(time="2031-05-01T00:00:00Z")
    await visit(page)
    await page.evaluate("event => { many(event, 0, 1); return cdp.flush() }", event)
    await stored(event, 1)

    connection = await asyncpg.connect(module_dsn)
    try:
        occurred = await connection.fetchval("SELECT occurred_at FROM events WHERE name = $1", event)
    finally:
        await connection.close()
    assert "2031" not in str(occurred)


async def test_a_message_too_large_is_reported_and_the_others_are_sent(
    visit: Visit, event: str, stored: Stored
) -> None:
    page = await visit()
    await page.evaluate("event => cdp.track(event, { n: 99, text: 'x'.repeat(40_000) })", event)
    await page.evaluate("event => { many(event, 0, 5); return cdp.flush() }", event)
    assert [problem["code"] for problem in await page.evaluate("problems")] == ["EVENT_TOO_LARGE"]
    assert await stored(event, 5) == once(5)


async def test_without_consent_nothing_is_stored_and_nothing_sent(visit: Visit, backend: Backend, event: str) -> None:
    page = await visit(consent=False)
    await page.evaluate("event => { many(event, 0, 5); return cdp.flush() }", event)
    assert await page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    assert backend.batches() == []
    await page.evaluate("cdp.setConsent(true)")
    await page.evaluate("event => many(event, 5, 6)", event)
    assert await page.evaluate("localStorage.length") > 0
    await page.evaluate("cdp.setConsent(false)")
    assert await page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
