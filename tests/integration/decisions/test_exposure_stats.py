"""What exposures say: who got what, whether a split was given out as it says, and which flags are not needed."""

import base64
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from application import Application, running
from serving import ManualClock, new_environment, services
from tinycdp.app import Parts
from tinycdp.model import DAY_MS, Identifier, IdentifierKind, Message
from tinycdp.runtime import clock
from tinycdp.runtime.decisions.decide import decide_one
from tinycdp.runtime.decisions.exposure_stats import FlagExposures, counts, recent_exposures
from tinycdp.runtime.decisions.snapshots import unknown_profile
from tinycdp.runtime.decisions.stale_flags import StaleFlags, stale_flags
from tinycdp.runtime.definitions import kill_switches
from tinycdp.runtime.definitions.publish import apply_documents
from tinycdp.runtime.definitions.workspace import read_workspace
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment
from tinycdp.store import exposures as store
from tinycdp.store.database.pool import Pool
from tinycdp.times import day_of

HALVES = {"a": 50_000, "b": 50_000}


def test_flag(weights: dict[str, int] | None = None, when: str = "true", **more: Any) -> dict[str, Any]:
    return {
        "key": "test",
        "type": "string",
        "variants": {"a": "A", "b": "B", "none": ""},
        "offVariant": "none",
        "salt": "pepper",
        "rules": [{"id": "half", "when": when, "split": weights or HALVES}],
    } | more


test_flag.__test__ = False  # type: ignore[attr-defined]


class Shop:
    """An environment with a clock of its own, whose people are strangers: deciding for them asks Postgres nothing."""

    def __init__(self, service: Parts, environment_id: int, now: ManualClock) -> None:
        self.service, self.id, self.now = service, environment_id, now

    async def publish(self, *flags: dict[str, Any], **others: Any) -> None:
        documents = [{"flags": list(flags), **others}]
        await apply_documents(self.service.environment(self.id), documents, Edit("test", self.now()))
        await self.service.catalogs.refresh(self.service.pool, self.id)

    def ask(self, users: Iterable[str], *, keep: Callable[[str], bool] = lambda variant: True, **context: Any) -> None:
        catalog = self.service.catalogs.serving(self.id)
        for user in users:
            snapshot = unknown_profile(catalog, Identifier(IdentifierKind.USER, user), self.now())
            decision = decide_one(catalog, "test", snapshot, self.now(), context)
            if keep(decision.variant):
                self.service.exposures.record(catalog, decision, snapshot, self.now())

    async def counts(self, days: int = 30) -> FlagExposures:
        await self.service.exposures.flush()
        today = day_of(self.now())
        first = today - timedelta(days - 1)
        return await counts(self.service.environment(self.id), self.service.catalogs, "test", first, today, self.now())

    async def stale(self, days: int = 30) -> StaleFlags:
        await self.service.exposures.flush()
        service = self.service
        workspace = await read_workspace(service.environment(self.id), service.catalogs, service.event_names)
        return await stale_flags(service.pool, workspace, days, self.now())

    async def reasons(self, days: int = 30) -> dict[str, list[str]]:
        return {flag.flag: [reason.code for reason in flag.reasons] for flag in (await self.stale(days)).flags}


