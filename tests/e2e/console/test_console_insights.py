"""Questions of analytics in the console, answered by a real ClickHouse."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, expect

from browser import accessible
from console import PHONE, Open, built_console, heading
from serving import READ_KEY, Server, bearer, served, until
from tinycdp.runtime import clock
from tinycdp.times import iso

pytestmark = pytest.mark.analytics
HOUR_MS = 3_600_000
TREND = "/v1/analytics/query"


@pytest.fixture(scope="module")
async def site(module_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """Six people buy, four of them in Germany, and one views."""
    pytest.importorskip("chdb", reason="the extra `analytics` is not installed")
    built_console()
    with served(tmp_path_factory.mktemp("insights"), dsn=module_dsn, analytics="true") as running:
        now = clock.now()
        for n in range(6):
            properties = {"country": "DE" if n < 4 else "AT", "amount": 10 * n}
            at = iso(now - n * HOUR_MS)
            running.track({"userId": f"buyer-{n}", "event": "purchase", "timestamp": at, "properties": properties})
        running.track({"userId": "viewer", "event": "view"})
        asked = {"kind": "trend", "last": "7d", "series": [{"event": "*", "measure": "people"}]}

        def copied() -> bool:
            answer = running.http.post(TREND, json=asked, headers=bearer(READ_KEY))
            return answer.status_code == 200 and answer.json()["lines"][0]["total"] == 7

        until(copied)
        yield running


async def choose(page: Page, field: str, text: str) -> None:
    box = page.get_by_label(field, exact=True)
    await box.fill(text)
    await page.keyboard.press("Enter")


async def test_a_trend_is_built_opened_kept_and_shared(console: Open, axe: str) -> None:
    async with console("/insights") as page:
        await expect(heading(page)).to_have_text("Trends")
        await choose(page, "Event of series A", "purchase")
        await page.get_by_label("Measure of series A").select_option("people")
        table = page.get_by_role("region", name="Table of the answer")
        whole = table.get_by_role("row").nth(1).get_by_role("button", name="the whole range")
        await expect(whole).to_have_text("6")
        # What is asked is in the address, and a reload asks it again.
        await page.reload()
        await expect(whole).to_have_text("6")

        await page.get_by_role("button", name="+ Filter").click()
        await page.get_by_label("Filter of series A").fill('country == "DE"')
        await expect(whole).to_have_text("4")
        await page.get_by_label("Filter of series A").fill("country ==")
        problem = page.locator(".problem, [role=alert]").first
        await expect(problem).to_be_visible()
        await page.get_by_label("Filter of series A").fill('country == "DE"')
        await expect(whole).to_have_text("4")
        await accessible(page, axe, "a trend")

        await whole.click()
        people = page.get_by_role("dialog")
        await expect(people.get_by_role("link", name="buyer-0")).to_be_visible()
        await people.get_by_role("button", name="Make a segment of them").click()
        await people.get_by_label("Key of the segment").fill("germans")
        await people.get_by_role("button", name="Make a segment of 4").click()
        await expect(people.get_by_role("status")).to_contain_text("has 4 people")
        await accessible(page, axe, "the people of a number")
        await page.keyboard.press("Escape")
        await expect(people).to_have_count(0)

        await page.get_by_role("button", name="Save", exact=True).click()
        await page.get_by_label("Name", exact=True).fill("Buyers of Germany")
        await page.get_by_role("dialog").get_by_role("button", name="Save").click()
        await expect(page.locator(".report-name")).to_contain_text("Buyers of Germany")

    async with console("/insights/saved", key=READ_KEY, size=PHONE) as page:
        await expect(heading(page)).to_have_text("Saved reports")
        await accessible(page, axe, "saved reports")
        await page.get_by_role("link", name="Buyers of Germany").click()
        await expect(page.locator(".totals")).to_contain_text("4")
        await expect(page.get_by_role("button", name="Save")).to_have_count(0)
        await accessible(page, axe, "a report on a phone")


async def test_a_report_is_renamed_and_deleted(console: Open) -> None:
    async with console("/insights/trends?series.0.event=view&last=7d") as page:
        await page.get_by_role("button", name="Save", exact=True).click()
        await page.get_by_label("Name", exact=True).fill("Views")
        await page.get_by_role("dialog").get_by_role("button", name="Save").click()
        await expect(page.locator(".report-name")).to_contain_text("Views")
        await page.get_by_role("navigation", name="Kinds of insights").get_by_role("link", name="Saved").click()
        row = page.get_by_role("row", name="Views")
        await row.get_by_text("Actions for views").click()
        await page.get_by_role("button", name="Rename").click()
        await page.get_by_label("Name", exact=True).fill("Looks")
        await page.get_by_role("dialog").get_by_role("button", name="Rename").click()
        row = page.get_by_role("row", name="Looks")
        await row.get_by_text("Actions for views").click()
        await page.get_by_role("button", name="Delete").click()
        await page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
        await expect(row).to_have_count(0)
