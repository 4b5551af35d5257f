"""The members of a segment in the console: all of them, however many, and how they came and went."""

from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from playwright.async_api import Page, expect

from browser import accessible
from console import PHONE, Open, heading
from serving import ADMIN_KEY, READ_KEY, Server, bearer, eventually

MEMBERS = 100_000
MOST_ROWS = 60
SCROLLED = """(frame, y) => new Promise(done => {
  frame.scrollTop = y
  requestAnimationFrame(() => requestAnimationFrame(done))
})"""
ROWS = "tbody tr[data-index]"


async def everyone(site: Server, dsn: str, n: int) -> None:
    """A segment of n more people, by SQL: so many messages would take a while."""
    made = site.http.post("/v1/admin/segments", json={"key": "everyone", "rule": "true"}, headers=bearer(ADMIN_KEY))
    assert made.status_code == 201, made.text

    async def live() -> bool:
        found = site.http.get("/v1/admin/segments/everyone", headers=bearer(READ_KEY)).json()
        return bool(found["status"] == "live" and found["members"])

    await eventually(live)
    database = await asyncpg.connect(dsn)
    environment, print_ = await database.fetchrow(
        "SELECT environment_id, fingerprint FROM memberships GROUP BY 1, 2 ORDER BY min(entered_at) DESC LIMIT 1"
    )
    people = f"generate_series(1000000, {999_999 + n}) AS n"
    await database.execute(
        f"""INSERT INTO profiles (environment_id, id, bucketing_key, created_at, properties, state, version)
            SELECT {environment}, n, n::text, now(), jsonb_build_object('name', 'Person ' || n), '', 1 FROM {people};
            INSERT INTO identifiers (environment_id, profile_id, kind, value, created_at)
            SELECT {environment}, n, 'userId', 'person-' || n, now() FROM {people};
            INSERT INTO memberships (environment_id, fingerprint, profile_id, entered_at)
            SELECT {environment}, {print_}, n, now() - (n - 1000000) * interval '1 second' FROM {people};
            ANALYZE profiles; ANALYZE identifiers; ANALYZE memberships"""
    )
    await database.close()


# In the page: a test that looks every so often would measure how often it looks.
JUMPED = """async (frame, [y, row]) => {
  performance.clearResourceTimings()
  const began = performance.now()
  frame.scrollTop = y
  await new Promise(done => {
    const there = () => { if (frame.querySelector(`[data-index="${row}"] a`)) { seen.disconnect(); done() } }
    const seen = new MutationObserver(there)
    seen.observe(frame, {subtree: true, childList: true})
    there()
  })
  await new Promise(requestAnimationFrame)
  const all = performance.now() - began
  const asked = performance.getEntriesByType('resource').filter(({name}) => name.includes('/members?'))
  const server = asked.length
    ? Math.max(...asked.map(one => one.responseEnd)) - Math.min(...asked.map(one => one.requestStart)) : 0
  return {all, server}
}"""


@dataclass(frozen=True)
class Jump:
    """How long a jump took until its rows were drawn, and how much of that the server was asked; in milliseconds."""

    all: float
    server: float

    def __str__(self) -> str:
        return f"{self.all:.0f} ({self.server:.0f} of them the server)"


async def jump(page: Page, place: int) -> Jump:
    taken: Any = await page.get_by_role("region", name="All members").evaluate(JUMPED, [place * 36, place + 3])
    return Jump(**taken)


