"""The console in a real browser: signing in, getting about, and what every page owes its readers."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from playwright.async_api import expect

from browser import accessible
from console import FOLDER, PHONE, WIDE, Open, built_console, heading
from javascript import Package
from serving import ADMIN_KEY, READ_KEY, WRITE_KEY, Server, bearer
from tinycdp.runtime import clock
from tinycdp.times import iso

#: All scripts of the first page, compressed.
MOST_BYTES = 170_000
#: The text field of the editor, compressed.
MOST_BYTES_OF_EDITOR = 120_000
MOST_BYTES_OF_ANOTHER_PART = 40_000
#: The pages of analysis have answers, where there is an engine.
ANALYTICS = find_spec("chdb") is not None
ADDRESSES = (
    "/",
    "/live",
    "/live?event=no_such_event",
    "/segments",
    "/segments?q=nothing+has+this",
    "/segments/abandoned_carts",
    "/segments/no_such_segment",
    "/segments/newcomers?tab=members",
    "/segments/newcomers?tab=history",
    "/traits",
    "/new/segment",
    "/segments/newcomers?edit=yes&view=rows&person=clara",
    "/traits/favourite_category",
    "/insights/trends?series.0.event=*&series.0.name=All&breakdown.0.property=category&breakdown.1.property=amount",
    "/insights/funnels?steps.0.event=app_open&steps.1.event=cart&cell.status=dropped",
    "/insights/retention?brackets.0.0=1&brackets.0.1=7",
    "/insights/lifecycle",
    "/insights/stickiness",
    "/insights/paths?end=purchase",
    "/experiments",
    "/experiments/price_level?metrics.0.event=purchase",
    "/experiments/no_such_flag",
    "/flags",
    "/new/flag",
    "/flags/price_level?edit=yes",
    "/flags/price_level?person=clara",
    "/flags/price_level?tab=exposures",
    "/flags/price_level?tab=versions",
    "/flags/price_level?tab=impact",
    "/users",
    "/users/clara",
    "/users/clara?why=trait:revenue_90d",
    "/users/clara?tab=events&event=purchase",
    "/users/clara?tab=history",
    "/users/clara?tab=identity",
    "/users/no-such-person",
    "/groups",
    "/identity",
    "/identity?tab=refusals",
    "/identity?tab=blocked",
    "/privacy",
    "/privacy?tab=suppressions",
    "/registry",
    "/registry?view=properties",
    "/registry?view=sdks",
    "/registry/purchase",
    "/registry/purchase?property=amount",
    "/registry/purchase?plan=edit",
    "/registry/no_such_event",
    "/changes",
    "/changes/1",
    "/changes/999999",
    "/quality",
    "/quality?code=INVALID_EVENT_NAME&hours=720",
    "/quality?rejection=1",
    "/quality?rejection=999999",
    "/quality?view=dead-letters",
    "/quality?view=dead-letters&letter=999999",
    "/settings",
    "/settings/validation",
    "/settings/no-such-policy",
    "/imports",
    "/imports?new=yes",
    "/imports?import=nosuch",
    "/exports",
    "/exports?q=nothing+has+this",
    "/exports?new=yes",
    "/destinations",
    "/destinations/new",
    "/destinations/crm",
    "/destinations/crm?tab=test&type=flag.changed",
    "/destinations/crm?tab=versions",
    "/destinations/crm?edit=yes",
    "/syncs",
    "/syncs/new",
    "/syncs/people",
    "/syncs/people?tab=records",
    "/syncs/people?tab=preview",
    "/syncs/people?tab=versions",
    "/syncs/people?edit=yes",
    "/audit",
    "/audit?kind=import",
    "/keys",
    "/dashboards",
    "/keys?q=nothing+has+this",
)


async def test_a_link_signs_in_and_leaves_no_key_in_the_address(console: Open) -> None:
    async with console("/segments/newcomers") as page:
        await expect(heading(page)).to_have_text("newcomers")
        assert "#" not in page.url and ADMIN_KEY not in page.url
        assert await page.evaluate("sessionStorage['tinycdp-key']") == ADMIN_KEY
        assert await page.evaluate("JSON.stringify(localStorage)") == "{}"
        await page.reload()
        await expect(heading(page)).to_have_text("newcomers")
        await page.get_by_role("button", name="Sign out").click()
        await expect(heading(page)).to_have_text("Sign in")
        assert ADMIN_KEY not in await page.evaluate("JSON.stringify(sessionStorage)")


async def test_a_wrong_key_is_refused_and_a_right_one_is_not(console: Open) -> None:
    async with console("/", key=None) as page:
        await expect(page.get_by_label("Key")).to_be_focused()
        await page.keyboard.type("no-such-key")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("key")
        await page.get_by_label("Key").fill(ADMIN_KEY)
        await page.keyboard.press("Enter")
        await expect(heading(page)).to_have_text("Overview")
        await expect(page.locator(".side .environment")).to_have_text("prod")


async def test_a_key_that_is_revoked_meanwhile_leaves_the_page(console: Open, site: Server) -> None:
    made = site.http.post("/v1/admin/keys", json={"scopes": ["admin"], "name": "short"}, headers=bearer(ADMIN_KEY))
    assert made.status_code == 201, made.text
    key, id = made.json()["key"], made.json()["id"]
    async with console("/segments", key=key) as page:
        await expect(page.get_by_role("link", name="newcomers")).to_be_visible()
        assert site.http.delete(f"/v1/admin/keys/{id}", headers=bearer(ADMIN_KEY)).status_code == 200
        await page.get_by_role("link", name="newcomers").click()
        await expect(page.get_by_role("dialog")).to_contain_text("Sign in again")
        await page.get_by_label("Key").fill(ADMIN_KEY)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await expect(heading(page)).to_have_text("newcomers")
        await expect(page.get_by_role("region", name="In words")).to_contain_text("People")


async def test_a_key_that_reads_sees_every_page(console: Open) -> None:
    async with console("/users", key=READ_KEY) as page:
        await page.get_by_role("link", name="Clara").click()
        await expect(page.get_by_role("region", name="Flags")).to_contain_text("price_level")
        await page.get_by_role("link", name="Segments").click()
        await page.get_by_role("link", name="abandoned_carts").click()
        await expect(page.get_by_role("region", name="In words")).to_contain_text("People whose")
        await expect(page.locator("[aria-busy]")).to_have_count(0)
        await expect(page.get_by_role("alert")).to_have_count(0)


async def test_a_key_that_cannot_read_is_refused(console: Open) -> None:
    async with console("/", key=None) as page:
        await page.get_by_label("Key").fill(WRITE_KEY)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("may not read")


async def test_a_definition_says_what_it_means_and_whom_it_holds(console: Open) -> None:
    async with console("/segments") as page:
        await expect(page.get_by_role("link", name="newcomers")).to_be_visible()
        await page.keyboard.press("/")
        await page.keyboard.type("abandoned")
        await expect(page.locator("tbody tr")).to_have_count(1)
        assert page.url.endswith("/segments?q=abandoned")
        await page.get_by_role("link", name="abandoned_carts").click()
        await expect(page.locator(".code").first).to_have_text("cart_open && events.cart.last_minutes_ago >= 60")
        await expect(page.get_by_role("region", name="In words")).to_contain_text("last did cart at least an hour ago")
        await expect(page.get_by_role("region", name="Dependencies")).to_contain_text("cart_reminder")
        await expect(page.get_by_role("region", name="Versions")).to_contain_text("1")
        await page.get_by_role("region", name="Members").get_by_role("link", name="Clara").click()
        await expect(heading(page)).to_have_text("Clara")
        await page.go_back()
        await expect(heading(page)).to_have_text("abandoned_carts")


async def test_a_person_with_what_is_known_and_until_when(console: Open) -> None:
    async with console("/users?q=Cla") as page:
        await page.get_by_role("link", name="Clara").click()
        segments = page.get_by_role("region", name="Segments").get_by_role("row", name=re.compile("abandoned_carts"))
        await expect(segments.locator("time")).to_have_count(2)
        traits = page.get_by_role("region", name="Traits")
        await expect(traits.get_by_role("row", name=re.compile("cart_open"))).to_contain_text("yes")
        await expect(traits.get_by_role("row", name=re.compile("revenue_90d"))).to_contain_text("40")
        flags = page.get_by_role("region", name="Flags")
        await expect(flags.get_by_role("row", name=re.compile("price_level"))).to_contain_text("split: bucket")
        await page.get_by_role("link", name="Events", exact=True).click()
        journey = page.get_by_role("region", name="Journey")
        await expect(journey.locator("li")).to_have_count(4)
        await journey.locator("summary", has_text="purchase").click()
        await expect(journey.locator(".code")).to_contain_text('"amount": 40')


async def test_a_segment_that_ends_leaves_the_page_by_itself(console: Open, site: Server) -> None:
    """The instant comes without an event, and the page shows it without a reload."""
    site.http.put(
        "/v1/admin/segments/just_seen",
        json={"rule": "events.knock.exists(1m)", "description": "for a minute"},
        headers=bearer(ADMIN_KEY),
    ).raise_for_status()
    site.track({"userId": "visitor", "event": "knock", "timestamp": iso(clock.now() - 40_000)})
    async with console("/segments/just_seen") as page:
        members = page.get_by_role("region", name="Members")
        await expect(members).to_contain_text("visitor")
        await expect(members).not_to_contain_text("visitor")
    site.track({"userId": "guest", "event": "knock", "timestamp": iso(clock.now() - 52_000)})
    async with console("/users/guest") as page:
        await page.evaluate("window.mark = 'this page'")
        segment = page.get_by_role("region", name="Segments").get_by_role("row", name=re.compile("just_seen"))
        await expect(segment).to_have_count(1)
        await expect(segment).to_have_count(0)
        assert await page.evaluate("window.mark") == "this page"


async def test_the_server_away_keeps_what_is_on_the_page(console: Open) -> None:
    async with console("/segments") as page:
        await expect(page.get_by_role("link", name="newcomers")).to_be_visible()
        await page.route("**/v1/**", lambda route: route.abort())
        await page.get_by_role("link", name="Traits").click()
        await expect(page.get_by_role("alert")).to_contain_text("does not answer")
        await page.get_by_role("link", name="Segments", exact=True).click()
        await expect(page.get_by_role("link", name="newcomers")).to_be_visible()
        await page.unroute("**/v1/**")
        await page.get_by_role("link", name="Traits").click()
        await expect(page.get_by_role("link", name="cart_open")).to_be_visible()


async def test_the_keyboard_goes_anywhere(console: Open, site: Server) -> None:
    async with console("/traits") as page:
        await expect(page.get_by_role("link", name="cart_open")).to_be_visible()
        await page.keyboard.press("Control+k")
        await page.keyboard.type("newcom")
        await expect(page.get_by_role("option", name="newcomers segment")).to_have_attribute("aria-selected", "true")
        await page.keyboard.press("Enter")
        await expect(heading(page)).to_have_text("newcomers")
        await page.keyboard.press("Control+k")
        await page.keyboard.type("clar")
        await expect(page.get_by_role("option", name="Clara person")).to_have_attribute("aria-selected", "true")
        await page.keyboard.press("Enter")
        await expect(heading(page)).to_have_text("Clara")
        await page.keyboard.press("Control+k")
        await page.keyboard.type("new seg")
        await expect(page.get_by_role("option", name="New segment action")).to_have_attribute("aria-selected", "true")
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(f"{site.url}/new/segment")
    async with console("/traits", key=READ_KEY) as page:
        await expect(page.get_by_role("link", name="cart_open")).to_be_visible()
        await page.keyboard.press("Control+k")
        await page.keyboard.type("new")
        await expect(page.get_by_role("option", name="newcomers segment")).to_be_visible()
        await expect(page.get_by_role("option", name="New segment action")).to_have_count(0)


async def test_single_keys_go_about_until_they_are_switched_off(console: Open) -> None:
    async with console("/traits") as page:
        await expect(page.get_by_role("link", name="cart_open")).to_be_visible()
        await page.keyboard.press("g")
        await page.keyboard.press("s")
        await expect(heading(page)).to_have_text("Segments")
        await expect(page.get_by_role("link", name="newcomers")).to_be_visible()
        names = await page.locator("tbody .row-link").all_inner_texts()
        for key in "jjk":
            await page.keyboard.press(key)
        await expect(page.get_by_role("link", name=names[0])).to_be_focused()
        await page.keyboard.press("j")
        await page.keyboard.press("Enter")
        await expect(heading(page)).to_have_text(names[1])
        await page.keyboard.press("?")
        await page.get_by_label("Keys of a single character are on").uncheck()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await page.keyboard.press("g")
        await page.keyboard.press("t")
        await page.keyboard.press("?")
        await page.keyboard.press("Control+k")
        await expect(page.get_by_role("dialog")).to_have_count(1)
        await page.keyboard.type("theme: dark")
        await page.keyboard.press("Enter")
        assert await page.evaluate("document.documentElement.dataset.theme") == "dark"
        await expect(heading(page)).to_have_text(names[1])


async def test_the_server_says_when_the_database_is_away_and_when_it_is_another(console: Open, site: Server) -> None:
    async with console("/traits") as page:
        await expect(page.get_by_role("link", name="cart_open")).to_be_visible()
        await page.clock.install()
        away = {"success": False, "code": "DATABASE_AWAY", "message": "The database cannot be reached.", "error": ""}
        await page.route("**/readyz", lambda route: route.fulfill(status=503, json=away))
        await page.route("**/healthz", lambda route: route.fulfill(json={"status": "ok", "version": "99.1"}))
        await page.reload()
        await expect(page.get_by_text("The database is away.")).to_be_visible()
        await expect(page.get_by_role("button", name="Reload")).to_have_count(0)
        await page.unroute("**/healthz")
        await page.unroute("**/readyz")
        await page.clock.fast_forward(61_000)
        await expect(page.get_by_text("The server is now version")).to_be_visible()
        await expect(page.get_by_text("The database is away.")).to_have_count(0)
        await page.get_by_role("button", name="Reload").click()
        await expect(page.get_by_text("The server is now version")).to_have_count(0)


async def test_a_theme_is_kept_and_the_phone_has_a_menu(console: Open) -> None:
    async with console("/segments", size=PHONE) as page:
        body = page.locator("body")
        await expect(body).to_have_css("background-color", "rgb(255, 255, 255)")
        await page.get_by_role("button", name="Menu").click()
        await page.get_by_role("button", name="dark theme").click()
        await expect(body).to_have_css("background-color", "rgb(13, 17, 22)")
        await page.get_by_role("dialog").get_by_role("link", name="Flags").click()
        await expect(heading(page)).to_have_text("Flags")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await page.reload()
        await expect(heading(page)).to_have_text("Flags")
        await expect(body).to_have_css("background-color", "rgb(13, 17, 22)")


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
async def test_every_page_is_accessible(console: Open, axe: str, size: tuple[int, int], site: Server) -> None:
    destination = {"url": "https://hooks.example.com/", "events": ["flag.changed"], "paused": True}
    site.http.put("/v1/destinations/crm", json=destination, headers=bearer(ADMIN_KEY)).raise_for_status()
    sync = {"destination": "crm", "mapping": {"email": {"expr": "profile.email"}}, "match": ["email"]}
    site.http.put("/v1/syncs/people", json=sync, headers=bearer(ADMIN_KEY)).raise_for_status()
    async with console("/", key=None, size=size) as page:

        async def check(view: str) -> None:
            await expect(page.locator("[aria-busy]")).to_have_count(0)
            await accessible(page, axe, view)

        await expect(heading(page)).to_have_text("Sign in")
        await check("the sign-in")
        await page.evaluate("key => sessionStorage.setItem('tinycdp-key', key)", ADMIN_KEY)
        for address in ADDRESSES:
            await page.goto(f"{site.url}{address}")
            await expect(page.get_by_role("heading").first).to_be_visible()
            await check(address)
        await page.keyboard.press("Control+k")
        await expect(page.get_by_role("listbox")).to_be_visible()
        await check("the palette")


async def test_the_first_page_is_small() -> None:
    sizes = {name: (built_console() / "assets" / f"{name}.gz").stat().st_size for name in _loaded_first()}
    assert sum(sizes.values()) < MOST_BYTES, sizes


def _loaded_first() -> set[str]:
    """The scripts and styles of the page, and all scripts that these import before they run."""
    page = (built_console() / "console.html").read_text()
    found, open_ = set[str](), set(re.findall(r'/assets/([\w.-]+\.(?:js|css))"', page))
    assert open_
    while open_:
        name = open_.pop()
        found.add(name)
        text = (built_console() / "assets" / name).read_text()
        open_ |= set(re.findall(r'(?:from|import)"\./([\w.-]+\.js)"', text)) - found
    return found


async def test_the_editor_s_text_field_is_loaded_apart_and_small() -> None:
    [file] = (built_console() / "assets").glob("codemirror-*.js.gz")
    assert file.stat().st_size < MOST_BYTES_OF_EDITOR
    assert file.name.removesuffix(".gz") not in _loaded_first()


async def test_every_other_part_is_small() -> None:
    first = _loaded_first()
    others = {
        file.name: file.stat().st_size
        for file in (built_console() / "assets").glob("*.js.gz")
        if file.name.removesuffix(".gz") not in first and not file.name.startswith("codemirror-")
    }
    assert others
    assert max(others.values()) < MOST_BYTES_OF_ANOTHER_PART, others


def test_the_types_are_those_of_the_server_s_document(site: Server, tmp_path: Path) -> None:
    """`node src/console/tools/api.ts openapi.json` writes them anew."""
    document = tmp_path / "openapi.json"
    document.write_bytes(site.http.get("/openapi.json").content)
    package = Package(FOLDER)
    written = package.script("tools/api.ts", str(document))
    assert written == (FOLDER / "app" / "lib" / "api.ts").read_text()
