"""Traits and segments are written in the console: no edit is lost, and nothing is overwritten.

Laws    what is typed is kept until it is published or discarded: over a reload, a sign-out, and another's publish
        a publish sends the whole document, and only to the version that the draft began from
"""

import re

from playwright.async_api import Locator, Page, Route, expect

from console import Open, heading
from serving import ADMIN_KEY, READ_KEY, Server, bearer

ADMIN = bearer(ADMIN_KEY)
WANTED = 'profile.name != "😀" && revenue_90d >= 40'


def text(page: Page, label: str = "Rule") -> Locator:
    return page.get_by_role("textbox", name=label)


async def write(page: Page, source: str) -> None:
    """In place of what is there."""
    await text(page).click()
    await page.keyboard.press("Control+a")
    await page.keyboard.press("Delete")
    await page.keyboard.insert_text(source)


def put(site: Server, key: str, document: dict[str, str]) -> None:
    site.http.put(f"/v1/admin/segments/{key}", json=document, headers=ADMIN).raise_for_status()


def segment(site: Server, key: str) -> dict[str, object]:
    answer = site.http.get(f"/v1/admin/segments/{key}", headers=ADMIN)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


async def test_a_segment_from_an_error_to_published_and_back(console: Open, site: Server) -> None:
    async with console("/segments") as page:
        await page.get_by_role("link", name="New segment").click()
        await expect(heading(page)).to_have_text("New segment")
        await page.get_by_label("Key", exact=True).fill("spenders")
        await page.get_by_label("Description").fill("They spend")
        await write(page, 'profile.name != "😀" && revenue_90 >= 40')
        wrong = page.locator(".marked-error")
        await expect(wrong).to_have_text("revenue_90")
        await expect(page.get_by_role("status").filter(has_text="1 error")).to_have_count(1)
        await page.locator(".fix").click()
        await expect(text(page)).to_have_text(WANTED)
        await expect(wrong).to_have_count(0)
        await expect(page.locator(".words")).to_contain_text("revenue_90d is at least 40")
        preview = page.get_by_role("region", name="Preview")
        await expect(preview).to_contain_text("1 enter")
        await preview.get_by_role("link", name="clara").hover()
        await page.locator(".words").get_by_role("button").last.hover()
        await expect(page.locator(".marked-part").first).to_contain_text("revenue_90d")

        await page.get_by_role("button", name="Review and publish").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog.locator(".diff")).to_contain_text("+description: They spend")
        await expect(dialog).to_contain_text("1 enter")
        await dialog.get_by_label("Note").fill("a first try")
        await dialog.get_by_role("button", name="Publish").click()
        await expect(heading(page)).to_have_text("spenders")
        await expect(page.get_by_role("region", name="Members")).to_contain_text("Clara")
        await expect(page.get_by_role("region", name="Versions")).to_contain_text("a first try")
        assert await page.evaluate("localStorage.length") == 0

        await page.keyboard.press("e")
        await write(page, "revenue_90d >= 50")
        await expect(preview).to_contain_text("1 leave")
        await page.keyboard.press("Control+s")
        await expect(dialog.locator(".diff .removed")).to_contain_text("40")
        await expect(dialog.get_by_role("button", name="Publish")).to_be_enabled()
        await page.keyboard.press("Control+Enter")
        published = page.get_by_role("status", name="Published")
        await expect(published).to_contain_text("Version 2 is published")
        assert segment(site, "spenders")["description"] == "They spend"
        await published.get_by_role("button", name="Undo").click()
        await expect(published).to_contain_text("version 3 is as before")
        await expect(page.locator(".code").first).to_have_text(WANTED)
        assert segment(site, "spenders")["rule"] == WANTED


async def test_a_draft_is_tried_on_beside_what_is_live(console: Open, site: Server) -> None:
    """For a person now and in 30 days. What is asked is in the address, and an invalid text leaves the last one."""
    put(site, "worn", {"rule": "events.purchase.exists(2d)"})
    async with console("/segments/worn?edit=yes") as page:
        panel = page.get_by_role("region", name="Try on")
        live, draft = (panel.get_by_role("region", name=name) for name in ("What is live", "The draft"))
        await panel.get_by_label("Person").fill("clara")
        await expect(live.locator(".variant")).to_have_text("member")
        await expect(live).to_contain_text("until in")
        await expect(draft).to_have_count(0)
        await write(page, "events.purchase.exists(2d) && revenue_90d >= 50")
        await expect(draft.locator(".variant")).to_have_text("no member")
        await expect(draft.locator(".node", has_text="revenue_90d >= 50")).to_contain_text("is 40")
        await expect(live.locator(".variant")).to_have_text("member")
        await write(page, "events.purchase.exists(2d) && revenue_90d >=")
        await expect(draft).to_contain_text("an earlier text")
        await write(page, "revenue_90d >= 40")
        await expect(draft.locator(".variant")).to_have_text("member")
        await panel.get_by_role("button", name="in 30 days").click()
        await expect(live.locator(".variant")).to_have_text("no member")
        await expect(live).to_contain_text("if nothing arrives")
        await expect(draft.locator(".variant")).to_have_text("member")
        await page.reload()
        await expect(draft.locator(".variant")).to_have_text("member")
        assert "person=clara" in page.url and "at=" in page.url
        await page.get_by_role("button", name="Discard draft").click()


