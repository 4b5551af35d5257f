"""The live page in a real browser: what arrives is shown, what waits is not lost, and what was missed is said."""

import re

from playwright.async_api import Page, expect

from console import PHONE, Open, heading
from serving import ADMIN_KEY, Server, bearer
from tinycdp.runtime import clock
from tinycdp.times import iso

HIDE = "hidden => Object.defineProperty(document, 'hidden', {value: hidden, configurable: true})"
CHANGED = "document.dispatchEvent(new Event('visibilitychange'))"
NO_PLACE = {"success": False, "code": "TOO_MANY_STREAMS", "message": "All streams are taken.", "error": ""}


async def connected(page: Page) -> None:
    await expect(page.locator("[data-connection=live]")).to_be_visible()


async def test_messages_wait_while_the_list_is_paused_and_none_is_lost(console: Open, site: Server) -> None:
    async with console("/live?event=ping") as page:
        await connected(page)
        rows = page.get_by_role("list", name="Messages").get_by_role("button")
        await expect(rows).to_have_count(0)
        site.track({"userId": "ping-pong", "event": "ping", "properties": {"n": 0}})
        await expect(rows).to_have_count(1)
        await page.get_by_role("button", name="Pause").click()
        site.batch(
            [{"type": "track", "userId": "ping-pong", "event": "ping", "properties": {"n": n}} for n in range(1, 9)]
        )
        site.track({"userId": "ping-pong", "event": "another"})
        await expect(page.get_by_role("button", name="8 new")).to_be_visible()
        await expect(rows).to_have_count(1)
        await page.get_by_role("button", name="8 new").click()
        await expect(rows).to_have_count(9)
        site.track({"userId": "null", "event": "ping", "properties": {"n": 9}})
        await expect(page.get_by_role("button", name="1 new")).to_be_visible()
        await page.get_by_role("button", name="Resume").click()
        await expect(rows).to_have_count(10)
        await expect(rows.first).to_contain_text("rejected")
        for n in range(9):
            await expect(rows.nth(9 - n)).to_contain_text(f"n {n}")
        await expect(page.get_by_role("region", name="Refused lately")).to_contain_text("BLOCKED_IDENTIFIER")


async def test_a_message_is_opened_by_keyboard_and_says_what_it_changed(console: Open, site: Server) -> None:
    async with console("/live?user=keyboarder") as page:
        await connected(page)
        site.track({"userId": "keyboarder", "event": "cart", "properties": {"items": "2"}})
        site.track({"userId": "keyboarder", "event": "signup"})
        messages = page.get_by_role("list", name="Messages")
        await expect(messages.get_by_role("button")).to_have_count(2)
        await page.keyboard.press("j")
        await expect(page.get_by_role("status").get_by_text("Paused")).to_be_visible()
        site.track({"userId": "keyboarder", "event": "app_open"})
        await expect(page.get_by_role("button", name="1 new")).to_be_visible()
        await page.keyboard.press("Enter")
        chosen = page.get_by_role("complementary", name="The chosen message")
        await expect(chosen).to_contain_text("No segment.")
        await expect(chosen).to_contain_text("Received, and stored as it arrived")
        await page.keyboard.press("Escape")
        await expect(messages.get_by_role("button", name=re.compile("signup"))).to_be_focused()
        await page.keyboard.press("j")
        await page.keyboard.press("Enter")
        await expect(chosen.get_by_role("heading", level=2)).to_have_text("cart")
        await expect(chosen).to_contain_text("Entered newcomers")
        await expect(chosen).to_contain_text('"items": "2"')
        await chosen.get_by_role("link", name="keyboarder").click()
        await page.get_by_role("link", name="Events", exact=True).click()
        await expect(page.get_by_role("main")).to_contain_text("signup")


