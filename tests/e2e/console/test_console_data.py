"""The console's pages of data and administration: keys."""

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
