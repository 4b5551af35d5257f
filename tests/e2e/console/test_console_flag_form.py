"""Flags are written in the console: as a form or as their text, which is the truth.

Laws    a flag that is sent back is what it was but for the edit: its fields, and the order of its variants, which says
        who gets which
        what is typed is kept until it is published or discarded, and nothing is overwritten
"""

import json
import re
from typing import Any

from playwright.async_api import Locator, Page, expect

from console import Open, heading
from serving import ADMIN_KEY, READ_KEY, Server, bearer

ADMIN = bearer(ADMIN_KEY)


def define(site: Server, key: str, document: dict[str, Any]) -> None:
    site.http.put(f"/v1/admin/flags/{key}", json=document, headers=ADMIN).raise_for_status()


def document(site: Server, key: str) -> dict[str, Any]:
    answer = site.http.get(f"/v1/admin/flags/{key}", headers=ADMIN)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["document"]
    return found


def served(site: Server, key: str, person: str) -> object:
    answer = site.http.get("/v1/decide", params={"userId": person, "flag": key}, headers=bearer(READ_KEY))
    return answer.json()["variant"]


def condition(page: Page, label: str) -> Locator:
    return page.get_by_role("textbox", name=label, exact=True)


async def write(page: Page, label: str, source: str) -> None:
    """In place of what is there."""
    await condition(page, label).click()
    await page.keyboard.press("Control+a")
    await page.keyboard.press("Delete")
    await page.keyboard.insert_text(source)


async def publish(page: Page, note: str = "") -> None:
    await page.get_by_role("button", name="Review and publish").click()
    dialog = page.get_by_role("dialog")
    if note:
        await dialog.get_by_label("Note").fill(note)
    await dialog.get_by_role("button", name=re.compile("Publish|Archive|Bring back")).click()
    await expect(dialog).to_have_count(0)


async def test_a_flag_is_made_in_three_fields_then_split_and_decided(console: Open, site: Server) -> None:
    async with console("/segments/newcomers") as page:
        await page.get_by_role("link", name="Use in a flag").click()
        await expect(condition(page, "Condition")).to_have_text("segments.newcomers")
        await page.get_by_label("Key", exact=True).fill("Tea banner")
        await page.get_by_role("button", name="Call it tea_banner").click()
        await page.get_by_label("Description").fill("Says that tea is new")
        await write(page, "Condition", "revenue_90d >= 4 &&")
        await expect(page.locator(".messages .error")).to_be_visible()
        await write(page, "Condition", "revenue_90d >= 40")
        preview = page.get_by_role("region", name="Preview")
        await expect(preview).to_contain_text("no flag → on for 1 person")
        await preview.get_by_role("link", name="clara").hover()
        simulate = page.get_by_role("region", name="Simulate")
        await simulate.get_by_label("Person").fill("clara")
        await expect(simulate.locator(".variant")).to_have_text("on")
        await expect(simulate).to_contain_text("the draft")
        await publish(page, "a first try")
        await expect(heading(page)).to_have_text("tea_banner")
        assert served(site, "tea_banner", "clara") == "on"
        assert served(site, "tea_banner", "someone-else") == "off"

        # Another variant, a split of three, and people for whom it is fixed.
        await page.keyboard.press("e")
        variants = page.get_by_role("region", name="Variants")
        await variants.get_by_role("button", name="Add a variant").click()
        await variants.get_by_label("Name of the variant variant3").fill("later")
        await variants.get_by_label("Name of the variant variant3").press("Enter")
        rules = page.get_by_role("region", name="Rules")
        await rules.get_by_role("button", name="Split").click()
        await rules.get_by_label("Share of later in rule", exact=True).fill("100")
        await expect(rules.get_by_label("Share of on in rule", exact=True)).to_have_value("0")
        await expect(rules.locator(".reach")).to_contain_text("1 of 1 person")
        await expect(preview).to_contain_text("on → later for 1 person")
        before = page.get_by_role("region", name="Before the rules")
        await before.get_by_role("button", name="Fix a variant for someone").click()
        await expect(before.get_by_role("alert")).to_have_count(0)
        await before.get_by_label("Person of the override").fill("someone-else")
        await before.get_by_label("Variant of the override").select_option("later")
        await publish(page)
        await expect(page.get_by_role("status", name="Published")).to_contain_text("Version 2")
        assert served(site, "tea_banner", "clara") == "later"
        assert served(site, "tea_banner", "someone-else") == "later"
        assert sum(document(site, "tea_banner")["rules"][0]["split"].values()) == 100_000
        await page.get_by_role("button", name="Undo").click()
        await expect(page.get_by_role("status", name="Published")).to_contain_text("version 3 is as before")
        assert served(site, "tea_banner", "clara") == "on"

        # Archived, brought back and deleted, each after a look at what that does.
        await page.get_by_role("link", name="Impact").click()
        await page.get_by_role("button", name="Archive…").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog.locator(".diff .added")).to_contain_text("archived: true")
        await dialog.get_by_role("button", name="Archive").click()
        await expect(page.get_by_role("button", name="Bring back…")).to_be_visible()
        await page.get_by_role("button", name="Bring back…").click()
        await dialog.get_by_role("button", name="Bring back").click()
        await expect(page.get_by_role("button", name="Archive…")).to_be_visible()
        assert served(site, "tea_banner", "clara") == "on"
        await page.get_by_role("button", name="Delete…").click()
        await page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
        await expect(heading(page)).to_have_text("Flags")
        await expect(page.get_by_role("link", name="tea_banner")).to_have_count(0)


