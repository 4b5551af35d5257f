"""The console's pages of data and administration: keys, registry and tracking plan, quality, changes."""

import re
from hashlib import blake2b

import asyncpg
from playwright.async_api import Page, expect

from builders import make_message
from console import Open
from serving import ADMIN_KEY, READ_KEY, Server, bearer
from tinycdp.runtime import clock
from tinycdp.runtime.access.keys import environment_named
from tinycdp.runtime.ingest import dead_letters
from tinycdp.store.database.pool import open_pool, transaction


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


async def test_a_rejection_is_seen_with_the_place_of_its_error(console: Open, site: Server) -> None:
    site.batch([{"type": "track", "userId": "ada", "event": "", "properties": {"amount": 1}}])
    site.batch([{"type": "track", "event": "purchase"}])
    async with console("/quality") as page:
        refused, examples = (page.get_by_role("region", name=name) for name in ("Refused", "Examples"))
        await expect(refused.get_by_role("row", name=re.compile("MISSING_IDENTIFIER"))).to_be_visible()
        await refused.get_by_role("button", name="INVALID_EVENT_NAME").click()
        await expect(page).to_have_url(re.compile("code=INVALID_EVENT_NAME$"))
        await expect(refused.get_by_role("row", name=re.compile("MISSING_IDENTIFIER"))).to_have_count(0)
        await expect(examples.get_by_role("row")).to_have_count(2)
        await examples.get_by_role("button", name="A track call needs an event name").click()
        dialog = page.get_by_role("dialog", name="INVALID_EVENT_NAME")
        await expect(dialog).to_contain_text("$.batch[0].event")
        await expect(dialog.locator(".marked")).to_have_text('The error is here:   "event": "",')
        # The address shows the same to another person.
        await page.reload()
        await expect(dialog.locator(".marked")).to_contain_text("event")
        await page.keyboard.press("Escape")
        await page.get_by_role("button", name="INVALID_EVENT_NAME: show all codes").click()
        await expect(refused.get_by_role("row", name=re.compile("MISSING_IDENTIFIER"))).to_be_visible()


async def test_dead_letters_are_replayed_and_discarded(console: Open, site: Server, module_dsn: str) -> None:
    async with console("/quality?view=dead-letters") as page:
        await expect(page.get_by_role("heading", name="No dead letters")).to_be_visible()
        await _die(module_dsn, "late_order", RuntimeError("a definition was broken"))
        await _die(module_dsn, "never", asyncpg.UntranslatableCharacterError("no such character"))
        await _die(module_dsn, "neither", asyncpg.UntranslatableCharacterError("no such character"))
        await page.reload()
        await page.get_by_role("region", name="Letters").get_by_role("button", name="late_order").click()
        dialog = page.get_by_role("dialog", name="late_order")
        await expect(dialog).to_contain_text("a definition was broken")
        await expect(dialog.get_by_role("region", name="Message")).to_contain_text('"name": "late_order"')
        await dialog.get_by_role("button", name="Replay").click()
        await expect(page.get_by_role("status").filter(has_text="dead letter")).to_have_text(
            "Replayed 1 dead letter: 1 stored."
        )
        await expect(page.get_by_role("button", name="late_order")).to_have_count(0)
        events = site.http.get("/v1/registry/events", headers=bearer(READ_KEY)).json()["events"]
        assert "late_order" in {event["name"] for event in events}

        await press(page, "Discard all of UNSTORABLE…")
        confirm = page.get_by_role("alertdialog", name="Discard all dead letters with UNSTORABLE?")
        await expect(confirm).to_contain_text("In the environment prod")
        await expect(confirm).to_contain_text("2 messages are deleted")
        await confirm.get_by_role("button", name="Discard").click()
        await expect(page.get_by_role("status").filter(has_text="dead letter")).to_have_text(
            "2 dead letters discarded."
        )
        await expect(page.get_by_role("heading", name="No dead letters")).to_be_visible()
    left = site.http.get("/v1/admin/dead-letters", headers=bearer(ADMIN_KEY)).json()["deadLetters"]
    assert left == []


async def test_a_revision_says_what_it_changed_and_is_restored(console: Open, site: Server) -> None:
    def publish(rule: str, note: str) -> None:
        answer = site.http.put(
            "/v1/admin/segments/big_baskets", json={"rule": rule}, params={"note": note}, headers=bearer(ADMIN_KEY)
        )
        assert answer.status_code in {200, 201}, answer.text

    publish("events.purchase.count >= 3", "three make it big")
    publish("events.purchase.count >= 5", "three are few")
    async with console("/changes") as page:
        newest = page.get_by_role("row").nth(1)
        await expect(newest).to_contain_text("three are few")
        await expect(newest).to_contain_text("changed segment big_baskets")
        await page.get_by_role("row", name=re.compile("three make it big")).get_by_role("link").click()
        changed = page.get_by_role("region", name="Changed definitions")
        await expect(changed).to_contain_text("created segment big_baskets")
        await press(page, "What changed after it")
        await expect(page).to_have_url(re.compile(r"/changes/\d+\?view=since$"))
        await expect(changed.locator(".removed")).to_contain_text("count >= 3")
        await expect(changed.locator(".added")).to_contain_text("count >= 5")

        await press(page, "Restore…")
        confirm = page.get_by_role("alertdialog", name=re.compile("Restore revision"))
        await expect(confirm).to_contain_text("In the environment prod")
        await expect(confirm.locator(".added")).to_contain_text("count >= 3")
        await confirm.get_by_label("Note").fill("three it is")
        await press(page, "Restore")
        await expect(confirm).to_have_count(0)
        await expect(page.locator(".lead")).to_have_text("three it is")
        await expect(page.get_by_text("newest", exact=True)).to_be_visible()
        live = site.http.get("/v1/admin/segments/big_baskets", headers=bearer(READ_KEY)).json()
        assert live["rule"] == "events.purchase.count >= 3"

        # The versions of a definition lead back to their revisions.
        await changed.get_by_role("link", name="big_baskets").click()
        versions = page.get_by_role("region", name="Versions")
        await versions.locator("summary").first.click()
        await versions.get_by_role("link", name=re.compile("Revision")).click()
        await expect(page.locator(".lead")).to_have_text("three it is")
    async with console("/changes/1", key=READ_KEY) as page:
        await expect(page.get_by_role("region", name="Changed definitions")).to_contain_text("newcomers")
        await expect(page.get_by_role("button", name="Restore…")).to_have_count(0)


async def _die(dsn: str, event: str, fault: Exception) -> None:
    """Keep a message of this event as one that could not be stored."""
    now = clock.now()
    async with await open_pool(dsn, 1) as pool:
        environment = await environment_named(pool, "prod")
        message = make_message(event, now, id=f"dead-{event}")
        async with transaction(pool) as connection:
            digest = blake2b(event.encode()).digest()
            await dead_letters.keep(connection, environment, digest, message, None, fault, now)
