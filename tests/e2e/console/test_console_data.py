"""The console's pages of data and administration: keys, registry and tracking plan."""

import re

from playwright.async_api import Page, expect

from console import Open
from serving import READ_KEY, Server, bearer


async def press(page: Page, name: str) -> None:
    await page.get_by_role("button", name=name, exact=True).click()


async def test_a_key_is_made_and_revoked(console: Open, site: Server) -> None:
    async with console("/keys") as page:
        await press(page, "New key")
        dialog = page.get_by_role("dialog")
        await expect(dialog.get_by_label("Name")).to_be_focused()
        await page.keyboard.type("warehouse")
        await dialog.get_by_label("Websites whose").fill("shop.example")
        await dialog.get_by_label("write", exact=True).check()
        await press(page, "Make the key")
        # What is wrong is said at its field, and what was typed stays.
        await expect(dialog.get_by_label("Websites whose")).to_have_attribute("aria-invalid", "true")
        await expect(dialog.get_by_role("alert")).to_contain_text("'shop.example' is not an origin")
        await dialog.get_by_label("Websites whose").fill("https://shop.example")
        await press(page, "Make the key")
        key = await dialog.locator("pre").inner_text()
        assert site.http.get("/v1/me", headers=bearer(key)).json()["key"]["name"] == "warehouse"
        await press(page, "I have copied it")
        row = page.get_by_role("row", name=re.compile("warehouse"))
        await expect(row).to_contain_text("https://shop.example")
        assert key not in await page.content()

        await press(page, "warehouse")
        assert re.search(r"/keys\?key=\d+$", page.url)
        await press(page, "Revoke…")
        confirm = page.get_by_role("alertdialog", name="Revoke the key warehouse?")
        await expect(confirm).to_contain_text("In the environment prod")
        await expect(confirm).to_contain_text("with write stops working")
        await expect(confirm.get_by_role("button", name="Cancel")).to_be_focused()
        await press(page, "Revoke the key")
        await expect(confirm).to_have_count(0)
        await expect(row).to_have_count(0)
        assert site.http.get("/v1/me", headers=bearer(key)).status_code == 401
        await press(page, "All")
        await expect(row).to_contain_text("revoked")

        # The key that one is signed in with is not offered to be revoked.
        own = page.get_by_role("row", name=re.compile("this key"))
        await own.get_by_role("button").click()
        await press(page, "Revoke…")
        await expect(page.get_by_role("dialog")).to_contain_text("A key cannot revoke itself")


async def test_a_key_that_reads_is_not_offered_what_it_may_not_do(console: Open) -> None:
    async with console("/keys", key=READ_KEY) as page:
        await expect(page.get_by_role("heading", name="This key may not see it")).to_be_visible()
        await expect(page.get_by_role("link", name="Segments")).to_be_visible()
        await expect(page.get_by_role("link", name="Keys")).to_have_count(0)
        await expect(page.get_by_role("alert")).to_have_count(0)


async def test_an_event_is_planned_beside_what_would_be_refused(console: Open, site: Server) -> None:
    site.track({"userId": "clara", "event": "purchase", "properties": {"amount": "a lot", "gift": True}})
    async with console("/registry") as page:
        await page.keyboard.press("/")
        await page.keyboard.type("purch")
        await page.get_by_role("link", name="purchase", exact=True).click()
        properties = page.get_by_role("region", name="Properties")
        await expect(properties.get_by_role("row", name=re.compile("amount"))).to_contain_text("number, also string")
        await press(page, "amount")
        assert page.url.endswith("/registry/purchase?property=amount")
        await expect(page.get_by_role("dialog")).to_contain_text("Types by day")
        await page.keyboard.press("Escape")

        await press(page, "Plan it")
        dialog, effects = page.get_by_role("dialog"), page.get_by_role("region", name="What it would do")
        await dialog.get_by_label("Description", exact=True).fill("A customer paid.")
        await press(page, "Add a property")
        await dialog.get_by_label("Name of the property").fill("amount")
        await dialog.get_by_label("Type of amount").select_option("string")
        # Definitions add amounts up: the server says which would contradict the plan.
        await expect(effects).to_contain_text("sum needs numbers")
        await dialog.get_by_label("Type of amount").select_option("boolean")
        await dialog.get_by_label("What breaks the plan").select_option("reject")
        await expect(effects).to_contain_text("would be refused")
        await dialog.get_by_label("Accept properties that are not named here").uncheck()
        await expect(effects).to_contain_text("gift It is not named")
        # What was typed outlives the page.
        await page.reload()
        await expect(dialog.get_by_label("Description", exact=True)).to_have_value("A customer paid.")
        await dialog.get_by_label("Type of amount").select_option("number")
        await dialog.get_by_label("Accept properties that are not named here").check()
        await dialog.get_by_label("What breaks the plan").select_option("warn")
        await press(page, "Save")
        await expect(dialog).to_have_count(0)
        await expect(page.get_by_role("region", name="Tracking plan")).to_contain_text("Version 1")
        plan = site.http.get("/v1/registry/events/purchase", headers=bearer(READ_KEY)).json()["plan"]["entry"]
        assert plan == {"description": "A customer paid.", "properties": {"amount": {"type": "number"}}}

        await press(page, "Edit")
        await press(page, "Remove…")
        await page.get_by_role("alertdialog").get_by_role("button", name="Remove the entry").click()
        await expect(page.get_by_role("region", name="Tracking plan")).to_contain_text("Version 2, removed")