async def test_variants_that_are_numbers_keep_their_order_and_their_people(console: Open, site: Server) -> None:
    split = {"10": 50_000, "9": 30_000, "control": 20_000}
    variants = {"10": "ten", "9": "nine", "control": "none"}
    rules = [{"id": "all", "when": "true", "split": split}]
    define(site, "numbers", {"type": "string", "variants": variants, "offVariant": "control", "rules": rules})

    def order() -> list[str]:
        found = document(site, "numbers")
        assert list(found["variants"]) == list(variants)
        return list(found["rules"][0]["split"])

    people = [f"person{n}" for n in range(30)]
    before = [served(site, "numbers", person) for person in people]
    assert {"10", "9", "control"} == set(before)
    async with console("/flags/numbers") as page:
        await expect(page.locator(".split li").first).to_contain_text("10")
        await page.get_by_role("button", name="Turn off").click()
        await page.get_by_role("alertdialog").get_by_role("button", name="Turn off").click()
        await page.get_by_role("button", name="Turn on").click()
        await page.get_by_role("alertdialog").get_by_role("button", name="Turn on").click()
        await expect(page.get_by_role("button", name="Turn off")).to_be_visible()
        await page.keyboard.press("e")
        await page.get_by_label("Description").fill("Counted")
        await publish(page)
        await expect(page.get_by_role("status", name="Published")).to_contain_text("Version 4")
        assert order() == ["10", "9", "control"]
        assert [served(site, "numbers", person) for person in people] == before
        await page.keyboard.press("e")
        await page.get_by_label("Share of 9 in all", exact=True).fill("10")
        await publish(page)
        await expect(page.get_by_role("status", name="Published")).to_contain_text("Version 5")
        assert order() == ["10", "9", "control"]
        await page.get_by_role("button", name="Undo").click()
        await expect(page.get_by_role("status", name="Published")).to_contain_text("version 6 is as before")
        assert document(site, "numbers")["rules"][0]["split"] == split
        assert [served(site, "numbers", person) for person in people] == before


async def test_rules_move_by_keyboard_and_mouse_and_the_draft_outlives_a_reload(console: Open, site: Server) -> None:
    rules = [{"id": name, "when": "true", "serve": name} for name in ("first", "second", "third")]
    variants = {"first": 1, "second": 2, "third": 3}
    define(site, "order", {"type": "integer", "variants": variants, "offVariant": "third", "rules": rules})
    async with console("/flags/order?edit=yes") as page:
        cards = page.locator(".rule-card")
        await expect(cards).to_have_count(3)
        await page.get_by_role("button", name="Move third", exact=True).focus()
        await page.keyboard.press("Alt+ArrowUp")
        await expect(page.get_by_role("button", name="Move third", exact=True)).to_be_focused()
        await page.keyboard.press("Alt+ArrowUp")
        await expect(page.get_by_role("status").filter(has_text="third is now rule 1 of 3")).to_have_count(1)
        await expect(page.get_by_role("button", name="Move third", exact=True)).to_be_focused()
        handle = page.get_by_role("button", name="Move first", exact=True)
        await handle.drag_to(page.get_by_role("listitem", name="Rule second").locator("header"))
        await expect(cards.nth(2)).to_have_attribute("aria-label", "Rule first")
        await expect(page.get_by_role("status").filter(has_text="Draft of version 1, kept")).to_have_count(1)
        await page.reload()
        await expect(cards.first).to_have_attribute("aria-label", "Rule third")
        await expect(page.get_by_role("region", name="Preview")).to_contain_text("first → third")

        # The text is the truth, in both directions; what cannot be read stays as it is typed.
        await page.get_by_role("button", name="Text", exact=True).click()
        text = page.get_by_label("Document as JSON")
        written = json.loads(await text.input_value())
        assert [rule["id"] for rule in written["rules"]] == ["third", "second", "first"]
        await text.fill("{")
        await expect(page.get_by_role("alert")).to_contain_text("JSON")
        await page.reload()
        await expect(text).to_have_value("{")
        written["rules"][1]["serve"] = "fourth"
        await text.fill(json.dumps(written))
        await expect(page.locator(".wrong")).to_contain_text("there is no variant 'fourth'")
        written["rules"][1] |= {"serve": "second", "rollout": 12.5}
        await text.fill(json.dumps(written))
        await page.get_by_role("button", name="Form", exact=True).click()
        await expect(page.get_by_label("Rollout of second", exact=True)).to_have_value("12.5")
        await publish(page)
        await expect(page.get_by_role("status", name="Published")).to_contain_text("Version 2")
        assert [rule["id"] for rule in document(site, "order")["rules"]] == ["third", "second", "first"]
        assert await page.evaluate("localStorage.length") == 0


