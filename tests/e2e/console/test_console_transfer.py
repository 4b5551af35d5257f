"""The console's pages of files and of the audit log: import from a mapping to done, export, look up who did it."""

import asyncio
import csv
import io
import re
from pathlib import Path

from playwright.async_api import Download, Page, expect

from console import Open, heading
from serving import ADMIN_KEY, READ_KEY, Server, bearer

TABLE = (
    "customer,ordered,what,amount,zip\n"
    "mia,2026-01-01T10:00:00Z,purchase,19.99,01234\n"
    ",2026-01-02T10:00:00Z,purchase,5,01234\n"
    "noa,2026-01-03T10:00:00Z,purchase,7,01234\n"
)


async def saved(download: Download) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(await text_of(download), newline="")))


async def text_of(download: Download) -> str:
    return (await asyncio.to_thread(Path(await download.path()).read_bytes)).decode()


async def press(page: Page, name: str) -> None:
    await page.get_by_role("button", name=name, exact=True).click()


async def test_a_file_is_mapped_tried_imported_and_looked_up(console: Open, site: Server, tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(TABLE)
    async with console("/imports") as page:
        await expect(heading(page)).to_have_text("Imports")
        await press(page, "New import")
        dialog = page.get_by_role("dialog", name="New import")
        await dialog.get_by_label("File", exact=True).set_input_files(file)
        # The customer is guessed; what is an event and when it was is chosen.
        await expect(dialog.get_by_label("customer becomes")).to_have_value("userId")
        await dialog.get_by_label("what becomes").select_option("event")
        await dialog.get_by_label("ordered becomes").select_option("timestamp")
        tried = dialog.get_by_role("region", name="Dry run")
        await expect(tried).to_contain_text("All 3 rows: 2 messages to store, 1 row rejected")
        await expect(tried.get_by_role("row", name=re.compile("^2 purchase of mia"))).to_contain_text('"zip":"01234"')
        await expect(tried.get_by_role("row", name=re.compile("MISSING_IDENTIFIER"))).to_contain_text("3")
        # Without a column that names a person, nothing can be imported, and the server says why.
        await dialog.get_by_label("customer becomes").select_option("a property")
        await expect(dialog.get_by_role("alert")).to_contain_text("Map a column to one of")
        await expect(dialog.get_by_role("button", name="Import", exact=True)).to_be_disabled()
        await dialog.get_by_label("customer becomes").select_option("userId")
        await expect(tried).to_contain_text("1 row rejected")
        await press(page, "Import")

        done = page.get_by_role("dialog", name="orders.csv")
        await expect(done).to_contain_text("3 rows read, the whole file")
        await expect(done.get_by_role("region", name="Rejected rows")).to_contain_text("MISSING_IDENTIFIER")
        assert re.search(r"/imports\?import=[0-9a-f]+$", page.url)
        async with page.expect_download() as report:
            await press(page, "All of them as a file")
        text = await text_of(await report.value)
        assert '"line":3' in text and text.count("\n") == 1
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("row", name=re.compile("orders.csv"))).to_contain_text("done")
        journey = site.http.get("/v1/journeys/mia", headers=bearer(READ_KEY)).json()["events"]
        assert [(one["event"], one["timestamp"]) for one in journey] == [("purchase", "2026-01-01T10:00:00.000Z")]

        await page.get_by_role("link", name="Audit", exact=True).click()
        entry = page.get_by_role("row", name=re.compile("Started the import of orders.csv"))
        await expect(entry).to_be_visible()
        await page.get_by_label("Kind of change").select_option("Imports")
        await expect(page.locator("tbody tr")).to_have_count(1)
        await page.reload()
        await expect(page.locator("tbody tr")).to_have_count(1)
        await page.get_by_label("Kind of change").select_option("All changes")
        await expect(page.get_by_role("row", name=re.compile("Published revision 1"))).to_be_visible()
        await page.get_by_label("Author").fill("no such author")
        await expect(page.get_by_role("heading", name="No change is like that")).to_be_visible()
        await press(page, "Clear")
        await expect(entry).to_be_visible()
        await entry.get_by_role("link", name="orders.csv").click()
        await expect(done).to_contain_text("the whole file")


