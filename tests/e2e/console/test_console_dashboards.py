"""Dashboards in the console, whose tiles a real ClickHouse answers."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, expect

from browser import accessible
from console import PHONE, Open, built_console, heading
from serving import ADMIN_KEY, READ_KEY, Server, bearer, served, until
from tinycdp.runtime import clock
from tinycdp.times import iso

pytestmark = pytest.mark.analytics
DASHBOARDS = "/v1/analytics/dashboards"
PEOPLE = {"kind": "trend", "last": "7d", "series": [{"event": "purchase", "measure": "people"}]}


@pytest.fixture(scope="module")
async def site(module_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """Five people buy, and a sixth did 20 days ago."""
    pytest.importorskip("chdb", reason="the extra `analytics` is not installed")
    built_console()
    with served(tmp_path_factory.mktemp("dashboards"), dsn=module_dsn, analytics="true") as running:
        at = iso(clock.now() - 60_000)
        for n in range(5):
            running.track({"userId": f"buyer-{n}", "event": "purchase", "timestamp": at})
        long_ago = iso(clock.now() - 20 * 86_400_000)
        running.track({"userId": "buyer-of-then", "event": "purchase", "timestamp": long_ago})

        def copied() -> bool:
            answer = running.http.post("/v1/analytics/query", json=PEOPLE | {"last": "30d"}, headers=bearer(READ_KEY))
            return answer.status_code == 200 and answer.json()["lines"][0]["total"] == 6

        until(copied)
        yield running


def put(site: Server, key: str, document: dict[str, object]) -> None:
    answer = site.http.put(f"{DASHBOARDS}/{key}", json=document, headers=bearer(ADMIN_KEY))
    assert answer.status_code in {200, 201}, answer.text


def tiles_of(site: Server, key: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = site.http.get(f"{DASHBOARDS}/{key}", headers=bearer(READ_KEY)).json()["document"][
        "tiles"
    ]
    return found


async def choose(page: Page, item: str) -> None:
    await page.get_by_role("button", name="Add", exact=True).click()
    await page.get_by_role("button", name=item).click()


async def test_a_trend_becomes_a_tile_that_is_arranged_and_kept(console: Open, site: Server, axe: str) -> None:
    async with console("/insights/trends?series.0.event=purchase&series.0.measure=people&last=7d") as page:
        await page.get_by_role("button", name="Add to dashboard").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Name of the dashboard").fill("Monday")
        await dialog.get_by_label("Title of the tile").fill("Buyers")
        await dialog.get_by_role("button", name="Add").click()
        await dialog.get_by_role("link", name="Monday").click()

        await expect(heading(page)).to_have_text("Monday")
        buyers = page.get_by_role("region", name="Buyers", exact=True)
        await expect(buyers.locator(".tile-total")).to_have_text("5")
        await expect(buyers.get_by_role("status")).to_contain_text("As of")
        await buyers.locator(".tile-total").get_by_role("button").click()
        await page.reload()
        await expect(dialog.get_by_role("link", name="buyer-4")).to_be_visible()
        await page.keyboard.press("Escape")

        await page.keyboard.press("e")
        await choose(page, "Text")
        await page.get_by_label("Text", exact=True).fill("# What we sell\n\nSee **[people](/users)**.")
        await page.get_by_role("dialog").get_by_role("button", name="Add it").click()
        # A kind of question without a view of its own shows the table of its answer.
        await choose(page, "Question as JSON")
        await page.get_by_label("Question", exact=True).fill('{"kind": "active", "last": "7d", "days": [7]}')
        await page.get_by_label("Title").fill("Active")
        await page.get_by_role("dialog").get_by_role("button", name="Add it").click()
        await expect(page.get_by_role("table").last).to_contain_text("People")

        text = page.get_by_role("button", name="Move or resize Text")
        await text.focus()
        await page.keyboard.press("ArrowLeft")
        await expect(text).to_be_focused()
        await page.keyboard.press("Shift+ArrowDown")
        await expect(page.get_by_label("Height of Text")).to_have_value("3")
        await page.get_by_role("button", name="Move or resize Active").drag_to(
            page.get_by_role("button", name="Move or resize Buyers")
        )
        await page.get_by_label("Width of Buyers").select_option("12")
        # Nothing is lost by a reload, and nothing is saved by it.
        await page.reload()
        await expect(page.get_by_label("Width of Buyers")).to_have_value("12")
        assert len(tiles_of(site, "monday")) == 1
        await accessible(page, axe, "a dashboard that is edited")
        await page.keyboard.press("Control+s")
        await expect(heading(page)).to_have_text("Monday")
        await expect(page.locator(".tile").first).to_have_attribute("aria-label", "Text")

    kept = tiles_of(site, "monday")
    assert [tile.get("title", "text") for tile in kept] == ["text", "Active", "Buyers"]
    assert kept[0]["height"] == 3 and kept[2]["width"] == 12

    async with console("/dashboards/monday?last=30d", key=READ_KEY, size=PHONE) as page:
        total = page.get_by_role("region", name="Buyers", exact=True).locator(".tile-total")
        await expect(total).to_have_text("6")
        await page.get_by_label("Range of all tiles").select_option("")
        await expect(total).to_have_text("5")
        await expect(page.get_by_role("button", name="Edit")).to_have_count(0)
        await accessible(page, axe, "a dashboard on a phone")


async def test_what_another_person_saved_is_never_overwritten(console: Open, site: Server, axe: str) -> None:
    put(site, "shared", {"name": "Shared", "tiles": [{"text": "First"}, {"text": "Second"}]})
    async with console("/dashboards/shared?edit=yes") as page:
        await page.get_by_role("button", name="Remove Text").first.click()
        await expect(page.locator(".tile")).to_have_count(1)
        put(site, "shared", {"name": "Shared", "tiles": [{"text": "Theirs"}]})
        await page.get_by_role("button", name="Save").click()
        conflict = page.get_by_role("alert")
        await expect(conflict).to_contain_text("saved version 2")
        await expect(page.locator(".tile-text")).to_have_text("Second")
        assert tiles_of(site, "shared") == [{"text": "Theirs"}]
        await accessible(page, axe, "a dashboard in conflict")
        await conflict.get_by_role("button", name="Go on with yours").click()

        # What the server has against a tile stands in it.
        await choose(page, "Question as JSON")
        await page.get_by_label("Question", exact=True).fill('{"kind": "trend", "last": "7d", "series": []}')
        await page.get_by_role("dialog").get_by_role("button", name="Add it").click()
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("region", name="Question", exact=True).locator(".tile-problem")).to_have_text(
            "Give 1 to 26 series, not 0."
        )
        await page.get_by_role("button", name="Remove Question").click()
        await page.get_by_role("button", name="Save").click()
        await expect(heading(page)).to_have_text("Shared")
        assert tiles_of(site, "shared") == [{"text": "Second"}]

        await page.get_by_role("button", name="More").click()
        await page.get_by_role("button", name="Versions").click()
        await page.get_by_role("dialog").get_by_role("button", name="Restore").last.click()
        await page.get_by_role("alertdialog").get_by_role("button", name="Restore").click()
        await expect(page.locator(".tile")).to_have_count(2)


async def test_what_another_person_deleted_is_saved_anew(console: Open, site: Server) -> None:
    put(site, "lost", {"name": "Lost", "tiles": [{"text": "First"}, {"text": "Second"}]})
    async with console("/dashboards/lost?edit=yes") as page:
        await page.get_by_role("button", name="Remove Text").first.click()
        await page.get_by_role("button", name="Discard draft").click()
        await expect(page.locator(".tile")).to_have_count(2)
        await page.get_by_role("button", name="Bring it back").click()
        await expect(page.locator(".tile-text")).to_have_text("Second")

        site.http.delete(f"{DASHBOARDS}/lost", headers=bearer(ADMIN_KEY)).raise_for_status()
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("alert")).to_contain_text("Lost was deleted. Your draft is kept")
        # The draft outlives a reload, though there is no dashboard to begin from.
        await page.reload()
        await expect(page.get_by_role("alert")).to_contain_text("lost was deleted. Your draft is kept")
        await expect(page.locator(".tile-text")).to_have_text("Second")
        await page.get_by_role("button", name="Save").click()
        await expect(heading(page)).to_have_text("lost")
    assert tiles_of(site, "lost") == [{"text": "Second"}]


async def test_dashboards_are_found_renamed_and_deleted(console: Open, site: Server, axe: str) -> None:
    put(site, "sales", {"name": "Sales", "description": "Of the shop"})
    put(site, "support", {"name": "Support"})
    async with console("/dashboards") as page:
        await expect(page.get_by_role("link", name="Support")).to_be_visible()
        await page.keyboard.press("/")
        await page.keyboard.type("of the shop")
        await expect(page.get_by_role("link", name="Support")).to_have_count(0)
        row = page.get_by_role("row", name="Sales")
        await row.get_by_text("Actions for sales").click()
        await page.get_by_role("button", name="Rename").click()
        await page.get_by_label("Name", exact=True).fill("Turnover")
        await page.get_by_label("Key", exact=True).fill("turnover")
        await page.get_by_role("dialog").get_by_role("button", name="Rename").click()
        row = page.get_by_role("row", name="Turnover")
        await accessible(page, axe, "the list of dashboards")
        await row.get_by_text("Actions for turnover").click()
        await page.get_by_role("button", name="Delete").click()
        await page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
        await expect(row).to_have_count(0)
    answer = site.http.get(f"{DASHBOARDS}/turnover", headers=bearer(READ_KEY))
    assert answer.status_code == 404
