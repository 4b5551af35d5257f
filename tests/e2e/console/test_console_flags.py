"""Flags in the console: simulated, switched off and on, killed and revived, and returned to an earlier version."""

from playwright.async_api import Page, expect

from console import Open, heading
from serving import ADMIN_KEY, READ_KEY, Server, bearer


async def confirm(page: Page, action: str, note: str = "") -> None:
    """Answer the dialog that asks whether; it names the environment."""
    dialog = page.get_by_role("alertdialog")
    await expect(dialog).to_contain_text("In the environment prod")
    await expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    if note:
        await dialog.get_by_label("Note").fill(note)
    await dialog.get_by_role("button", name=action).click()
    await expect(dialog).to_have_count(0)


async def test_a_flag_is_simulated_now_and_in_30_days(console: Open, site: Server) -> None:
    """With a key that reads. What is asked is in the address; an unknown part is unknown, not false."""
    rules = [
        {"id": "phone", "when": 'context.platform == "ios"', "serve": "on"},
        {"id": "buyer", "when": 'events.purchase.exists(2d) && profile.country == "DE"', "serve": "on"},
        {"id": "ramp", "when": "true", "rollout": 0.001, "serve": "on"},
    ]
    define(site, "thanks", {"rules": rules})
    async with console("/flags/thanks", key=READ_KEY) as page:
        simulate = page.get_by_role("region", name="Simulate")
        outcome = simulate.locator(".outcome")
        await simulate.get_by_label("Person").fill("clara")
        await expect(outcome.locator(".variant")).to_have_text("on")
        assert site.holds("thanks", "clara")
        await expect(outcome.locator("details", has_text="phone").first).to_contain_text("unknown")
        buyer = outcome.locator("li", has=page.get_by_text("buyer", exact=True))
        await expect(buyer.locator(".node", has_text="events.purchase.exists(2d)")).to_contain_text("until in 17 hours")
        await expect(outcome).to_contain_text("One rule is not reached")
        await expect(outcome.get_by_text("ramp", exact=True)).to_be_hidden()

        await simulate.get_by_role("button", name="in 30 days").click()
        await expect(outcome.locator(".variant")).to_have_text("off")
        await expect(outcome).to_contain_text("if nothing arrives")
        await expect(buyer.locator(".node", has_text="events.purchase.exists(2d)")).to_contain_text("decides")
        await expect(outcome.locator(".scale")).to_contain_text("not admitted: below 0.001")
        await page.reload()
        await expect(outcome.locator(".variant")).to_have_text("off")

        await simulate.get_by_label("Context").fill('{"platform": "ios"')
        await expect(simulate.locator(".problem")).to_be_visible()
        await simulate.get_by_label("Context").fill('{"platform": "ios"}')
        await expect(outcome.locator(".variant")).to_have_text("on")
        await simulate.get_by_label("Context").fill("")
        await simulate.get_by_role("button", name="now", exact=True).click()
        await expect(outcome).to_contain_text("Next change by itself")
        await outcome.get_by_role("button", name="Look at that instant").click()
        await expect(outcome.locator(".variant")).to_have_text("off")
        assert "person=clara" in page.url and "at=" in page.url


async def test_a_kill_acts_at_once_says_why_and_is_revived(console: Open, site: Server) -> None:
    define(site, "siren", {"rules": [{"id": "all", "when": "true", "serve": "on"}]})
    assert site.holds("siren", "clara")
    async with console("/flags/siren") as page:
        await page.get_by_role("button", name="Kill").click()
        await expect(page.get_by_role("alertdialog")).to_contain_text("Everyone gets off (false) from the next")
        await confirm(page, "Kill", "it howls")
        await expect(page.get_by_role("status").filter(has_text="it howls")).to_be_visible()
        assert not site.holds("siren", "clara")
        await page.reload()
        await page.get_by_role("button", name="Revive").click()
        await confirm(page, "Revive")
        await expect(page.get_by_role("button", name="Kill")).to_be_visible()
        assert site.holds("siren", "clara")
        await page.get_by_role("link", name="Versions").click()
        await expect(page.get_by_role("link", name="Versions")).to_have_attribute("aria-current", "page")
        assert page.url.endswith("?tab=versions")
        await expect(page.get_by_role("region", name="Kills")).to_contain_text("it howls")


async def test_off_is_a_version_that_can_be_undone(console: Open, site: Server) -> None:
    define(site, "lamp", {"rules": [{"id": "all", "when": "true", "serve": "on"}]})
    async with console("/flags/lamp") as page:
        await page.get_by_role("button", name="Turn off").click()
        await confirm(page, "Turn off", "good night")
        await expect(page.get_by_role("region", name="Rules")).to_contain_text("Everyone gets off")
        assert not site.holds("lamp", "clara")
        await page.get_by_role("link", name="Versions").click()
        versions = page.get_by_role("region", name="Versions")
        await versions.locator("summary", has_text="good night").click()
        await expect(versions.locator(".diff .added")).to_contain_text("enabled: false")
        await versions.locator("summary", has_text="no note").click()
        await versions.get_by_role("button", name="Restore version 1").click()
        await expect(page.get_by_role("alertdialog").locator(".diff .removed")).to_contain_text("enabled: false")
        await confirm(page, "Restore")
        await expect(versions).to_contain_text("version 1 restored")
        assert site.holds("lamp", "clara")


async def test_a_key_that_reads_sees_a_flag_and_changes_nothing(console: Open, site: Server) -> None:
    define(site, "statue", {"rules": [{"id": "all", "when": "true", "serve": "on"}]})
    async with console("/flags/statue", key=READ_KEY) as page:
        await expect(heading(page)).to_have_text("statue")
        await expect(page.get_by_role("region", name="Rules")).to_contain_text("serves on")
        await page.get_by_role("link", name="Versions").click()
        await expect(page.get_by_role("region", name="Versions")).to_contain_text("no note")
        for action in ("Turn off", "Kill", "Edit", "Restore"):
            await expect(page.get_by_role("button", name=action)).to_have_count(0)


def define(site: Server, key: str, document: dict[str, object]) -> None:
    site.http.put(f"/v1/admin/flags/{key}", json=document, headers=bearer(ADMIN_KEY)).raise_for_status()
