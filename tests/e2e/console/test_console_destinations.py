"""Destinations and syncs in the console: made, tried, watched while they fail, sent again, edited and deleted."""

import re
from collections.abc import AsyncIterator

import asyncpg
import pytest
from aiohttp import web
from playwright.async_api import Page, expect

from browser import accessible
from console import Open, built_console, heading
from receiver import Receiver, Request, ok, receiving
from serving import ADMIN_KEY, READ_KEY, Server, bearer, eventually, served

#: As if the schedule had ended for what waits.
_GIVE_UP = """
WITH gone AS (DELETE FROM waiting_deliveries RETURNING *), raised AS (
    UPDATE destination_lanes SET generation = generation + 1
)
INSERT INTO undelivered
SELECT environment_id, definition_id, seq, profile_ids, 10, reason, 422, 'unknown field', now() FROM gone
"""


@pytest.fixture(scope="module")
async def site(module_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    built_console()
    with served(tmp_path_factory.mktemp("deliver"), dsn=module_dsn, delivery_private_hosts="127.0.0.1") as running:
        rule = {"rule": "events.visit.count_30d >= 1"}
        running.http.put("/v1/admin/segments/visitors", json=rule, headers=bearer(ADMIN_KEY)).raise_for_status()
        running.batch([{"type": "identify", "userId": "clara", "traits": {"name": "Clara"}}])
        yield running


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found


async def refusing(request: Request, raw: web.Request) -> web.StreamResponse:
    return web.Response(status=422, text="unknown field")


async def save(page: Page) -> None:
    await page.get_by_role("button", name="Review and save").click()
    await page.get_by_role("dialog").get_by_role("button", name="Save").click()


async def test_a_destination_is_made_signed_and_tried(console: Open, site: Server, receiver: Receiver) -> None:
    async with console("/destinations") as page:
        await page.get_by_role("link", name="Make the first one").click()
        await page.get_by_label("Key").fill("crm")
        await page.get_by_label("URL").fill("https://10.0.0.1/hook")
        await expect(page.get_by_role("alert")).to_contain_text("public")
        await page.get_by_label("URL").fill(receiver.url)
        await page.get_by_label("Only of these segments").fill("vis")
        await page.keyboard.press("Enter")
        await page.get_by_role("button", name="Add a header").click()
        await page.get_by_label("Name of header 1").fill("X-Token")
        await page.keyboard.press("Enter")
        await page.get_by_label("Where the value of X-Token comes from").select_option("env")
        await page.get_by_label("Variable of X-Token").fill("HOME")
        await expect(page.get_by_role("alert")).to_contain_text("DELIVERY_")
        await page.reload()  # what is typed is kept
        await page.get_by_label("Variable of X-Token").fill("DELIVERY_TOKEN")
        await save(page)
        await expect(heading(page)).to_have_text("crm")
        await expect(page.get_by_role("status", name="Done")).to_contain_text("gets what happens from now on")
        saved = site.http.get("/v1/destinations/crm", headers=bearer(ADMIN_KEY)).json()["document"]
        assert saved["segments"] == ["visitors"]
        assert saved["headers"] == {"X-Token": {"env": "DELIVERY_TOKEN"}}

        secrets = page.get_by_role("region", name="Signatures")
        for name in ("New secret…", "Rotate…"):
            await secrets.get_by_role("button", name=name).click()
            await page.get_by_role("button", name="Make it").click()
            await expect(page.get_by_role("dialog").locator("pre")).to_have_text(re.compile("whsec_."))
            await page.get_by_role("button", name="I have copied it").click()
        await expect(secrets.get_by_role("listitem")).to_have_count(2)
        await expect(secrets.get_by_role("listitem").first).to_contain_text("ends in 23 hours")

        await page.get_by_role("link", name="Test", exact=True).click()
        await page.get_by_label("Person").fill("Cla")
        await page.get_by_role("list", name="People").get_by_role("button", name="Clara").click()
        message = page.get_by_role("region", name="Message")
        await expect(message).to_contain_text('"value": "clara"')
        assert receiver.requests == []
        receiver.answer = refusing
        await message.get_by_role("button", name="Send it").click()
        await expect(message).to_contain_text("The receiver answered 422.")
        await expect(message.get_by_role("region", name="Answer")).to_have_text(re.compile("unknown field"))
        assert receiver.requests[0].headers["webhook-test"] == "true"
    async with console("/destinations", key=READ_KEY) as page:
        await expect(page.get_by_text("need a key with the scope admin")).to_be_visible()


async def test_what_fails_is_seen_and_sent_again(
    console: Open, site: Server, receiver: Receiver, module_dsn: str, axe: str
) -> None:
    document = {"url": receiver.url, "events": ["segment.entered"], "segments": ["visitors"]}
    site.http.put("/v1/destinations/mails", json=document, headers=bearer(ADMIN_KEY)).raise_for_status()
    receiver.answer = refusing
    for person in ("ada", "bob", "eve"):
        site.track({"userId": person, "event": "visit"})

    async def tried() -> bool:
        return len(receiver.requests) >= 3

    await eventually(tried)
    async with console("/destinations") as page:
        row = page.get_by_role("row", name=re.compile("mails"))
        await expect(row).to_contain_text("failing")
        await row.get_by_role("link", name="mails").click()
        await expect(page.get_by_role("region", name="Delivery")).to_contain_text("Nothing arrives")
        await accessible(page, axe, "a destination that fails")
        await page.get_by_role("link", name="Deliveries").click()
        await page.get_by_label("Only failed ones").check()
        attempts = page.get_by_role("region", name="Attempts")
        await attempts.get_by_role("button", name="segment.entered").last.click()
        opened = page.get_by_role("dialog")
        await expect(opened.get_by_role("region", name="Answer")).to_contain_text("unknown field")
        await expect(opened.get_by_role("region", name="Request")).to_contain_text(
            re.compile('"value": "(ada|bob|eve)"')
        )
        await expect(opened.get_by_role("region", name="Request")).to_contain_text(f"POST {receiver.url}")
        await page.reload()  # what is looked at is in the address
        await expect(opened).to_contain_text("attempt 1")
        await expect(opened.get_by_role("region", name="Request")).to_contain_text("POST")
        await accessible(page, axe, "an attempt")
        await page.keyboard.press("Escape")

        connection = await asyncpg.connect(module_dsn)
        await connection.execute(_GIVE_UP)
        await connection.close()
        await page.get_by_role("link", name="Undelivered (3)").click()
        given_up = page.get_by_role("region", name="Undelivered")
        await expect(given_up.locator("tbody tr").first).to_contain_text("The receiver answered 422.")
        await accessible(page, axe, "what is undelivered")
        receiver.answer = ok
        receiver.requests.clear()
        await given_up.get_by_role("checkbox").first.check()
        await given_up.get_by_role("button", name="Send 1 message again…").click()
        asked = page.get_by_role("alertdialog")
        await expect(asked).to_contain_text("prod")
        await asked.get_by_role("button", name="Send 1 message again").click()
        await expect(page.get_by_role("status", name="Done")).to_have_text(re.compile("1 message is sent again"))
        await expect(given_up.locator("tbody tr")).to_have_count(2)
        await given_up.get_by_role("button", name="Send all again…").click()
        await expect(asked).to_contain_text("2 messages are sent again, with their ids")
        await asked.get_by_role("button", name="Send 2 messages again").click()
        await expect(given_up).to_contain_text("Nothing is undelivered")
        await eventually(tried)
        assert len({request.id for request in receiver.requests}) == 3

        await page.get_by_role("link", name="Deliveries").click()
        await expect(attempts.locator("tbody tr", has_text="200")).to_have_count(3)

        await page.get_by_role("button", name="Pause…").click()
        await page.get_by_label("Reason").fill("The provider moves")
        await page.get_by_role("dialog").get_by_role("button", name="Pause").click()
        await page.get_by_role("link", name="Now", exact=True).click()
        await expect(page.get_by_role("region", name="Delivery")).to_contain_text("The provider moves")
        await page.get_by_role("button", name="Resume").click()
        await expect(page.get_by_role("button", name="Pause…")).to_be_visible()

        await page.get_by_role("button", name="Replay…").click()
        await asked.get_by_role("button", name="After a version").click()
        await asked.get_by_label("What was committed after the version").fill("0")
        await expect(asked).to_contain_text("Up to 3 messages")
        await asked.get_by_role("button", name="Send 3 messages again").click()
        await page.get_by_role("link", name="Deliveries").click()
        newer = attempts.get_by_role("button", name="Show newer attempts")

        async def all_shown() -> bool:
            if await newer.is_visible():
                await newer.click()
            return await attempts.locator("tbody tr", has_text="200").count() == 6

        await eventually(all_shown)


async def test_a_request_in_the_form_of_another_tool(console: Open) -> None:
    async with console("/destinations/new") as page:
        await page.get_by_label("Key").fill("tool")
        await page.get_by_label("Type", exact=True).select_option("http")
        await page.get_by_label("Method").select_option("PUT")
        await page.get_by_label("URL").fill("http://127.0.0.1:9/people/{name}")
        await page.get_by_label("Parameters").fill('{"name": {"expr": "profile.name"}}')
        await page.get_by_label("Body").fill('{"plan": {"expr": "nosuch"}}')
        await expect(page.get_by_role("alert")).to_contain_text("$.mapping.plan")
        await page.get_by_label("Body").fill('{"plan": {"expr": "profile.plan", "else": "none"}}')
        await save(page)
        await page.get_by_role("link", name="Test", exact=True).click()
        await page.get_by_label("Person").fill("Cla")
        await page.get_by_role("list", name="People").get_by_role("button", name="Clara").click()
        message = page.get_by_role("region", name="Message")
        await expect(message).to_contain_text("PUT http://127.0.0.1:9/people/Clara")
        await expect(message).to_contain_text('"plan": "none"')


async def test_an_edit_meets_another_one_and_a_destination_goes(console: Open, site: Server) -> None:
    document = {"url": "https://hooks.example.com/", "events": ["flag.changed"], "paused": True}
    site.http.put("/v1/destinations/audit", json=document, headers=bearer(ADMIN_KEY)).raise_for_status()
    async with console("/destinations/audit?edit=yes") as page:
        await page.get_by_label("Name", exact=True).fill("Auditors")
        site.http.put("/v1/destinations/audit", json={**document, "rate": 5}, headers=bearer(ADMIN_KEY))
        await page.reload()
        await expect(page.get_by_role("alert")).to_contain_text("published version 2 after you began")
        await page.get_by_role("button", name="Go on with mine").click()
        await page.get_by_role("button", name="Text", exact=True).click()
        text = page.get_by_label("Document as JSON")
        await text.fill((await text.input_value()).replace('"flag.changed"', '"flag.moved"'))
        await expect(page.get_by_role("alert")).to_contain_text("$.events[0]")
        await text.fill((await text.input_value()).replace('"flag.moved"', '"flag.changed", "profile.merged"'))
        await save(page)
        await expect(heading(page)).to_have_text("Auditors")
        await page.get_by_role("button", name="Resume").click()
        await expect(page.get_by_role("dialog")).to_contain_text("DESTINATION_PAUSED")
        await page.keyboard.press("Escape")
        await page.get_by_role("link", name="Versions").click()
        await expect(page.get_by_role("region", name="Versions").locator("summary")).to_have_count(3)
        await page.get_by_role("button", name="Rename…").click()
        await page.get_by_label("New key").fill("auditors")
        await page.get_by_role("dialog").get_by_role("button", name="Rename").click()
        await expect(page).to_have_url(re.compile("/destinations/auditors"))
        await page.get_by_role("button", name="Delete…").click()
        await expect(page.get_by_role("alertdialog")).to_contain_text("its secrets")
        await page.get_by_role("alertdialog").get_by_role("textbox").fill("auditors")
        await page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
        await expect(page.get_by_role("status", name="Done")).to_contain_text("is deleted")
        await expect(page.get_by_role("link", name="Auditors")).to_have_count(0)


async def test_a_sync_is_written_run_braked_and_released(
    console: Open, site: Server, receiver: Receiver, axe: str
) -> None:
    site.batch(
        [{"type": "identify", "userId": f"lead-{n}", "traits": {"email": f"Lead{n}@example.com"}} for n in range(12)]
    )
    document = {"url": receiver.url, "events": []}
    site.http.put("/v1/destinations/leads", json=document, headers=bearer(ADMIN_KEY)).raise_for_status()
    receiver.answer = refusing
    async with console("/destinations/leads") as page:
        await page.get_by_role("link", name="New sync").click()
        await page.get_by_label("Key").fill("contacts")
        await page.get_by_label("Record", exact=True).fill('{"email": {"expr": "nosuch"}}')
        await expect(page.get_by_role("alert")).to_contain_text("$.mapping.email")
        await page.get_by_label("Record", exact=True).fill('{"email": {"expr": "profile.email", "as": "lower_trim"}}')
        await page.get_by_label("Mode", exact=True).select_option("mirror")
        preview = page.get_by_role("region", name="Preview")
        await preview.get_by_role("button", name="Count what it would send").click()
        await expect(preview).to_contain_text(re.compile("Added\\s*12"))
        await expect(preview.locator("tbody tr").first).to_contain_text('{"email":"lead0@example.com"}')
        assert receiver.requests == []
        await save(page)
        await expect(heading(page)).to_have_text("contacts")

        records = page.get_by_role("region", name="Records")
        await expect(records).to_contain_text(re.compile("Failed\\s*12"))
        await page.get_by_role("link", name=re.compile(r"Records \(")).click()
        await page.get_by_label("State", exact=True).select_option("Failed")
        await expect(records.locator("tbody tr")).to_have_count(12)
        await expect(records.locator("tbody tr").first).to_contain_text("The receiver answered 422.")
        await accessible(page, axe, "records that failed")
        receiver.answer = ok
        await page.get_by_role("button", name="Run now").click()
        await page.get_by_role("link", name="Now", exact=True).click()
        await expect(records).to_contain_text(re.compile("At the receiver\\s*12"))

        await page.keyboard.press("e")
        await page.get_by_label("Only where").fill('profile.email == "no one"')
        await preview.get_by_role("button", name="Count what it would send").click()
        await expect(preview.get_by_role("status")).to_contain_text("the brake would hold: 12 removals")
        await accessible(page, axe, "a preview of removals")
        receiver.requests.clear()
        await save(page)
        await expect(records.get_by_role("status")).to_contain_text("12 of 12 records would be removed")
        await page.get_by_role("link", name="Syncs", exact=True).first.click()
        await expect(page.get_by_role("row", name=re.compile("contacts"))).to_contain_text("braked")
        await page.get_by_role("link", name="contacts").click()
        await records.get_by_role("button", name="Release the brake…").click()
        asked = page.get_by_role("alertdialog")
        await expect(asked).to_contain_text("prod")
        await expect(asked).to_contain_text("12 people are deleted at leads")
        assert receiver.requests == []
        await asked.get_by_role("button", name="Remove 12 people").click()
        await expect(page.get_by_role("status", name="Done")).to_contain_text("12 people will be removed")

        async def removed() -> bool:
            return len(receiver.requests) == 12

        await eventually(removed)

        await page.get_by_role("link", name="Versions").click()
        await page.get_by_role("button", name="Rename…").click()
        await page.get_by_label("New key").fill("sales")
        await page.get_by_role("dialog").get_by_role("button", name="Rename").click()
        await expect(page).to_have_url(re.compile("/syncs/sales"))
        await page.get_by_role("button", name="Delete…").click()
        await asked.get_by_role("textbox").fill("sales")
        await asked.get_by_role("button", name="Delete").click()
        await expect(page.get_by_role("link", name="Make the first one")).to_be_visible()