async def test_a_segment_is_downloaded_as_the_server_has_it(console: Open, site: Server) -> None:
    async with console("/exports", key=READ_KEY) as page:
        row = page.get_by_role("region", name="Segments").get_by_role("row", name=re.compile("abandoned_carts"))
        await expect(row).to_contain_text("1")
        async with page.expect_download() as download:
            await press(page, "abandoned_carts as CSV")
        got = await download.value
        assert got.suggested_filename.endswith(".csv")
        answer = site.http.get("/v1/export/segment/abandoned_carts.csv", headers=bearer(ADMIN_KEY))
        assert await saved(got) == list(csv.DictReader(io.StringIO(answer.text, newline="")))
        assert [person["user_id"] for person in await saved(got)] == ["clara"]
        # The filter holds for flags and segments, and is in the address.
        await page.get_by_label("Filter segments and flags").fill("cart")
        await expect(page.get_by_role("region", name="Exposures").get_by_role("row")).to_have_count(2)
        assert page.url.endswith("/exports?q=cart")
        async with page.expect_download() as exposures:
            await press(page, "cart_reminder as JSON lines")
        assert (await exposures.value).suggested_filename.endswith(".jsonl")
        # Here is no ClickHouse: only events cannot be exported, and the page says so where they are.
        await expect(page.get_by_role("alert")).to_have_count(1)
        events = page.get_by_role("region", name="Events")
        await expect(events.get_by_role("alert")).to_contain_text("nalytics")
        await expect(events.get_by_role("button", name="Events as CSV")).to_be_disabled()


async def test_an_export_is_written_opened_by_a_link_repeated_and_removed(console: Open, site: Server) -> None:
    async with console("/exports") as page:
        files = page.get_by_role("region", name="Files")
        await expect(files.get_by_role("heading", name="Nothing was exported yet")).to_be_visible()
        await press(page, "New export")
        dialog = page.get_by_role("dialog", name="New export")
        await dialog.get_by_role("combobox", name="Segment").fill("abandoned")
        await page.get_by_role("option", name="abandoned_carts").click()
        # What is misspelt is said where it is, and nothing is lost.
        await dialog.get_by_label("Traits").fill("revenue_9d")
        await press(page, "Start the export")
        await expect(dialog.get_by_role("alert")).to_contain_text("revenue_90d")
        await dialog.get_by_label("Traits").fill("revenue_90d")
        await press(page, "Start the export")
        await expect(dialog).to_have_count(0)
        row = files.get_by_role("row", name=re.compile("^abandoned_carts"))
        await expect(row).to_contain_text("done")
        async with page.expect_download() as download:
            await row.get_by_role("button", name=re.compile("^Download")).click()
        got = await saved(await download.value)
        assert [(person["user_id"], person["revenue_90d"]) for person in got] == [("clara", "40")]

        await row.get_by_role("button", name=re.compile("^Link")).click()
        link = page.get_by_role("dialog", name="Link to abandoned_carts.csv")
        await link.get_by_role("button", name="an hour").click()
        await press(page, "Create the link")
        url = await link.locator("pre").inner_text()
        opened = site.http.get(url)
        assert list(csv.DictReader(io.StringIO(opened.text, newline=""))) == got
        await page.keyboard.press("Escape")
        await row.get_by_role("button", name=re.compile("^Remove")).click()
        await press(page, "Remove the file")
        await expect(row).to_contain_text("removed")
        assert site.http.get(url).status_code == 404

        await press(page, "New export")
        await dialog.get_by_role("button", name="All profiles").click()
        await dialog.get_by_role("button", name="Excel").click()
        await dialog.get_by_label("Repeat it").check()
        await dialog.get_by_label("Key").fill("mondays")
        await press(page, "Save the schedule")
        schedules = page.get_by_role("region", name="Schedules")
        monday = schedules.get_by_role("row", name=re.compile("^mondays"))
        await expect(monday).to_contain_text("0 6 * * 1")
        await monday.get_by_role("button", name="Change mondays").click()
        assert page.url.endswith("/exports?schedule=mondays")
        changed = page.get_by_role("dialog", name="Schedule mondays")
        await expect(changed.get_by_role("button", name="Excel")).to_have_attribute("aria-pressed", "true")
        await changed.get_by_label("Paused").check()
        await press(page, "Save the schedule")
        await expect(monday).to_contain_text("paused")
        await monday.get_by_role("button", name="Delete mondays").click()
        await press(page, "Delete the schedule")
        await expect(schedules).to_contain_text("No export is repeated")
    async with console("/exports", key=READ_KEY) as page:
        await expect(page.get_by_role("row", name=re.compile("^abandoned_carts.*removed"))).to_be_visible()
        assert await page.get_by_role("button", name=re.compile("^(Remove|Cancel)")).count() == 0
        await press(page, "New export")
        assert await page.get_by_label("Repeat it").count() == 0


async def test_a_key_that_reads_sees_no_imports_and_no_audit(console: Open) -> None:
    async with console("/audit", key=READ_KEY) as page:
        await expect(page.get_by_role("heading", name="This key may not see it")).to_be_visible()
        assert await page.get_by_role("link", name="Imports").count() == 0
        await expect(page.get_by_role("link", name="Exports")).to_be_visible()