@pytest.fixture
async def shop(dsn: str, pool: Pool) -> AsyncIterator[Shop]:
    """Its day has just begun, after the migrations ran."""
    now = ManualClock(clock.now() // DAY_MS * DAY_MS + DAY_MS + 1)
    id = await new_environment(pool, "shop", {"flags": [test_flag()]}, now())
    async with services(dsn, 1, now) as [service]:
        yield Shop(service, id, now)


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


def users(n: int, name: str = "user") -> list[str]:
    return [f"{name}-{i}" for i in range(n)]


# Sample ratio


async def test_the_true_bucketing_of_10000_units_is_no_mismatch(shop: Shop) -> None:
    shop.ask(users(10_000))
    found = await shop.counts()
    assert found.units == 10_000 and found.crossovers == 0
    assert {share.variant for share in found.variants} == {"a", "b"}
    assert sum(share.units for share in found.variants) == 10_000
    assert sum(share.share for share in found.variants) == pytest.approx(1)
    [check] = found.sample_ratio
    assert (check.rule, check.units, check.version, check.mismatch) == ("half", 10_000, 1, False)
    assert check.p is not None and check.p > 0.001 and "as the weights say" in check.sentence
    assert [(arm.variant, arm.weight, arm.expected) for arm in check.arms] == [
        ("a", 50_000, 5_000),
        ("b", 50_000, 5_000),
    ]


async def test_a_variant_that_loses_units_is_noticed(shop: Shop) -> None:
    """As when its page fails for some before they are asked about: one in eight of b never arrives."""
    lost = iter(range(100_000))
    shop.ask(users(4_000), keep=lambda variant: variant == "a" or next(lost) % 8 > 0)
    [check] = (await shop.counts()).sample_ratio
    assert check.mismatch and check.p is not None and check.p < 0.001 and check.chi_square is not None
    assert check.sentence.startswith("Sample-ratio mismatch: ") and "Do not trust" in check.sentence


async def test_a_few_units_say_nothing(shop: Shop) -> None:
    shop.ask(users(99), keep=lambda variant: variant == "a")
    [check] = (await shop.counts()).sample_ratio
    assert (check.p, check.mismatch) == (None, False) and "of at least 100 units" in check.sentence


async def test_new_weights_begin_a_new_sample_on_the_very_day(shop: Shop) -> None:
    """Everyone comes back under the new weights; those who stay in their variant are counted with those who move."""
    everyone = users(3_000)
    shop.ask(everyone)
    shop.now.now += 1
    await shop.publish(test_flag({"a": 90_000, "b": 10_000}))
    shop.now.now += 1
    shop.ask(everyone)
    found = await shop.counts()
    assert found.units == 3_000, "no unit counts twice"
    assert found.crossovers > 1_000
    [check] = found.sample_ratio
    assert (check.version, check.units, check.mismatch, check.crossovers) == (2, 3_000, False, 0)
    # What changes no variant goes on with the sample: a description, a condition, an older salt written out.
    shop.now.now += DAY_MS
    await shop.publish(test_flag({"a": 90_000, "b": 10_000}, when='context.x ?? "y" == "y"', description="later"))
    shop.ask(users(1_000, "later"))
    [check] = (await shop.counts()).sample_ratio
    assert (check.version, check.units, check.mismatch) == (2, 4_000, False)
    # Another salt deals anew, and so does another share of people who take part.
    await shop.publish(test_flag({"a": 90_000, "b": 10_000}, salt="nutmeg"))
    [check] = (await shop.counts()).sample_ratio
    assert (check.version, check.units) == (4, 0)
    rule = {"id": "half", "when": "true", "split": {"a": 90_000, "b": 10_000}, "exposure": 50}
    await shop.publish(test_flag(rules=[rule], salt="nutmeg"))
    shop.ask(users(2_000, "some"))
    [check] = (await shop.counts()).sample_ratio
    assert check.version == 5 and 900 < check.units < 1_100 and not check.mismatch
    await shop.publish(test_flag(rules=[{**rule, "rollout": 80}], salt="nutmeg"))
    assert (await shop.counts()).sample_ratio == [check], "who is let in is not who falls where"


async def test_what_is_not_live_yet_deals_nothing(shop: Shop) -> None:
    """New weights that wait for a segment to backfill are no sample: the live ones are."""
    opened = Message(
        kind="track", message_id="m1", identifiers=(Identifier(IdentifierKind.USER, "ada"),), occurred_at=shop.now(),
        received_at=shop.now(), name="open",
    )  # fmt: skip
    await shop.service.ingest.accept(shop.id, [opened])
    shop.ask(users(1_000))
    shop.now.now += 1
    fresh = [{"key": "fresh", "rule": "events.open.count_30d == 0"}]
    await shop.publish(test_flag({"a": 90_000, "b": 10_000}, when='!segment("fresh")'), segments=fresh)
    shop.ask(users(1_000, "later"))
    [check] = (await shop.counts()).sample_ratio
    assert (check.version, check.units, [arm.weight for arm in check.arms]) == (1, 2_000, [50_000, 50_000])


async def test_a_step_of_a_schedule_begins_a_new_sample_too(shop: Shop) -> None:
    noon = shop.now.now + DAY_MS // 2
    at = datetime.fromtimestamp(noon / 1000, UTC).isoformat()
    step = {"at": at, "set": {"/rules/half/split": {"a": 10_000, "b": 90_000}}}
    await shop.publish(test_flag(schedule=[step]))
    shop.ask(users(2_000))
    shop.now.now = noon
    shop.ask(users(2_000))
    [check] = (await shop.counts()).sample_ratio
    assert (check.units, check.mismatch) == (2_000, False)
    assert [arm.weight for arm in check.arms] == [10_000, 90_000]
    assert datetime.fromisoformat(check.since) == datetime.fromisoformat(at)


async def test_an_exposure_before_the_split_does_not_hide_a_unit(shop: Shop) -> None:
    """By default everyone gets a; in the split half of them get it again, and count like the others."""
    await shop.publish(test_flag(when="context.ready == true", default={"serve": "a"}))
    shop.ask(users(2_000))
    shop.now.now += 1
    shop.ask(users(2_000), ready=True)
    found = await shop.counts()
    [check] = found.sample_ratio
    assert (check.units, check.mismatch, check.crossovers) == (2_000, False, 0)
    assert found.units == 2_000 and 900 < found.crossovers < 1_100
    assert len({count.day for count in found.days}) == 1
    by_rule = {(count.variant, count.rule): count.units for count in found.days}
    assert by_rule["a", None] == 2_000 and by_rule["a", "half"] + by_rule["b", "half"] == 2_000
    shop.now.now += DAY_MS
    shop.ask(users(2_000))  # and those of b who fall back to a have seen both
    [check] = (await shop.counts()).sample_ratio
    assert check.crossovers == by_rule["b", "half"] and "another of these variants" in check.sentence


async def test_days_are_counted_one_by_one_and_people_once(shop: Shop) -> None:
    for _ in range(3):
        shop.ask(users(10))
        shop.now.now += DAY_MS
    found = await shop.counts()
    assert found.units == 10
    assert len({count.day for count in found.days}) == 3
    assert sum(count.units for count in found.days) == 30
    assert (await shop.counts(1)).units == 0
    week = await recent_exposures(Environment(shop.id, shop.service.pool, shop.now), shop.service.catalogs, "test")
    assert week is not None and (week.today, sum(week.seven_days.values())) == ({}, 10)


# Over HTTP


async def test_exposures_page_by_page(app: Application) -> None:
    await app.define("flag", **test_flag())
    await app.define("flag", key="other", rule="true")
    for user in users(7):
        await app.read.get(f"/v1/decide?flag=test&userId={user}")
    await app.read.get("/v1/decide?flag=other&userId=user-3")
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        page = (await app.admin.get(f"/v1/admin/exposures?flag=test&limit=3{after}")).json()
        found += page["exposures"]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert sorted(row["unit"] for row in found) == users(7)
    assert {row["flag"] for row in found} == {"test"} and {row["rule"] for row in found} == {"half"}
    some = (await app.admin.get("/v1/admin/exposures?flag=test&variant=a")).json()["exposures"]
    assert [row["unit"] for row in some] == [row["unit"] for row in found if row["variant"] == "a"]
    one = (await app.admin.get("/v1/admin/exposures?unit=user-3")).json()["exposures"]
    assert {row["flag"] for row in one} == {"test", "other"}
    behind = await app.admin.get(f"/v1/admin/exposures?unit=user-3&after={last_cursor()}")
    assert behind.json() == {"exposures": [], "next": None}
    none = await app.admin.get("/v1/admin/exposures?flag=test&to=2026-01-01")
    assert none.json() == {"exposures": [], "next": None}
    shown = (await app.admin.get("/v1/admin/flags/test")).json()["exposures"]
    assert shown["today"] == shown["sevenDays"] and sum(shown["today"].values()) == 7
    counted = (await app.admin.get("/v1/admin/flags/test/exposures")).json()
    assert counted["units"] == 7 and counted["from"] < counted["to"]
    assert {row["variant"]: row["units"] for row in counted["variants"]}["a"] == len(some)


def last_cursor() -> str:
    """A cursor behind everything."""
    return base64.urlsafe_b64encode(b'["0001-01-02",1,1,0,"","",""]').rstrip(b"=").decode()


async def test_a_merged_person_has_the_exposures_of_both(app: Application) -> None:
    await app.define("flag", **test_flag())
    for ids in ({"anonymousId": "tab"}, {"userId": "ada"}):
        await app.track({"event": "open", **ids})
        [(kind, value)] = ids.items()
        await app.read.get(f"/v1/decide?flag=test&{kind}={value}")
    await app.track({"event": "open", "userId": "ada", "anonymousId": "tab"})
    await app.read.get("/v1/decide?flag=test&userId=ada")
    found = (await app.admin.get("/v1/admin/exposures?profile=ada")).json()["exposures"]
    assert sorted(row["unit"] for row in found) == ["ada", "tab"]
    assert (await app.admin.get("/v1/admin/exposures?profile=tab&unit=ada")).json()["exposures"] == [
        row for row in found if row["unit"] == "ada"
    ]


async def test_what_belongs_to_a_person_can_be_forgotten(app: Application) -> None:
    """Before they were known they were bucketed by the id they were asked for by: that is theirs too."""
    await app.define("flag", **test_flag())
    for query in ("deviceId=d-1", "userId=bob"):
        await app.read.get(f"/v1/decide?flag=test&{query}")
    await app.track({"event": "open", "anonymousId": "tab"}, {"event": "open", "userId": "ada"})
    await app.read.get("/v1/decide?flag=test&anonymousId=tab")
    await app.track({"event": "open", "userId": "ada", "anonymousId": "tab", "deviceId": "d-1"})
    await app.service.exposures.flush()
    person = (await app.admin.get("/v1/profiles/ada")).json()
    pool, environment = app.service.pool, app.environment_id
    async with pool.acquire() as connection:
        units = await store.units_of_profile(connection, environment, int(person["id"]))
        assert await store.delete_exposures_of_units(connection, environment, units) == 2
        assert await store.delete_exposures_of_units(connection, environment, units) == 0
    assert [row["unit"] for row in await pool.fetch("SELECT unit FROM exposures")] == ["bob"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/admin/exposures", 400, "INVALID_REQUEST"),
        ("/v1/admin/exposures?flag=nope", 404, "NOT_FOUND"),
        ("/v1/admin/exposures?profile=absent", 404, "PROFILE_NOT_FOUND"),
        ("/v1/admin/exposures?flag=test&after=nonsense", 400, "INVALID_CURSOR"),
        ("/v1/admin/exposures?flag=test&after=WyIyMDI2LTAxLTAxIiwxLDEsMCwiIiwiIiwiXHUwMDAwIl0", 400, "INVALID_CURSOR"),
        ("/v1/admin/exposures?flag=test&from=2026-02-01&to=2026-01-01", 400, "INVALID_REQUEST"),
        ("/v1/admin/flags/test/exposures?from=yesterday", 400, "INVALID_REQUEST"),
        ("/v1/admin/flags/test/exposures?to=0001-01-01", 200, None),
        ("/v1/admin/exposures?flag=test&to=9999-12-31", 200, None),
        ("/v1/admin/flags/nope/exposures", 404, "NOT_FOUND"),
        ("/v1/admin/stale-flags?days=0", 400, "INVALID_REQUEST"),
    ],
)
async def test_questions_that_cannot_be_answered(app: Application, path: str, status: int, code: str | None) -> None:
    await app.define("flag", **test_flag())
    answer = await app.admin.get(path)
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text


