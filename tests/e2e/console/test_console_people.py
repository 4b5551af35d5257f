"""A person in the console: what is known and why, and what an admin may do with them."""

import asyncio
import json
import re
from pathlib import Path

from playwright.async_api import Page, expect

from browser import accessible
from console import PHONE, Open, heading
from serving import ADMIN_KEY, READ_KEY, Server, bearer, until
from tinycdp.runtime import clock
from tinycdp.times import iso


def exposed(site: Server) -> int:
    """How many units got a variant of price_level."""
    answer = site.http.get("/v1/admin/flags/price_level/exposures", headers=bearer(ADMIN_KEY))
    return int(answer.json()["units"])


async def do(page: Page, action: str) -> None:
    await page.get_by_role("button", name="Actions").click()
    await page.get_by_role("button", name=action).click()


async def test_why_a_person_has_a_value_and_how_it_changed(console: Open, site: Server) -> None:
    before = exposed(site)
    async with console("/users?q=Cla") as page:
        await page.get_by_role("link", name="Clara").click()
        traits = page.get_by_role("region", name="Traits")
        await traits.get_by_role("button", name="Why revenue_90d").click()
        assert "why=trait" in page.url
        await expect(traits.locator(".why")).to_contain_text("revenue_90d is 40")
        await traits.get_by_role("link", name="How it changed").click()
        history = page.get_by_role("region", name="History")
        row = history.get_by_role("row", name=re.compile("revenue_90d"))
        await expect(row).to_contain_text("→ 40")
        await expect(row).to_contain_text("purchase")
        await page.reload()
        await expect(row).to_contain_text("→ 40")
        await page.get_by_role("list", name="Parts of this page").get_by_role("link", name="Now").click()
        others = page.get_by_text(re.compile("Not in . other segments"))
        await others.click()
        segments = page.get_by_role("region", name="Segments")
        await segments.get_by_role("button", name="Why big_spenders").click()
        await expect(segments.locator(".why")).to_contain_text("not in big_spenders")
    # To look at a person's flags is no exposure; that of an application, which came later, is recorded.
    asked = {"userId": "witness", "flag": "price_level"}
    site.http.get("/v1/decide", params=asked, headers=bearer(READ_KEY)).raise_for_status()
    assert await asyncio.to_thread(until, lambda: exposed(site) - before) == 1


async def test_an_unknown_value_has_its_reason_and_is_not_no(console: Open, site: Server) -> None:
    definition = {"expression": "profile.age >= 18", "description": "of age"}
    site.http.put("/v1/admin/traits/adult", json=definition, headers=bearer(ADMIN_KEY)).raise_for_status()
    async with console("/users/someone-else", key=READ_KEY) as page:
        adult = page.get_by_role("region", name="Traits").get_by_role("row", name=re.compile("adult"))
        await expect(adult.get_by_role("cell").nth(1)).to_have_text("— unknown")
        await adult.get_by_role("button", name="Why adult").click()
        await expect(page.locator(".why")).to_contain_text("unknown: profile.age")


async def test_the_events_of_a_person_by_name_kind_and_day(console: Open) -> None:
    async with console("/users/clara?tab=events") as page:
        journey = page.get_by_role("region", name="Journey")
        await expect(journey.locator("li")).to_have_count(4)
        await journey.get_by_label("event").fill("purchase")
        await expect(journey.locator("li")).to_have_count(1)
        await expect(journey.locator("li")).to_contain_text("amount 40")
        await page.reload()
        await expect(journey.locator("li")).to_have_count(1)
        await journey.get_by_label("from").fill(iso(clock.now())[:10])
        await expect(journey).to_contain_text("No event is like that.")
        await journey.get_by_role("button", name="Show all").click()
        await journey.get_by_label("kind").select_option("identify")
        await expect(journey.locator("li")).to_have_count(1)


async def test_flags_as_they_were_decided(console: Open, site: Server) -> None:
    site.track({"userId": "tess", "event": "app_open"})
    async with console("/users/tess") as page:
        flags = page.get_by_role("region", name="Flags")
        await flags.get_by_label("as of").fill("2020-01-01T12:00")
        await expect(flags).to_contain_text("There were no flags.")
        await flags.get_by_role("button", name="now").click()
        await flags.get_by_role("link", name="Simulate price_level for this person").click()
        await expect(heading(page)).to_have_text("price_level")
        await expect(page.get_by_role("region", name="Simulate").locator(".result")).to_be_visible()


