"""Settings of this browser, and a policy that is checked, published, and published by two."""

import msgspec
from playwright.async_api import expect

from console import Open, heading
from serving import ADMIN_KEY, READ_KEY, Server, bearer
from tinycdp.runtime.policies.documents import KINDS

NAMING = "/v1/admin/policies/naming"


async def test_a_policy_is_checked_published_and_never_overwritten(console: Open, site: Server) -> None:
    async with console("/settings") as page:
        await page.get_by_role("link", name="Naming").click()
        text = page.get_by_label("The document of the policy, as JSON")
        await expect(text).to_be_visible()
        await expect(page.get_by_text("The defaults are in force")).to_be_visible()
        publish = page.get_by_role("button", name="Review and publish")
        await text.fill('{"events": "snake')
        await expect(page.get_by_role("alert")).to_contain_text("This is not JSON")
        await text.fill('{"events": "snakes"}')
        await expect(page.get_by_role("alert")).to_contain_text("events")
        await expect(publish).to_be_disabled()
        await page.reload()
        await expect(text).to_have_value('{"events": "snakes"}')
        await text.fill('{"events": "snake_case"}')
        await publish.click()
        review = page.get_by_role("dialog", name="Publish the policy naming?")
        await expect(review).to_contain_text("prod")
        await expect(review).to_contain_text('+   "events": "snake_case"')
        await review.get_by_role("button", name="Publish").click()
        await expect(page.get_by_text("Version 1 is in force")).to_be_visible()
        assert site.http.get(NAMING, headers=bearer(ADMIN_KEY)).json()["document"]["events"] == "snake_case"

        await text.fill('{"events": "snake_case", "unplanned": true}')
        await publish.click()
        theirs = site.http.put(NAMING, json={"events": "camelCase"}, headers=bearer(ADMIN_KEY))
        assert theirs.json()["version"] == 2, theirs.text
        await review.get_by_role("button", name="Publish").click()
        await expect(review.get_by_role("alert")).to_contain_text("VERSION_CONFLICT")
        await review.get_by_role("button", name="Back to editing").click()
        await expect(page.get_by_text("published version 2 after you began")).to_be_visible()
        await expect(publish).to_be_disabled()
        await page.get_by_role("button", name="Go on with mine").click()
        await publish.click()
        await review.get_by_role("button", name="Publish").click()
        await expect(page.get_by_text("Version 3 is in force")).to_be_visible()

        await page.get_by_text("Version 1", exact=False).last.click()
        await page.get_by_role("button", name="Edit from this version").last.click()
        await expect(page.get_by_role("button", name="Discard the draft")).to_be_visible()
        await page.get_by_role("button", name="Discard the draft").click()
        await expect(publish).to_be_disabled()


async def test_every_field_of_every_policy_is_explained(console: Open) -> None:
    async with console("/settings") as page:
        for name, kind in KINDS.items():
            await page.locator(f'a[href="/settings/{name}"]').click()
            fields = page.get_by_role("region", name="Fields").locator("dt")
            await expect(fields).to_have_text([field.encode_name for field in msgspec.structs.fields(kind)])
            await page.get_by_role("link", name="Settings").first.click()


async def test_this_browser_is_set_by_a_key_that_only_reads(console: Open) -> None:
    async with console("/settings", key=READ_KEY) as page:
        await expect(page.get_by_text("This key may not see it")).to_be_visible()
        browser = page.get_by_role("region", name="This browser")
        await browser.get_by_role("button", name="Dark").click()
        await expect(page.locator("body")).to_have_css("background-color", "rgb(13, 17, 22)")
        await expect(page.get_by_role("button", name="dark theme")).to_have_attribute("aria-pressed", "true")
        await browser.get_by_label("Keys of a single character").uncheck()
        await page.reload()
        await expect(browser.get_by_label("Keys of a single character")).not_to_be_checked()
        await page.keyboard.press("g")
        await page.keyboard.press("s")
        await expect(heading(page)).to_have_text("Settings")
