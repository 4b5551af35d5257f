"""What people do one after another, in the console, answered by a real ClickHouse."""

from collections.abc import AsyncIterator

import pytest
import yaml
from playwright.async_api import Locator, Page, expect

from browser import accessible
from console import PHONE, Open, built_console, heading
from serving import ADMIN_KEY, READ_KEY, Server, bearer, define, served, until
from tinycdp import resources
from tinycdp.runtime import clock
from tinycdp.times import iso

pytestmark = pytest.mark.analytics
MINUTE_MS, DAY_MS = 60_000, 86_400_000


@pytest.fixture(scope="module")
async def site(module_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """Of eight people who view something, six put it into the cart, and four of these buy it; others come back."""
    pytest.importorskip("chdb", reason="the extra `analytics` is not installed")
    built_console()
    with served(tmp_path_factory.mktemp("journeys"), dsn=module_dsn, analytics="true") as running:
        await define(module_dsn, yaml.safe_load(resources.read_text("dsl/examples/shop.yaml")), clock.now())
        events = [*_shoppers(clock.now()), *_visitors(clock.now()), *_buyers(clock.now())]
        assert running.batch(events).status_code < 300
        assert running.batch(_exposures(clock.now())).status_code < 300
        asked = {"kind": "trend", "last": "30d", "series": [{"event": "*"}]}

        def copied() -> bool:
            answer = running.http.post("/v1/analytics/query", json=asked, headers=bearer(READ_KEY))
            return answer.status_code == 200 and answer.json()["lines"][0]["total"] == len(events)

        until(copied)
        until(lambda: _units(running, "price_level") == 120 and _units(running, "shipping_offer") == 130)
        yield running


def _units(site: Server, flag: str) -> int:
    asked = {"kind": "experiment", "last": "30d", "flag": flag, "metrics": [{"event": "order"}]}
    answer = site.http.post("/v1/analytics/query", json=asked, headers=bearer(READ_KEY))
    return sum(one["units"] for one in answer.json()["variants"]) if answer.status_code == 200 else 0


def _shoppers(now: int) -> list[dict[str, object]]:
    """One of them viewed it again after the cart. The view of another is too long ago to be still in progress."""

    def track(user: int, event: str, at: int) -> dict[str, object]:
        return {"type": "track", "event": event, "userId": f"shopper-{user}", "timestamp": iso(at)}

    begun = now - 2 * DAY_MS
    views = [track(n, "view", begun if n < 7 else now - 20 * DAY_MS) for n in range(8)]
    carts = [track(n, "cart", begun + MINUTE_MS) for n in range(6)]
    buys = [track(n, "purchase", begun + 5 * MINUTE_MS) for n in range(4)]
    return [*views, *carts, *buys, track(0, "view", begun + 2 * MINUTE_MS)]


def _visitors(now: int) -> list[dict[str, object]]:
    """Four of the week before the last one, of whom two came back a week later."""

    def visit(user: int, at: int) -> dict[str, object]:
        return {"type": "track", "event": "visit", "userId": f"visitor-{user}", "timestamp": iso(at)}

    return [*(visit(n, now - 14 * DAY_MS) for n in range(4)), *(visit(n, now - 7 * DAY_MS) for n in range(2))]


SPLITS = {
    ("price_level", "price_test"): {"regular": 60, "lower": 60},
    ("shipping_offer", "experiment"): {"none": 90, "over_50": 20, "over_30": 20},
}


def _exposures(now: int) -> list[dict[str, object]]:
    """Two days ago. One person who was given the regular price got the lower one yesterday."""

    def exposure(flag: str, rule: str, variant: str, user: str, at: int) -> dict[str, object]:
        properties = {"flag": flag, "variant": variant, "rule": rule}
        return {"type": "exposure", "userId": user, "timestamp": iso(at), "properties": properties}

    first = [
        exposure(flag, rule, variant, f"{variant}-{n}", now - 2 * DAY_MS)
        for (flag, rule), variants in SPLITS.items()
        for variant, units in variants.items()
        for n in range(units)
    ]
    return [*first, exposure("price_level", "price_test", "lower", "regular-59", now - DAY_MS)]


def _buyers(now: int) -> list[dict[str, object]]:
    """All of them look; ten order at the regular price, thirty at the lower one."""

    def track(event: str, user: str) -> dict[str, object]:
        return {"type": "track", "event": event, "userId": user, "timestamp": iso(now - 2 * DAY_MS + MINUTE_MS)}

    looks = [
        track("look", f"{variant}-{n}")
        for variants in SPLITS.values()
        for variant, units in variants.items()
        for n in range(units)
    ]
    orders = [
        track("order", f"{variant}-{n}") for variant, most in (("regular", 10), ("lower", 30)) for n in range(most)
    ]
    return [*looks, *orders]


async def choose(page: Page, field: str, text: str) -> None:
    await page.get_by_label(field, exact=True).fill(text)
    await page.keyboard.press("Enter")


def table_of(page: Page) -> Locator:
    return page.get_by_role("region", name="Table of the answer")


async def test_a_funnel_is_put_in_another_order_and_opens_its_people(console: Open, axe: str) -> None:
    async with console("/insights/funnels") as page:
        await expect(heading(page)).to_have_text("Funnels")
        await expect(page.get_by_text("Choose the event of each step.")).to_be_visible()
        await choose(page, "Event of step 1", "view")
        await choose(page, "Event of step 2", "cart")
        await page.get_by_role("button", name="Step", exact=True).click()
        await choose(page, "Event of step 3", "purchase")
        rows = table_of(page).get_by_role("row")
        first, second, third = rows.nth(1), rows.nth(2), rows.nth(3)
        await expect(third.get_by_role("cell").first).to_have_text("4")
        # Eight began. One may still put it into the cart; the other came too long ago.
        await expect(first.get_by_role("button", name="Still in progress after 1 view")).to_have_text("1")
        await expect(first.get_by_role("button", name="Dropped after 1 view")).to_have_text("1")
        await accessible(page, axe, "a funnel")

        await first.get_by_role("button", name="Dropped after 1 view").click()
        people = page.get_by_role("dialog")
        await expect(people.get_by_role("link", name="shopper-7")).to_be_visible()
        await expect(people).to_contain_text("1 person")
        await page.keyboard.press("Escape")
        await expect(people).to_have_count(0)

        # The whole funnel's numbers, and the times, open theirs.
        await page.get_by_role("button", name="3, Still in progress", exact=True).click()
        await expect(people.get_by_role("heading", level=2)).to_have_text("Still in progress")
        await expect(people.get_by_role("link", name="shopper-6")).to_be_visible()
        await page.keyboard.press("Escape")
        await page.get_by_role("button", name="4, Converted, 5 min to 15 min", exact=True).click()
        await expect(people.get_by_role("link", name="shopper-3")).to_be_visible()
        await expect(people).to_contain_text("4 people")
        await page.keyboard.press("Escape")

        # The steps change places by the keyboard, and the focus goes with the one that was moved.
        await page.get_by_role("button", name="Step 1.").focus()
        await page.keyboard.press("Alt+ArrowDown")
        await expect(page.get_by_label("Event of step 1", exact=True)).to_have_value("cart")
        await expect(page.get_by_role("button", name="Step 2.")).to_be_focused()
        await expect(second.get_by_role("cell").first).to_have_text("1")
        await page.reload()
        await expect(first.get_by_role("rowheader")).to_have_text("1 cart")
        await second.get_by_role("button", name="Reached 2 view").click()
        await expect(people.get_by_role("link", name="shopper-0")).to_be_visible()
        address = page.url

    # What a link shows is the same for a person who may only read.
    path = address[address.index("/insights") :].split("#")[0]
    async with console(path, key=READ_KEY, size=PHONE, theme="dark") as page:
        await expect(page.get_by_role("dialog").get_by_role("link", name="shopper-0")).to_be_visible()
        await expect(page.get_by_role("button", name="Make a segment of them")).to_have_count(0)
        await accessible(page, axe, "the people of a funnel on a phone")


async def test_a_funnel_is_saved_and_opens_on_its_page(console: Open) -> None:
    async with console("/insights/funnels?last=30d&steps.0.event=view&steps.1.event=purchase") as page:
        await page.get_by_role("button", name="Save", exact=True).click()
        await page.get_by_label("Name", exact=True).fill("Buyers")
        await page.get_by_role("dialog").get_by_role("button", name="Save").click()
        await expect(page.locator(".report-name")).to_contain_text("Buyers")
        await page.get_by_role("navigation", name="Kinds of insights").get_by_role("link", name="Saved").click()
        await page.get_by_role("link", name="Buyers").click()
        await expect(heading(page)).to_have_text("Funnels")
        await expect(table_of(page).get_by_role("row").nth(2).get_by_role("cell").first).to_have_text("4")
        async with page.expect_download() as given:
            await page.get_by_text("Export", exact=True).click()
            await page.get_by_role("button", name="SVG").click()
        drawn = (await (await given.value).path()).read_text()
        assert "still in progress before it" in drawn and "2 purchase" in drawn


async def test_a_retention_opens_the_people_of_a_cell(console: Open, axe: str) -> None:
    async with console("/insights/retention?last=30d&bucket=week") as page:
        await expect(heading(page)).to_have_text("Retention")
        await choose(page, "Start event", "visit")
        await choose(page, "Return event", "visit")
        cohorts = page.get_by_role("region", name="Retention of Everyone")
        back = cohorts.get_by_role("button", name="back in week 1")
        await expect(back).to_have_text("50 %")
        await page.get_by_label("Numbers of people").check()
        await expect(back).to_have_text("2")
        await accessible(page, axe, "a retention")
        await back.click()
        people = page.get_by_role("dialog")
        await expect(people.get_by_role("link", name="visitor-1")).to_be_visible()
        await expect(people.get_by_role("link", name="visitor-2")).to_have_count(0)
        await page.reload()
        await expect(people.get_by_role("link", name="visitor-1")).to_be_visible()
        await page.keyboard.press("Escape")

        await page.get_by_role("navigation", name="Kinds of insights").get_by_role("link", name="Lifecycle").click()
        await choose(page, "People with", "visit")
        # Until it is answered anew, the table is of all events, with a button for more than one week.
        await expect(table_of(page).get_by_role("button", name="New in the week from").first).to_have_text("4")
        await table_of(page).get_by_role("button", name="Returning in the week from").click()
        await expect(people.get_by_role("link", name="visitor-0")).to_be_visible()
        await page.keyboard.press("Escape")
        await accessible(page, axe, "a lifecycle")

        await page.get_by_role("navigation", name="Kinds of insights").get_by_role("link", name="Stickiness").click()
        await page.get_by_label("Range").select_option("30d")
        await choose(page, "People with", "visit")
        twice = table_of(page).get_by_role("button", name="Active in exactly 2 days")
        await expect(twice).to_have_text("2")
        await twice.click()
        await expect(people).to_contain_text("2 people")
        await page.keyboard.press("Escape")
        await accessible(page, axe, "a stickiness")


async def test_paths_open_the_people_of_a_link(console: Open, axe: str) -> None:
    async with console("/insights/paths?last=30d") as page:
        await expect(heading(page)).to_have_text("Paths")
        link = page.get_by_role("button", name="Step 1: view → cart")
        await expect(link).to_have_text("6")
        await expect(page.get_by_role("region", name="Paths as a drawing")).to_contain_text("view")
        await accessible(page, axe, "paths")
        await page.get_by_label("Paths", exact=True).select_option("end")
        await choose(page, "Up to", "purchase")
        before = page.get_by_role("button", name="Step 1: cart → purchase")
        await before.click()
        people = page.get_by_role("dialog")
        await expect(people.get_by_role("link", name="shopper-3")).to_be_visible()
        await expect(people).to_contain_text("people")
        await page.reload()
        await expect(people.get_by_role("link", name="shopper-3")).to_be_visible()


async def test_an_experiment_says_first_whether_its_split_can_be_trusted(console: Open, site: Server, axe: str) -> None:
    async with console("/experiments") as page:
        await expect(heading(page)).to_have_text("Experiments")
        await expect(page.get_by_role("row", name="shipping_offer")).to_contain_text("mismatch")
        await expect(page.get_by_role("row", name="price_level")).to_contain_text("as declared")
        await accessible(page, axe, "the experiments")
        await page.get_by_role("link", name="price_level").click()
        await choose(page, "Event of metric 1", "order")
        await page.get_by_label("Time of metric 1 after the exposure").fill("1d")
        await expect(page.get_by_role("region", name="Sample ratio")).to_contain_text("divided as the flag says")
        await expect(page.get_by_text("Higher than regular")).to_be_visible()
        await accessible(page, axe, "an experiment")

        people = page.get_by_role("dialog")
        await page.get_by_role("button", name="lower, order: converted").click()
        await expect(people).to_contain_text("30 people")
        await page.keyboard.press("Escape")
        await page.get_by_role("button", name="First regular, then another variant").click()
        await expect(people.get_by_role("link", name="regular-59")).to_be_visible()
        await page.keyboard.press("Escape")

        await page.get_by_role("button", name="Save", exact=True).click()
        await page.get_by_label("Name", exact=True).fill("Prices")
        await page.get_by_role("dialog").get_by_role("button", name="Save").click()
        await expect(page.locator(".report-name")).to_contain_text("Prices")
        await page.get_by_role("link", name="Insights").click()
        await page.get_by_role("navigation", name="Kinds of insights").get_by_role("link", name="Saved").click()
        await page.get_by_role("link", name="Prices").click()
        await expect(heading(page)).to_have_text("price_level")
        await expect(page.get_by_text("Higher than regular")).to_be_visible()

    # Saved metrics are compared as soon as an experiment is opened.
    metric = {"event": "order", "measure": "conversion", "within": "1d"}
    saved = site.http.put("/v1/analytics/metrics/ordering", json=metric, headers=bearer(ADMIN_KEY))
    assert saved.status_code == 201, saved.text
    async with console("/experiments/price_level") as page:
        await expect(page.get_by_label("What metric 1 is")).to_have_value("ordering")
        await expect(page.get_by_text("Higher than regular")).to_be_visible()

    address = "/experiments/shipping_offer?metrics.0.event=order&metrics.0.within=1d"
    async with console(address, key=READ_KEY, size=PHONE, theme="dark") as page:
        await expect(page.get_by_role("alert", name="Sample ratio")).to_contain_text("Sample-ratio mismatch")
        # It warns above all, and hides nothing.
        await expect(page.get_by_role("heading", name="order")).to_be_visible()
        await expect(page.get_by_role("button", name="First exposed to none")).to_have_text("90")
        await accessible(page, axe, "an experiment with a mismatch on a phone")