async def test_two_become_one_and_two_again(console: Open, site: Server, axe: str) -> None:
    site.batch(
        [
            {"type": "identify", "userId": "mia@work", "traits": {"name": "Mia", "plan": "pro"}},
            {"type": "identify", "userId": "mia@home", "traits": {"name": "Mia Home", "plan": "free"}},
        ]
    )
    async with console("/users/mia@work") as page:
        await do(page, "Merge with another")
        await page.get_by_label("The other person").fill("mia@h")
        await page.get_by_role("button", name="Mia Home").click()
        dialog = page.get_by_role("alertdialog")
        await expect(dialog).to_contain_text("prod")
        await expect(dialog.get_by_role("row", name=re.compile("plan"))).to_contain_text("free")
        await accessible(page, axe, "the merge")
        await dialog.get_by_label("Note").fill("ticket 12")
        await dialog.get_by_role("button", name="Merge", exact=True).click()
        await expect(page.get_by_role("status", name="Done")).to_contain_text("are one profile now")
        await expect(page.get_by_role("region", name="Identifiers")).to_contain_text("mia@home")
        await page.get_by_role("link", name="Identity").last.click()
        merge = page.get_by_role("article", name=re.compile("Merge"))
        await expect(merge).to_contain_text("ticket 12")
        await merge.get_by_role("button", name="Undo").click()
        await expect(dialog).to_contain_text("mia@home")
        await dialog.get_by_role("button", name="Undo the merge").click()
        await expect(page.get_by_role("status", name="Done")).to_contain_text("The merge is undone")
        await page.goto(f"{site.url}/users/mia@home")
        await expect(heading(page)).to_have_text("Mia Home")
        await page.goto(f"{site.url}/identity")
        await expect(page.get_by_role("article").first).to_contain_text("undone")


async def test_an_event_is_sent_and_an_identifier_split_off(console: Open, site: Server, tmp_path: Path) -> None:
    site.track({"userId": "nils", "anonymousId": "nils-phone", "event": "app_open"})
    async with console("/users/nils") as page:
        await do(page, "Send an event")
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Event", exact=True).fill("purchase")
        await dialog.get_by_label("Properties", exact=True).last.fill('{"amount": 25')
        await expect(dialog.get_by_role("button", name="Send")).to_be_disabled()
        await dialog.get_by_label("Properties", exact=True).last.fill('{"amount": 25}')
        await dialog.get_by_role("button", name="Send").click()
        await expect(page.get_by_role("status", name="Done")).to_contain_text("purchase is stored")
        revenue = page.get_by_role("region", name="Traits").get_by_role("row", name=re.compile("revenue_90d"))
        await expect(revenue).to_contain_text("25")
        async with page.expect_download() as download:
            await do(page, "Export everything")
        file = tmp_path / "nils.json"
        await (await download.value).save_as(file)
        assert {one["event"] for one in json.loads(file.read_text())["events"]} == {"purchase", "app_open"}
        await do(page, "Split identifiers off")
        await page.get_by_label("nils-phone").check()
        await page.get_by_role("button", name="See what goes").click()
        await page.get_by_role("alertdialog").get_by_role("button", name="Split", exact=True).click()
        await expect(page.get_by_role("status", name="Done")).to_contain_text("They are apart now")
        await expect(page.get_by_role("region", name="Identifiers")).not_to_contain_text("nils-phone")