async def test_rows_edit_the_text_at_their_place_and_lose_nothing(console: Open, site: Server) -> None:
    rule = 'profile.name != "😀" && events.purchase.count_30d >= 1 && (cart_open || revenue_90d > 5)'
    put(site, "rowed", {"rule": rule})
    async with console("/segments/rowed?edit=yes") as page:
        await page.get_by_role("button", name="Text and rows").click()
        rows = page.get_by_role("list", name="Rows").get_by_role("listitem")
        await expect(rows).to_have_count(3)
        await expect(rows.nth(2)).to_contain_text("(cart_open || revenue_90d > 5)")
        await page.get_by_label("Value of row 1").fill('a "name"')
        await page.get_by_label("Window of row 2").fill("7")
        await page.keyboard.press("Tab")
        await expect(page.get_by_label("Window of row 2")).to_have_value("30d")
        await page.get_by_label("Window of row 2").fill("7d")
        await page.keyboard.press("Tab")
        await page.get_by_label("Comparison of row 2").select_option("==")
        wanted = 'profile.name != "a \\"name\\"" && events.purchase.count_7d == 1 && (cart_open || revenue_90d > 5)'
        await expect(text(page)).to_have_text(wanted)
        await page.get_by_label("What the new row is about").select_option("trait")
        await page.get_by_label("Name for the new row").fill("revenue_90d")
        await page.keyboard.press("Enter")
        await expect(rows).to_have_count(4)
        await expect(text(page)).to_have_text(f"{wanted} && revenue_90d >= 1")
        await page.get_by_role("button", name="Remove row 1").click()
        await expect(rows).to_have_count(3)
        left = wanted.partition("&& ")[2] + " && revenue_90d >= 1"
        await expect(text(page)).to_have_text(left)
        await page.reload()
        await expect(rows).to_have_count(3)
        await write(page, "revenue_90d >=")
        await page.get_by_role("button", name="Mend the text").click()
        await expect(text(page)).to_be_focused()
        await write(page, left)
        await expect(rows).to_have_count(3)
        await page.get_by_role("button", name="Review and publish").click()
        await page.get_by_role("dialog").get_by_role("button", name="Publish").click()
        await expect(page.get_by_role("status", name="Published")).to_contain_text("Version 2")
    assert segment(site, "rowed")["rule"] == left


async def test_two_people_edit_one_segment_and_no_one_loses(console: Open, site: Server) -> None:
    put(site, "shared", {"rule": "events.purchase.exists(7d)", "description": "began so"})
    async with console("/segments/shared?edit=yes") as page:
        await write(page, "events.purchase.exists(8d)")
        await expect(page.get_by_role("region", name="Preview")).to_contain_text("enter")
        put(site, "shared", {"rule": "events.purchase.exists(7d)", "description": "theirs"})
        await page.get_by_role("button", name="Review and publish").click()
        conflict = page.get_by_role("alert", name="Conflict")
        dialog = page.get_by_role("dialog")
        await expect(dialog.or_(conflict).first).to_be_visible()
        await expect(conflict).to_contain_text("published version 2")
        await expect(dialog).to_have_count(0)
        assert segment(site, "shared")["description"] == "theirs"
        await conflict.get_by_role("button", name="Keep both changes").click()
        await expect(page.get_by_label("Description")).to_have_value("theirs")
        await expect(text(page)).to_have_text("events.purchase.exists(8d)")

        # They change the same field: yours stays in the editor, and theirs is not overwritten unseen.
        put(site, "shared", {"rule": "events.purchase.exists(9d)", "description": "theirs"})
        await page.reload()
        await expect(conflict).to_contain_text("exists(9d)")
        await expect(conflict).to_contain_text("exists(7d)")
        await expect(text(page)).to_have_text("events.purchase.exists(8d)")
        await conflict.get_by_role("button", name="Go on with yours").click()
        await page.get_by_role("button", name="Review and publish").click()
        await expect(dialog.locator(".diff .removed")).to_contain_text("exists_9d")

        async def impatient(route: Route) -> None:
            await page.keyboard.press("Escape")
            await route.continue_()

        # What closes a dialog does not close it while it publishes: no draft is left of what is published.
        await page.route("**/v1/admin/publish", impatient)
        await dialog.get_by_role("button", name="Publish").click()
        await expect(page.get_by_role("status", name="Published")).to_contain_text("Version 4")
        assert await page.evaluate("localStorage.length") == 0
    assert segment(site, "shared")["rule"] == "events.purchase.exists(8d)"
    assert segment(site, "shared")["description"] == "theirs"