async def test_a_segment_left_by_the_clock_is_listed_without_a_message(console: Open, site: Server) -> None:
    site.http.put(
        "/v1/admin/segments/just_rang",
        json={"rule": "events.ring.exists(1m)", "description": "for a minute"},
        headers=bearer(ADMIN_KEY),
    ).raise_for_status()
    async with console("/live") as page:
        await connected(page)
        async with page.expect_response(re.compile("/v1/events/live.*segment=just_rang")):
            await page.get_by_label("Segment").select_option("just_rang")
        await expect(page).to_have_url(re.compile("segment=just_rang"))
        await connected(page)
        site.track({"userId": "ringer", "event": "ring", "timestamp": iso(clock.now() - 52_000)})
        rows = page.get_by_role("list", name="Messages").get_by_role("button")
        await expect(rows).to_have_count(1)
        await expect(rows.first).to_contain_text("+ just_rang")
        await expect(rows).to_have_count(2)
        await expect(rows.first).to_contain_text("− just_rang")
        await rows.first.click()
        chosen = page.get_by_role("complementary", name="The chosen transition")
        await expect(chosen).to_contain_text("by the clock")
        await chosen.get_by_role("link", name="only this person").click()
        await expect(page.get_by_role("button", name="Show all people")).to_be_visible()
        await expect(page.get_by_role("list", name="Messages")).to_contain_text("ring")
        await page.get_by_role("button", name="Show all people").click()
        await expect(page).to_have_url(re.compile("/live$"))

        await page.goto(f"{site.url}/live?segment=gone")
        await expect(page.get_by_role("alert")).to_contain_text("NOT_FOUND")


async def test_what_arrived_without_a_connection_is_listed_and_the_rest_is_said(console: Open, site: Server) -> None:
    async with console("/traits") as page:
        await page.clock.install()
        await page.goto(f"{site.url}/live?event=nap&user=sleeper")
        await connected(page)
        await page.evaluate(HIDE, True)
        await page.evaluate(CHANGED)
        await page.clock.fast_forward(61_000)
        await expect(page.get_by_text("Asleep, since this tab was hidden")).to_be_visible()
        site.track({"anonymousId": "sleeper", "event": "nap", "properties": {"n": 1}})
        await page.evaluate(HIDE, False)
        await page.evaluate(CHANGED)
        await connected(page)
        rows = page.get_by_role("list", name="Messages").get_by_role("button")
        await expect(rows).to_have_count(1)
        await expect(page.get_by_text("There was no connection from")).to_contain_text(
            "What was rejected is not listed"
        )
        site.track({"anonymousId": "sleeper", "event": "nap", "properties": {"n": 2}})
        await expect(rows).to_have_count(2)

        await page.route("**/v1/events/live**", lambda route: route.fulfill(status=503, json=NO_PLACE))
        await page.get_by_label("Status").select_option("accepted")
        await expect(page.get_by_text("All places for streams are taken")).to_be_visible()
        await expect(rows).to_have_count(2)
        site.track({"anonymousId": "sleeper", "event": "nap", "properties": {"n": 3}})
        await page.clock.fast_forward(5_000)
        await expect(rows).to_have_count(3)


async def test_an_empty_environment_says_how_to_send_the_first_event_which_lights_up(
    console: Open, site: Server
) -> None:
    made = site.http.post("/v1/admin/environments", json={"key": "fresh"}, headers=bearer(ADMIN_KEY))
    key = made.raise_for_status().json()["adminKey"]["key"]
    async with console("/", key=key, size=PHONE) as page:
        arrival = page.get_by_role("status").filter(has_text="first event")
        await expect(arrival).to_be_visible()
        await expect(page.get_by_text("initTinyCDP({")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
        await page.get_by_role("button", name="Send a test event").click()
        arrived = page.get_by_role("status").filter(has_text="It arrived")
        await expect(arrived).to_contain_text("app_open of ada")
        await arrived.get_by_role("button", name="Show the overview").click()
        busiest = page.get_by_role("region", name="Busiest events")
        await expect(busiest.get_by_role("row", name=re.compile("app_open"))).to_be_visible()
        await busiest.get_by_role("link", name="app_open").click()
        await expect(heading(page)).to_have_text("app_open")