async def test_two_people_edit_one_flag_and_no_one_loses(console: Open, site: Server) -> None:
    rules = [{"id": "all", "when": "true", "serve": "on", "rollout": 10}]
    define(site, "shared_flag", {"rules": rules, "description": "began so"})
    live = document(site, "shared_flag")
    async with console("/flags/shared_flag?edit=yes") as page:
        await page.get_by_label("Rollout of all", exact=True).fill("50")
        await expect(page.get_by_role("region", name="Preview")).to_contain_text("for")
        define(site, "shared_flag", live | {"description": "theirs"})
        await page.get_by_role("button", name="Review and publish").click()
        conflict = page.get_by_role("alert", name="Conflict")
        await expect(conflict).to_contain_text("published version 2")
        await conflict.get_by_role("button", name="Keep both changes").click()
        await expect(page.get_by_label("Description")).to_have_value("theirs")
        define(site, "shared_flag", live | {"rules": [rules[0] | {"rollout": 20}], "description": "theirs"})
        await page.reload()
        await expect(conflict).to_contain_text('"rollout": 20')
        await expect(page.get_by_label("Rollout of all", exact=True)).to_have_value("50")
        await conflict.get_by_role("button", name="Take theirs").click()
        await expect(page.get_by_label("Rollout of all", exact=True)).to_have_value("20")
        await page.get_by_role("button", name="Bring it back").click()
        await conflict.get_by_role("button", name="Go on with yours").click()
        await publish(page)
        await expect(page.get_by_role("status", name="Published")).to_contain_text("Version 4")
    assert document(site, "shared_flag")["rules"][0]["rollout"] == 50
    assert document(site, "shared_flag")["description"] == "theirs"


async def test_a_flag_gets_what_few_have_and_the_form_says_what_is_wrong(console: Open, site: Server) -> None:
    """Schedule, prerequisite, holdout, exclusion and metadata, as the document has them."""
    define(site, "gate", {"rules": [{"id": "all", "when": "true", "serve": "on"}]})
    define(site, "rare", {"rules": [{"id": "ramp", "when": "true", "serve": "on", "rollout": 5}]})
    async with console("/flags/rare?edit=yes") as page:
        before = page.get_by_role("region", name="Before the rules")
        await before.get_by_role("button", name="Require another flag").click()
        await before.get_by_label("Flag of prerequisite 1").select_option("gate")
        await before.get_by_role("button", name="Hold people out").click()
        await before.get_by_label("Holdout 1", exact=True).select_option("gate")
        schedule = page.get_by_role("region", name="Schedule")
        await schedule.get_by_role("button", name="Add a step").click()
        await schedule.get_by_label("Instant of step 1").fill("2030-01-01T09:00")
        rules = page.get_by_role("region", name="Rules")
        await rules.get_by_text("Experiment").click()
        await rules.get_by_label("Exclusion group of ramp").fill("prices")
        await rules.get_by_label("End of the share of ramp").fill("0")
        await expect(rules.get_by_role("alert")).to_contain_text("`from` is below `to`")
        await expect(page.get_by_text("It is not valid yet.")).to_be_visible()
        await rules.get_by_label("End of the share of ramp").fill("40")
        await page.get_by_text("metadata, schema of the values, salt").click()
        await page.get_by_role("button", name="Add metadata").click()
        await page.get_by_label("Value of name1").fill("checkout")
        await publish(page)
        await expect(page.get_by_role("status", name="Published")).to_contain_text("Version 2")
    found = document(site, "rare")
    assert found["prerequisites"] == [{"flag": "gate", "variants": ["on"]}]
    assert found["holdouts"] == ["gate"]
    assert found["schedule"] == [{"at": "2030-01-01T09:00:00.000Z", "set": {"/rules/ramp/rollout": 100}}]
    assert found["rules"][0]["exclusion"] == {"group": "prices", "from": 0, "to": 40}
    assert found["metadata"] == {"name1": "checkout"}


async def test_a_key_that_reads_makes_no_flag(console: Open, site: Server) -> None:
    define(site, "seen", {"rules": [{"id": "all", "when": "true", "serve": "on"}]})
    async with console("/new/flag", key=READ_KEY) as page:
        await expect(page.get_by_text("This key may not see it")).to_be_visible()
        await page.goto(f"{site.url}/flags/seen?edit=yes")
        await expect(page.get_by_role("region", name="Rules")).to_contain_text("serves on")
        await expect(page.get_by_role("button", name="Edit")).to_have_count(0)