async def test_a_reload_and_a_refused_key_keep_the_draft(console: Open, site: Server) -> None:
    made = site.http.post("/v1/admin/keys", json={"scopes": ["admin"], "name": "editor"}, headers=ADMIN)
    key, id = made.json()["key"], made.json()["id"]
    async with console("/segments/newcomers?edit=yes", key=key) as page:
        await write(page, "events.any.count_1d >= ")
        await expect(page.get_by_role("alert").or_(page.locator(".messages .error")).first).to_be_visible()
        await page.reload()
        await expect(text(page)).to_have_text("events.any.count_1d >= ")
        assert site.http.delete(f"/v1/admin/keys/{id}", headers=ADMIN).status_code == 200
        await text(page).click()
        await page.keyboard.press("End")
        await page.keyboard.type("5")
        dialog = page.get_by_role("dialog", name="Sign in again")
        await expect(dialog).to_be_visible()
        await page.get_by_label("Key", exact=True).fill(ADMIN_KEY)
        await page.keyboard.press("Enter")
        await expect(dialog).to_have_count(0)
        await expect(text(page)).to_have_text("events.any.count_1d >= 5")
        await expect(page.locator(".words")).to_contain_text("at least 5 times")

        await page.goto(f"{site.url}/segments")
        row = page.get_by_role("row", name=re.compile("newcomers"))
        await expect(row).to_contain_text("draft")
        await row.get_by_role("link").click()
        await page.keyboard.press("e")
        await page.get_by_role("button", name="Discard draft").click()
        await expect(text(page)).not_to_contain_text("count_1d >= 5")
        await page.get_by_role("button", name="Bring it back").click()
        await expect(text(page)).to_have_text("events.any.count_1d >= 5")
        await page.get_by_role("button", name="Discard draft").click()
        await expect(page.get_by_text("Nothing differs")).to_be_visible()
        assert await page.evaluate("localStorage.length") == 0


async def test_a_trait_is_written_renamed_and_deleted_by_keyboard(console: Open, site: Server) -> None:
    async with console("/new/trait") as page:
        await expect(page.get_by_label("Key", exact=True)).to_be_focused()
        await page.keyboard.type("teas")
        await page.keyboard.press("Tab")
        await page.keyboard.type("Teas bought")
        await page.keyboard.press("Tab")
        await expect(text(page, "Expression")).to_be_focused()
        await page.keyboard.type("events.purch")
        await expect(page.get_by_role("option", name=re.compile("purchase"))).to_be_visible()
        await page.keyboard.press("Enter")
        await page.keyboard.type("count_3")
        await expect(page.get_by_role("option", name=re.compile("count_30d"))).to_be_visible()
        await page.keyboard.press("Enter")
        await expect(text(page, "Expression")).to_have_text("events.purchase.count_30d")
        await page.keyboard.type("  =  1")
        await expect(page.locator(".fix")).to_have_text(re.compile("=="))
        await expect(page.locator(".fix")).to_be_enabled()
        await page.keyboard.press("Control+.")
        await expect(text(page, "Expression")).to_have_text("events.purchase.count_30d  ==  1")
        await page.keyboard.press("Shift+Alt+f")
        await expect(text(page, "Expression")).to_have_text("events.purchase.count_30d == 1")
        await expect(page.get_by_role("region", name="Preview")).to_contain_text("The value changes for")
        await page.keyboard.press("Control+s")
        await expect(page.get_by_role("dialog").get_by_role("button", name="Publish")).to_be_enabled()
        await page.keyboard.press("Control+Enter")
        await expect(heading(page)).to_have_text("teas")
        values = page.get_by_role("region", name="Values")
        await expect(values).to_contain_text("of 2 people")
        await expect(values.get_by_role("row", name=re.compile("^yes 1 50 %"))).to_have_count(1)
        await expect(values).to_contain_text("Unknown for 0")

        await page.get_by_role("button", name="Rename…").focus()
        await page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("New key").fill("cart_open")
        await expect(dialog).to_contain_text("already")
        await dialog.get_by_label("New key").fill("tea_orders")
        await expect(dialog.locator(".diff")).to_contain_text("tea_orders")
        await page.keyboard.press("Enter")
        await expect(heading(page)).to_have_text("tea_orders")
        await page.get_by_role("button", name="Delete…").focus()
        await page.keyboard.press("Enter")
        asked = page.get_by_role("alertdialog")
        await expect(asked).to_contain_text("prod")
        await expect(asked.get_by_role("button", name="Delete")).to_be_enabled()
        await asked.get_by_role("button", name="Delete").focus()
        await page.keyboard.press("Enter")
        await expect(heading(page)).to_have_text("Traits")
        await expect(page.get_by_role("link", name="tea_orders")).to_have_count(0)
    assert site.http.get("/v1/admin/traits/tea_orders", headers=ADMIN).status_code == 404


async def test_a_key_that_reads_edits_nothing(console: Open) -> None:
    async with console("/segments/newcomers?edit=yes", key=READ_KEY) as page:
        await expect(page.get_by_role("region", name="Members")).to_be_visible()
        for name in ("Edit", "Rename…", "Delete…"):
            await expect(page.get_by_role("button", name=name)).to_have_count(0)
        await page.keyboard.press("e")
        await page.get_by_role("link", name="Segments").first.click()
        await expect(heading(page)).to_have_text("Segments")
        await expect(page.get_by_role("link", name="New segment")).to_have_count(0)