@pytest.mark.slow
async def test_a_hundred_thousand_members_are_scrolled(console: Open, site: Server, module_dsn: str, axe: str) -> None:
    await everyone(site, module_dsn, MEMBERS)
    async with console("/segments/everyone?tab=members") as page:
        await expect(page.locator(f"{ROWS} a").first).to_be_visible()
        taken = [await jump(page, place) for place in (50_000, 99_000, 12_345, 70_000, 100)]
        print(f"a jump among {MEMBERS:,} members took {', '.join(map(str, taken))} ms")
        most = 0
        for place in range(0, MEMBERS, 2_500):
            await page.get_by_role("region", name="All members").evaluate(SCROLLED, place * 36)
            most = max(most, await page.locator(ROWS).count())
        print(f"{most} rows at most")
        assert 0 < most <= MOST_ROWS
        # The last row by the keyboard, with the focus; its place is in the address.
        await page.get_by_role("region", name="All members").focus()
        await page.keyboard.press("End")
        last = page.locator(f"{ROWS} a").last
        await expect(last).to_be_focused()
        await expect(last).to_have_text(f"Person {999_999 + MEMBERS}")
        await page.keyboard.press("ArrowUp")
        await expect(page.get_by_role("link", name=f"Person {999_998 + MEMBERS}")).to_be_focused()
        await page.wait_for_url("**row=999*")  # not that of a place which was passed
        await page.reload()
        await expect(page.get_by_role("link", name=f"Person {999_998 + MEMBERS}")).to_be_visible()
        await accessible(page, axe, "many members")

        await page.get_by_label("Find members").fill("person-1012345")
        await expect(page.locator(ROWS)).to_have_count(1)
        await expect(page.get_by_role("link", name="Person 1012345")).to_be_visible()
        async with page.expect_download() as downloaded:
            await page.get_by_role("button", name="Download CSV").click()
        file = (await (await downloaded.value).path()).read_text()
        assert file.count("\n") > MEMBERS

    # All people are as many; they come page by page, and the address keeps the place.
    async with console("/users") as page:
        people = page.get_by_role("region", name="All people")
        for last in (190, 390, 590):
            await people.evaluate("(frame, y) => { frame.scrollTop = y }", last * 36)
            await expect(page.locator(f'[data-index="{last + 3}"] a')).to_be_visible()
            assert 0 < await page.locator(ROWS).count() <= MOST_ROWS
        await page.wait_for_url("**after=*")
        shown = await page.locator('[data-index="593"] a').inner_text()
        await page.get_by_role("link", name=shown).click()
        await expect(heading(page)).to_have_text(shown)
        await page.go_back()
        await expect(page.locator('[data-index="593"] a')).to_have_text(shown)
        await page.reload()
        await expect(people.get_by_role("link", name=shown)).to_be_visible()
        await accessible(page, axe, "many people")
        await page.get_by_role("button", name="Begin with the newest").click()
        await expect(page.locator('[data-index="0"] a')).to_have_text(f"Person {999_999 + MEMBERS}")


async def test_members_are_found_ordered_and_followed(console: Open, site: Server, axe: str) -> None:
    for n in range(3):
        site.track({"userId": f"new-{n}", "event": "app_open"})
    async with console("/segments/newcomers") as page:
        await page.get_by_role("link", name="Members", exact=True).click()
        table = page.get_by_role("region", name="All members")
        await expect(table.get_by_role("link", name="new-2")).to_be_visible()
        await page.keyboard.press("/")
        await page.keyboard.type("new-1")
        await expect(page.locator(ROWS)).to_have_count(1)
        await accessible(page, axe, "members that are found")
        await page.get_by_label("Find members").fill("no-such-member")
        await expect(page.get_by_text("No member is found")).to_be_visible()
        await page.get_by_label("Find members").fill("")
        await page.get_by_role("button", name="Entered last").click()
        await expect(page.locator(f"{ROWS} a").first).to_have_text("new-2")
        await page.reload()
        await expect(page.locator(f"{ROWS} a").first).to_have_text("new-2")
        await page.locator(f"{ROWS} a").first.focus()
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")
        await expect(heading(page)).to_have_text("new-1")

    async with console("/segments/newcomers?tab=history", key=READ_KEY, size=PHONE) as page:
        await expect(
            page.get_by_role("group", name="Members over time").or_(page.get_by_label("Members over time")).first
        ).to_be_visible()
        changes = page.get_by_role("region", name="One by one")
        await expect(changes.get_by_role("link", name="new-0")).to_be_visible()
        await accessible(page, axe, "the history of a segment")
        await changes.get_by_role("button", name="Left").click()
        await expect(changes).to_contain_text("No person entered or left it.")
        await changes.get_by_role("button", name="All").click()
        await changes.get_by_label("Cause").select_option("event")
        await expect(changes.get_by_role("link", name="new-0")).to_be_visible()