async def test_only_readers_see_them_and_only_their_own(app: Application) -> None:
    await app.define("flag", **test_flag())
    await app.read.get("/v1/decide?flag=test&userId=ada")
    for path in ("/v1/admin/exposures?unit=ada", "/v1/admin/flags/test/exposures", "/v1/admin/stale-flags"):
        assert [(await client.get(path)).status_code for client in (app.keyless, app.write, app.read)] == [
            401,
            403,
            200,
        ]
    assert (await app.stranger.get("/v1/admin/exposures?unit=ada")).json()["exposures"] == []
    assert (await app.stranger.get("/v1/admin/flags/test/exposures")).status_code == 404
    assert (await app.stranger.get("/v1/admin/stale-flags")).json()["flags"] == []


# Stale flags


async def test_flags_that_have_done_their_work(shop: Shop) -> None:
    on = {"id": "all", "when": "true", "serve": "on", "rollout": 100}
    await shop.publish(
        {"key": "finished", "rules": [on]},
        {"key": "ramping", "rules": [{**on, "rollout": 99.999}]},
        {"key": "off", "enabled": False, "rules": [on]},
        {"key": "killed", "rule": "profile.plan == 1"},
        {"key": "asked_by_others", "rule": "profile.plan == 1"},
        {"key": "asking", "rule": 'flag("asked_by_others") && profile.plan == 2'},
        {"key": "done", "rule": "true", "archived": True},
        {"key": "soon", "rules": [on], "schedule": [{"at": "2030-01-01T00:00:00Z", "set": {"/enabled": False}}]},
    )
    await kill_switches.kill(shop.service.environment(shop.id), "killed", Edit("test", shop.now()))
    assert await shop.reasons() == {}, "nothing is old yet"
    shop.now.now += 29 * DAY_MS
    assert await shop.reasons() == {}
    shop.now.now += 1 * DAY_MS
    unasked = "NOT_ASKED"
    assert await shop.reasons() == {
        "test": [unasked],
        "finished": [unasked, "ONE_VARIANT"],
        "ramping": [unasked],
        "off": [unasked, "OFF"],
        "killed": [unasked, "KILLED"],
        "asking": [unasked],
        "soon": [unasked],
    }
    assert await shop.reasons(31) == {}
    found = {flag.flag: flag for flag in (await shop.stale()).flags}
    assert found["finished"].reasons[1].text == "it serves 'on' to everyone"
    assert "Put true in its place" in found["finished"].reasons[1].advice
    assert found["finished"].last_asked is None


