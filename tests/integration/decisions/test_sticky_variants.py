"""A profile keeps the variant that a sticky flag's split or rollout gave it, through HTTP on the real application."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from application import Application, running
from tinycdp.model import DAY_MS
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.worker.loops import Worker
from tinycdp.store import flags as flag_store

PROFILES = [f"u-{n}" for n in range(24)]
FLAG = {"key": "price", "type": "string", "variants": {"off": "", "a": "A", "b": "B"}, "sticky": True}


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


def split(a: int, b: int) -> list[dict[str, Any]]:
    return [{"id": "test", "when": "true", "split": {"a": a, "b": b}}]


def rollout(percent: float) -> list[dict[str, Any]]:
    return [{"id": "ramp", "when": "true", "serve": "a", "rollout": percent}]


async def define(app: Application, rules: list[dict[str, Any]], **more: Any) -> None:
    answer = await app.admin.put("/v1/admin/flags/price", json={**FLAG, "rules": rules, **more})
    assert answer.status_code in {200, 201}, answer.text
    await app.service.catalogs.refresh(app.service.pool, app.environment_id)


async def decided(app: Application, user: str = "ada", **more: Any) -> dict[str, Any]:
    who = {} if {"anonymousId", "deviceId"} & more.keys() else {"userId": user}
    answer = await app.read.get("/v1/decide", params={"flag": "price", **who, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def variants(app: Application, users: list[str] = PROFILES, **more: Any) -> dict[str, str]:
    return {user: (await decided(app, user, **more))["variant"] for user in users}


async def populate(app: Application) -> None:
    for user in PROFILES:
        await app.track({"userId": user, "event": "signup"})


async def assignments(app: Application) -> list[Any]:
    return await app.service.pool.fetch("SELECT * FROM session_variants WHERE session = '' ORDER BY assigned_at, unit")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (split(50_000, 50_000), split(0, 100_000)),
        (split(50_000, 50_000), split(90_000, 10_000)),
        (rollout(50), rollout(0)),
        (rollout(50), rollout(80)),
        ([{**split(50_000, 50_000)[0], "exposure": 60}], [{**split(20_000, 80_000)[0], "exposure": 10}]),
    ],
)
async def test_new_numbers_move_no_profile_that_was_assigned(
    app: Application, before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> None:
    await populate(app)
    await define(app, before)
    assigned = await variants(app)
    assert len(set(assigned.values())) > 1
    kept = {user: variant for user, variant in assigned.items() if variant != "off"}
    assert await variants(app) == assigned
    await define(app, after, sticky=False)
    plain = await variants(app)
    assert {user: plain[user] for user in kept} != kept or plain != assigned, "the numbers alone would move some"
    await define(app, after)
    now = await variants(app)
    assert {user: now[user] for user in kept} == kept
    assert {user: now[user] for user in assigned if user not in kept} == {
        user: plain[user] for user in assigned if user not in kept
    }


async def test_a_profile_without_an_assignment_is_decided_by_the_new_weights(app: Application) -> None:
    await populate(app)
    await define(app, split(100_000, 0))
    early, late, unseen = PROFILES[:8], PROFILES[8:16], PROFILES[16:]
    assert set((await variants(app, early)).values()) == {"a"}
    assert set((await variants(app, late, exposure="false")).values()) == {"a"}
    assert set((await variants(app, late, explain="true")).values()) == {"a"}
    await define(app, split(0, 100_000))
    assert set((await variants(app, early)).values()) == {"a"}
    assert set((await variants(app, [*late, *unseen])).values()) == {"b"}


async def test_the_answer_says_what_is_kept_and_the_explanation_agrees(app: Application) -> None:
    await app.track({"userId": "ada", "event": "signup"})
    await define(app, split(100_000, 0))
    first = await decided(app)
    assert (first["variant"], first["reason"], first["reasons"][-1][:5]) == ("a", "SPLIT", "split")
    assert await decided(app) == first
    await define(app, split(0, 100_000))
    kept = await decided(app, explain="true")
    assert (kept["variant"], kept["value"], kept["reason"]) == ("a", "A", "CACHED")
    assert kept["reasons"] == ["rule 'test' matched: true", "the profile keeps 'a' from an earlier decision"]
    assert kept["explanation"]["rules"][0]["sentence"].endswith('; the profile keeps "a" from an earlier decision')
    explained = await app.admin.get("/v1/admin/explain", params={"userId": "ada", "flag": "price"})
    assert 'price is "a"' in explained.json()["flag"]["sentence"]
    again = await decided(app)
    assert (again["variant"], again["reasons"]) == ("a", kept["reasons"])


async def test_every_way_to_ask_gives_the_kept_variant(app: Application) -> None:
    await app.track({"userId": "ada", "event": "signup"})
    await define(app, split(100_000, 0))
    bulk = (await app.read.post("/ofrep/v1/evaluate/flags", json={"context": {"targetingKey": "ada"}})).json()
    assert bulk["flags"][0]["variant"] == "a"
    await define(app, split(0, 100_000))
    await app.define("flag", key="dependent", prerequisites=[{"flag": "price", "variants": ["a"]}], rule="true")
    await app.define("flag", key="reader", rule='flag("price") == "A"')
    await app.service.catalogs.refresh(app.service.pool, app.environment_id)
    context = {"context": {"targetingKey": "ada"}}
    for _ in range(2):
        one = (await app.read.post("/ofrep/v1/evaluate/flags/price", json=context)).json()
        assert (one["variant"], one["reason"], one["metadata"]["rule"]) == ("a", "CACHED", "test")
        answer = await app.read.post("/ofrep/v1/evaluate/flags", json=context)
        found = {flag["key"]: flag["variant"] for flag in answer.json()["flags"]}
        assert found == {"price": "a", "dependent": "on", "reader": "on"}
        several = (await app.read.post("/v1/decide", json={"userId": "ada"})).json()["flags"]
        assert {key: flag["variant"] for key, flag in several.items()} == found
        for key in ("dependent", "reader"):
            single = await app.read.get("/v1/decide", params={"userId": "ada", "flag": key})
            assert single.json()["variant"] == "on"


async def test_posthog_clients_show_without_asking_again_so_their_fetch_assigns(app: Application) -> None:
    await app.track({"userId": "ada", "event": "signup"})
    await define(app, split(100_000, 0))
    asked = {"api_key": app.read.headers["Authorization"].removeprefix("Bearer "), "distinct_id": "ada"}
    assert (await app.read.post("/flags/?v=2", json=asked)).json()["flags"]["price"]["variant"] == "a"
    await define(app, split(0, 100_000))
    assert (await app.read.post("/flags/?v=2", json=asked)).json()["flags"]["price"]["variant"] == "a"


async def test_two_processes_agree_though_one_has_older_weights(app: Application, dsn: str) -> None:
    await populate(app)
    await define(app, split(50_000, 50_000))
    async with running(dsn) as other:
        early = PROFILES[:12]
        assert set((await variants(other, PROFILES, exposure="false")).values()) == {"a", "b"}
        assigned = await variants(app, early)
        assert await variants(other, early) == assigned
        await define(app, split(0, 100_000))
        await other.service.catalogs.refresh(other.service.pool, other.environment_id)
        for one in (other, app, other):
            assert await variants(one, early) == assigned
    async with running(dsn) as later:
        assert await variants(later, early) == assigned
    assert len(await assignments(app)) == 12


async def test_the_first_process_wins_where_two_assign_at_once(app: Application, dsn: str) -> None:
    await app.track({"userId": "ada", "event": "signup"})
    await define(app, split(100_000, 0))
    async with running(dsn) as other:
        assert (await decided(other, exposure="false"))["variant"] == "a"  # knows of no assignment
        [flag] = await app.service.pool.fetch("SELECT id FROM definitions WHERE kind = 'flag'")
        await app.service.pool.execute(
            "INSERT INTO session_variants (environment_id, definition_id, unit, session, variant, assigned_at)"
            " VALUES ($1, $2, 'ada', '', 'b', now())", other.environment_id, flag["id"],
        )  # fmt: skip
        found = await decided(other)
        assert (found["variant"], found["reason"]) == ("b", "CACHED")
        assert (await decided(other))["variant"] == "b"


async def test_signing_up_keeps_the_variant(app: Application) -> None:
    await define(app, split(100_000, 0))
    visitor = {"anonymousId": "browser"}
    assert (await decided(app, **visitor))["variant"] == "a"  # before the first event
    await app.track({**visitor, "event": "page"})
    await define(app, split(0, 100_000))
    assert (await decided(app, **visitor))["variant"] == "a"
    await app.track({**visitor, "userId": "ada", "event": "signup"})
    assert (await decided(app))["variant"] == "a"
    assert (await decided(app, **visitor))["variant"] == "a"


@pytest.mark.parametrize("first", ["user", "visitor"])
async def test_of_merged_profiles_the_earlier_assignment_wins(app: Application, first: str) -> None:
    await app.track({"userId": "ada", "event": "signup"})
    await app.track({"anonymousId": "browser", "event": "page"})
    user, visitor = {"user": "ada"}, {"anonymousId": "browser"}
    early, late = (user, visitor) if first == "user" else (visitor, user)
    await define(app, split(100_000, 0))
    assert (await decided(app, **early))["variant"] == "a"
    await define(app, split(0, 100_000))
    assert (await decided(app, **late))["variant"] == "b"
    await app.track({"userId": "ada", "anonymousId": "browser", "event": "login"})
    one, other = await decided(app, **user), await decided(app, **visitor)
    assert one["profileId"] == other["profileId"]
    assert (one["variant"], other["variant"]) == ("a", "a")


async def test_an_assignment_of_the_absorbed_profile_counts_where_the_survivor_has_none(app: Application) -> None:
    await app.track({"userId": "ada", "event": "signup"})
    await app.track({"anonymousId": "browser", "event": "page"})
    await define(app, split(100_000, 0))
    assert (await decided(app, anonymousId="browser"))["variant"] == "a"
    await define(app, split(0, 100_000))
    await app.track({"userId": "ada", "anonymousId": "browser", "event": "login"})
    assert (await decided(app))["variant"] == "a"


@pytest.mark.parametrize("first", ["user", "visitor"])
async def test_after_an_unmerge_each_profile_has_its_own_assignment_again(app: Application, first: str) -> None:
    """As if they had never met; what was assigned meanwhile stays with the one who had it."""
    await app.track({"userId": "ada", "event": "signup"})
    await app.track({"anonymousId": "browser", "event": "page"})
    user, visitor = {"user": "ada"}, {"anonymousId": "browser"}
    early, late = (user, visitor) if first == "user" else (visitor, user)
    await define(app, split(100_000, 0))
    assert (await decided(app, **early))["variant"] == "a"
    await define(app, split(0, 100_000))
    assert (await decided(app, **late))["variant"] == "b"
    before = await assignments(app)
    await app.track({"userId": "ada", "anonymousId": "browser", "event": "login"})
    assert [(await decided(app, **one))["variant"] for one in (user, visitor)] == ["a", "a"]
    await unmerge(app)
    for weights in ((0, 100_000), (100_000, 0)):
        await define(app, split(*weights))
        apart = await decided(app, **early), await decided(app, **late)
        assert apart[0]["profileId"] != apart[1]["profileId"]
        assert [one["variant"] for one in apart] == ["a", "b"], weights
    assert await assignments(app) == before


async def test_what_a_merged_profile_was_assigned_stays_with_one_of_them(app: Application, dsn: str) -> None:
    await app.track({"userId": "ada", "event": "signup"})
    await app.track({"anonymousId": "browser", "event": "page"})
    await app.track({"userId": "ada", "anonymousId": "browser", "event": "login"})
    await define(app, split(100_000, 0))
    assert (await decided(app))["variant"] == "a"
    [kept] = await assignments(app)
    await define(app, split(0, 100_000))
    await unmerge(app)
    found = {"ada": (await decided(app))["variant"], "browser": (await decided(app, anonymousId="browser"))["variant"]}
    other = "browser" if kept["unit"] == "ada" else "ada"
    assert (found[kept["unit"]], found[other]) == ("a", "b")
    async with running(dsn) as later:
        assert (await decided(later))["variant"] == found["ada"]
        assert (await decided(later, anonymousId="browser"))["variant"] == found["browser"]


async def unmerge(app: Application) -> None:
    [merge] = (await app.admin.get("/v1/admin/merges")).json()["merges"]
    answer = await app.admin.post(f"/v1/admin/merges/{merge['id']}/undo", json={})
    assert answer.status_code == 200, answer.text


async def test_other_answers_come_first_and_the_assignment_stays_for_later(app: Application) -> None:
    await app.track({"userId": "ada", "event": "signup"})
    await app.define("flag", key="out", rule="true")
    await define(app, split(100_000, 0))
    assert (await decided(app))["variant"] == "a"
    new = split(0, 100_000)
    always = {"id": "always", "when": "true", "serve": "b"}
    for rules, more, expected in (
        (new, {"enabled": False}, ("off", "DISABLED")),
        (new, {"overrides": [{"profile": "ada", "serve": "b"}]}, ("b", "TARGETING_MATCH")),
        ([always, *new], {}, ("b", "TARGETING_MATCH")),
        ([{**new[0], "when": "false"}], {}, ("off", "DEFAULT")),
        (new, {"holdouts": ["out"]}, ("off", "DEFAULT")),
        (new, {"sticky": False}, ("b", "SPLIT")),
        (new, {}, ("a", "CACHED")),
    ):
        await define(app, rules, **more)
        found = await decided(app)
        assert (found["variant"], found["reason"]) == expected, (rules, more)
    await app.admin.post("/v1/admin/flags/price/kill")
    assert (await decided(app))["reason"] == "DISABLED"
    await app.admin.post("/v1/admin/flags/price/revive")
    assert (await decided(app))["variant"] == "a"


async def test_a_variant_that_the_rule_no_longer_names_is_decided_anew_and_kept(app: Application) -> None:
    await app.track({"userId": "ada", "event": "signup"})
    await define(app, split(100_000, 0))
    assert (await decided(app))["variant"] == "a"
    without = {"off": "", "b": "B", "c": "C"}
    await define(app, [{"id": "test", "when": "true", "split": {"b": 100_000, "c": 0}}], variants=without)
    found = await decided(app)
    assert (found["variant"], found["reason"]) == ("b", "SPLIT")
    await define(app, [{"id": "test", "when": "true", "split": {"a": 50_000, "c": 50_000, "b": 0}}],
                 variants={**without, "a": "A"})  # fmt: skip
    assert (await decided(app))["variant"] == "b"
    assert [row["variant"] for row in await assignments(app)] == ["b"]


async def test_an_exclusion_group_is_stronger_than_what_is_kept(app: Application) -> None:
    await app.track({"userId": "ada", "event": "signup"})
    rule = {"id": "test", "when": "true", "serve": "a"}
    await define(app, [{**rule, "exclusion": {"group": "g", "from": 0, "to": 100}}])
    assert (await decided(app))["variant"] == "a"
    shares = [{"group": "g", "from": since, "to": since + 50} for since in (0, 50)]
    found = []
    for share in shares:
        await define(app, [{**rule, "exclusion": share}])
        found.append((await decided(app))["variant"])
    assert sorted(found) == ["a", "off"]


async def test_an_erased_profile_leaves_no_assignment_and_returns_as_new(app: Application) -> None:
    await app.track({"userId": "ada", "event": "signup"})
    await define(app, split(100_000, 0))
    assert (await decided(app))["variant"] == "a"
    exported = (await app.admin.get("/v1/admin/profiles/ada/export")).text
    assert '"variant":"a"' in exported
    erased = (await app.admin.delete("/v1/admin/profiles/ada")).json()
    assert erased["counts"]["session_variants"] == 1
    assert await assignments(app) == []
    await define(app, split(0, 100_000))
    assert (await decided(app))["variant"] == "b"


async def test_an_assignment_has_no_end(app: Application) -> None:
    await app.track({"userId": "ada", "event": "signup"})
    await define(app, split(100_000, 0))
    await decided(app)
    async with app.service.pool.acquire() as connection:
        await flag_store.prune_session_variants(connection, app.environment_id, 10**14)
    assert len(await assignments(app)) == 1


async def test_assignments_of_a_deleted_flag_stay_for_thirty_days_and_a_restored_flag_finds_them(
    app: Application,
) -> None:
    await app.track({"userId": "ada", "event": "signup"})
    await define(app, split(100_000, 0))
    assert (await decided(app))["variant"] == "a"
    revision = (await app.admin.get("/v1/admin/revisions")).json()["revisions"][0]["revision"]
    await define(app, split(0, 100_000))

    async def deleted() -> None:
        assert (await app.admin.delete("/v1/admin/flags/price")).status_code in {200, 204}
        await app.service.catalogs.refresh(app.service.pool, app.environment_id)

    async def maintained(days: int) -> int:
        later = app.service.now() + days * DAY_MS
        await Worker(app.service.pool, Catalogs(), lambda: later).maintain()
        return len(await assignments(app))

    assert await maintained(400) == 1, "the flag is there, and has had versions before"
    await deleted()
    assert await maintained(29) == 1
    assert (await app.admin.post(f"/v1/admin/revisions/{revision}/restore", json={})).status_code == 200
    await app.service.catalogs.refresh(app.service.pool, app.environment_id)
    await define(app, split(0, 100_000))
    assert (await decided(app))["variant"] == "a"
    assert await maintained(400) == 1
    await deleted()
    assert await maintained(31) == 0


async def test_kept_profiles_are_left_out_of_the_sample_ratio_of_new_weights(app: Application) -> None:
    await populate(app)
    await define(app, split(50_000, 50_000))
    await variants(app, PROFILES[:16])
    await app.service.exposures.flush()
    await define(app, split(1_000, 99_000))
    await variants(app)
    await app.service.exposures.flush()
    found = (await app.admin.get("/v1/admin/flags/price/exposures")).json()["sampleRatio"][0]
    assert (found["units"], sum(arm["units"] for arm in found["arms"])) == (8, 8)


async def test_flags_that_are_not_sticky_ask_nothing_more(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    await app.track({"userId": "ada", "event": "signup"})
    await define(app, split(100_000, 0), sticky=False)
    await app.define("flag", **{**FLAG, "key": "sticky"}, rules=split(100_000, 0))
    await app.service.catalogs.refresh(app.service.pool, app.environment_id)
    catalog = app.service.catalogs.serving(app.environment_id)
    assert catalog.live.sticky == {"sticky"}
    asked = []

    async def seen(*args: Any) -> list[Any]:
        asked.append(args)
        return []

    monkeypatch.setattr("tinycdp.store.flags.profile_variants", seen)
    monkeypatch.setattr("tinycdp.store.flags.keep_profile_variant", seen)
    for _ in range(2):
        await decided(app)
        await app.read.post("/v1/decide", json={"userId": "ada", "flags": ["price"]})
        await app.read.post("/ofrep/v1/evaluate/flags/price", json={"context": {"targetingKey": "ada"}})
    assert asked == []