async def test_a_person_is_suppressed_and_erased_with_a_receipt(console: Open, site: Server, axe: str) -> None:
    site.track({"userId": "gone@example.com", "event": "app_open"})
    async with console("/users/gone@example.com") as page:
        await do(page, "Reject messages")
        dialog = page.get_by_role("alertdialog")
        await expect(dialog).to_contain_text("1 identifier is new on the list")
        await dialog.get_by_role("button", name="Suppress").click()
        await expect(page.get_by_role("status", name="Done")).to_contain_text("rejected from now on")
        await do(page, "Erase or anonymise")
        await expect(dialog).to_contain_text("1 profile with 1 identifier")
        erase = dialog.get_by_role("button", name="Erase", exact=True)
        await expect(erase).to_be_disabled()
        await accessible(page, axe, "the erasure")
        await dialog.get_by_label("Note").fill("ticket 4711")
        await dialog.get_by_label(re.compile("Type")).fill("gone@example.com")
        await erase.click()
        await expect(heading(page)).to_have_text("Privacy")
        receipt = page.get_by_role("region", name=re.compile("Receipt"))
        await expect(receipt).to_contain_text("ticket 4711")
        await receipt.get_by_text("Search all tables").click()
        await receipt.get_by_label("Identifiers, one a line").fill("userId:gone@example.com")
        await receipt.get_by_role("button", name="Search").click()
        await expect(receipt).to_contain_text("Nothing is left.")
        await accessible(page, axe, "a receipt")
        await page.goto(f"{site.url}/users/gone@example.com")
        await expect(page.get_by_role("alert")).to_contain_text("PROFILE_NOT_FOUND")
        await page.goto(f"{site.url}/privacy?tab=suppressions")
        await expect(page.get_by_role("row")).to_have_count(2)
        await page.get_by_role("button", name="Accept again").click()
        await page.get_by_label("Identifiers, one a line").fill("gone@example.com")
        await expect(page.get_by_role("alert")).to_contain_text("has no kind")
        await page.get_by_label("Identifiers, one a line").fill("userId:gone@example.com")
        await page.get_by_role("button", name="See what happens").click()
        await dialog.get_by_role("button", name="Accept again").click()
        await expect(page.get_by_role("heading", name="No messages are rejected")).to_be_visible()


async def test_people_of_a_file_are_anonymised(console: Open, site: Server, tmp_path: Path) -> None:
    for user in ("file-1", "file-2"):
        site.track({"userId": user, "event": "app_open"})
    file = tmp_path / "people.txt"
    file.write_text("userId:file-1\nfile-2\n\n")
    async with console("/privacy") as page:
        await page.get_by_role("button", name="Erase…").click()
        await page.get_by_label("A file with a line for each").set_input_files(file)
        await page.get_by_role("button", name="See what happens").click()
        dialog = page.get_by_role("alertdialog")
        await dialog.get_by_role("button", name="Anonymise").first.click()
        await expect(dialog).to_contain_text("2 profiles with 2 identifiers")
        await dialog.get_by_label(re.compile("Type")).fill("erase 2")
        await dialog.get_by_role("button", name="Anonymise").last.click()
        await expect(page.get_by_role("region", name=re.compile("Receipt"))).to_contain_text("anonymised")


async def test_a_value_is_blocked_and_unblocked(console: Open, site: Server) -> None:
    async with console("/identity?tab=blocked") as page:
        await page.get_by_role("button", name="Block a value").click()
        await page.get_by_label("Value", exact=True).fill("kiosk")
        await page.get_by_role("button", name="Block", exact=True).click()
        await expect(page.get_by_role("row", name=re.compile("kiosk"))).to_be_visible()
        assert site.track({"userId": "Kiosk", "event": "app_open"}).json()["code"] == "BLOCKED_IDENTIFIER"
        await page.get_by_role("button", name="Unblock userId kiosk").click()
        await page.get_by_role("alertdialog").get_by_role("button", name="Unblock").click()
        await expect(page.get_by_role("status", name="Done")).to_contain_text("identifies a person again")
        await expect(page.get_by_role("button", name="Unblock userId kiosk")).to_have_count(0)


async def test_a_group_has_its_people(console: Open, site: Server) -> None:
    joined = {"type": "group", "userId": "gina", "groupId": "acme", "traits": {"tier": "gold"}}
    site.batch([joined])
    async with console("/users/gina", size=PHONE) as page:
        await page.get_by_role("region", name="Group").get_by_role("link", name="acme").click()
        await expect(heading(page)).to_have_text("acme")
        await expect(page.get_by_role("region", name="Traits")).to_contain_text("gold")
        await page.get_by_role("link", name="gina").click()
        await expect(heading(page)).to_have_text("gina")


async def test_a_key_that_reads_may_not_change_a_person(console: Open) -> None:
    async with console("/users/clara", key=READ_KEY) as page:
        await expect(page.get_by_role("region", name="Flags")).to_contain_text("price_level")
        await expect(page.get_by_role("list", name="Parts of this page").get_by_role("link")).to_have_text(
            ["Now", "Events", "History"]
        )
        await expect(page.get_by_role("button", name="Actions")).to_have_count(0)
        await expect(page.get_by_label("as of")).to_have_count(0)
        for name in ("Identity", "Privacy", "Groups"):
            await expect(page.get_by_role("navigation").get_by_role("link", name=name)).to_have_count(0)