async def test_nothing_is_said_of_a_time_before_exposures_were_recorded(shop: Shop) -> None:
    """As after an upgrade from a release that did not record: a flag of last year is not unused since last year."""
    shop.now.now += 40 * DAY_MS
    migrated = "UPDATE migrations SET applied_at = $1 WHERE name LIKE '0002%'"
    await shop.service.pool.execute(migrated, shop.now() - 29 * DAY_MS)
    assert await shop.reasons() == {}
    assert await shop.reasons(29) == {"test": ["NOT_ASKED"]}


async def test_being_asked_counts_without_an_exposure(shop: Shop) -> None:
    shop.now.now += 40 * DAY_MS
    assert await shop.reasons() == {"test": ["NOT_ASKED"]}
    catalog = shop.service.catalogs.serving(shop.id)
    absent = unknown_profile(catalog, None, shop.now())
    decision = decide_one(catalog, "test", absent, shop.now())
    shop.service.exposures.record(catalog, decision, absent, shop.now())
    assert await shop.reasons() == {}
    assert (await shop.counts()).units == 0
    shop.now.now += 31 * DAY_MS
    [flag] = (await shop.stale()).flags
    assert flag.last_asked == day_of(shop.now() - 31 * DAY_MS).isoformat()
    assert flag.reasons[0].text.endswith(f"since {flag.last_asked}")


async def test_rules_that_no_unit_reaches(shop: Shop) -> None:
    rules = [
        {"id": "first", "when": "context.n > 0", "serve": "a"},
        {"id": "second", "when": "context.n > 1", "serve": "b"},
        {"id": "third", "when": "context.n < 0", "serve": "b"},
    ]
    await shop.publish(test_flag(rules=rules))
    for n in range(40):
        shop.ask(["ada"], n=1)
        if n < 5:
            shop.ask(["ada"], n=-1)
        shop.now.now += DAY_MS
    [flag] = (await shop.stale(30)).flags
    [reason] = flag.reasons
    assert (reason.code, reason.rules) == ("RULES_NOT_REACHED", ["second", "third"])
    assert (await shop.reasons(41)) == {}
    # An edit of what decides begins anew; one of the description does not.
    await shop.publish(test_flag(rules=rules, description="three rules"))
    assert list(await shop.reasons()) == ["test"]
    await shop.publish(test_flag(rules=rules[:2]))
    assert await shop.reasons() == {}


async def test_a_definition_that_names_the_flag_is_listed(shop: Shop) -> None:
    await shop.publish(
        test_flag(enabled=False),
        {"key": "child", "rule": "profile.plan == 1", "prerequisites": [{"flag": "test", "variants": ["a"]}]},
    )
    shop.now.now += 31 * DAY_MS
    found = {flag.flag: flag for flag in (await shop.stale()).flags}
    assert [(name.kind, name.key) for name in found["test"].used_by] == [("flag", "child")]
    assert [reason.code for reason in found["test"].reasons] == ["OFF"], "asked for by the other one"
