"""Definitions, keys and figures through HTTP, on the real application."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from application import Application, running
from serving import ManualClock
from tinycdp.engine.flags.bucketing import bucket, chosen
from tinycdp.runtime import clock as wall

OPENS = {"key": "opens", "expression": "events.app_open.count_30d"}


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


async def test_a_definition_lives_from_creation_to_deletion(app: Application) -> None:
    await app.track({"userId": "ada", "event": "app_open"})
    made = await app.admin.post("/v1/admin/traits", json=OPENS)
    assert made.status_code == 201
    body = made.json()
    assert (body["version"], body["revision"], body["backfilling"], body["status"]) == (1, 1, True, "backfilling")
    assert body["progress"] == {"done": 0, "total": 1, "ratePerSecond": None, "secondsLeft": None}
    await app.backfill()

    found = await app.admin.get("/v1/admin/traits/opens")
    assert found.headers["etag"] == '"1"'
    body = found.json()
    assert (body["status"], body["type"], body["canonical"], body["nullable"]) == (
        "live", "number", "events.app_open.count_30d", False,
    )  # fmt: skip
    assert body["cost"]["stateBytes"] > 0
    assert "progress" not in body

    replaced = await app.admin.put("/v1/admin/traits/opens", json={"expression": "events.app_open.count_7d"})
    assert (replaced.status_code, replaced.json()["version"]) == (200, 2)
    created = await app.admin.put("/v1/admin/traits/other", json={"rule": "events.app_open.count_30d"})
    assert (created.status_code, created.json()["expression"]) == (201, "events.app_open.count_30d")
    listed = await app.admin.get("/v1/admin/traits")
    assert [trait["key"] for trait in listed.json()["traits"]] == ["opens", "other"]

    gone = await app.admin.delete("/v1/admin/traits/other")
    assert (gone.status_code, gone.json()["key"]) == (200, "other")
    assert (await app.admin.get("/v1/admin/traits/other")).status_code == 404
    assert (await app.admin.delete("/v1/admin/traits/other")).json()["code"] == "NOT_FOUND"

    revisions = (await app.admin.get("/v1/admin/revisions?limit=2")).json()
    assert [found["revision"] for found in revisions["revisions"]] == [4, 3]
    assert revisions["revisions"][0]["author"] == "bootstrap admin"
    other = {"kind": "trait", "key": "other"}
    assert [found["changed"] for found in revisions["revisions"]] == [
        [{**other, "action": "delete"}],
        [{**other, "action": "create"}],
    ]
    assert revisions["next"] == 3
    backfills = (await app.admin.get("/v1/admin/backfills")).json()["backfills"]
    assert backfills[-1]["progress"] == {**backfills[-1]["progress"], "done": 1, "total": 1}


async def test_revisions_name_what_they_changed(app: Application) -> None:
    """A list says so for each of its revisions, and agrees with what each revision says of itself."""
    texts = [f"events.app_open.count({n}d)" for n in range(1, 24)]
    many = [{"kind": "trait", "key": f"t{n:02}", "document": {"rule": text}} for n, text in enumerate(texts)]
    assert (await app.admin.post("/v1/admin/publish", json={"changes": many})).status_code == 200
    await app.admin.put("/v1/admin/traits/t01", json={"rule": "events.app_open.count(90d)"})
    await app.admin.post("/v1/admin/traits/t01/rename", json={"key": "opens"})
    await app.admin.put("/v1/admin/segments/open", json={"rule": "opens > 2"})
    await app.admin.post("/v1/admin/revisions/1/restore", json={})
    await app.admin.post("/v1/admin/revisions/4/restore", json={})
    listed = (await app.admin.get("/v1/admin/revisions")).json()["revisions"]
    assert [(found["revision"], len(found["changed"]), found["more"]) for found in listed] == [
        (6, 2, 0), (5, 2, 0), (4, 1, 0), (3, 1, 0), (2, 1, 0), (1, 20, 3),
    ]  # fmt: skip
    for found in listed[:-1]:
        whole = (await app.admin.get(f"/v1/admin/revisions/{found['revision']}")).json()["changes"]
        named = [{name: change[name] for name in ("kind", "key", "action")} for change in whole]
        assert sorted(found["changed"], key=str) == sorted(named, key=str), found
    assert {change["action"] for found in listed for change in found["changed"]} == {
        "create", "update", "rename", "delete",
    }  # fmt: skip


async def test_a_backfill_that_a_later_revision_replaces_is_superseded(app: Application) -> None:
    await app.track({"userId": "ada", "event": "app_open", "messageId": "m1"})
    for days in (7, 8):
        expression = f"events.app_open.where(x == 1).count_{days}d"
        saved = await app.admin.put("/v1/admin/traits/opens", json={"expression": expression})
        assert saved.json()["backfilling"] is True
    listed = (await app.admin.get("/v1/admin/backfills")).json()["backfills"]
    assert [(found["status"], found["finishedAt"] is None) for found in listed] == [
        ("running", True),
        ("superseded", False),
    ]
    await app.backfill()
    listed = (await app.admin.get("/v1/admin/backfills")).json()["backfills"]
    assert [found["status"] for found in listed] == ["finished", "superseded"]


async def test_a_save_is_seen_by_the_next_decision_of_the_same_process(app: Application) -> None:
    await app.define("flag", key="on", rule='profile.plan == "pro"')
    await app.write.post("/v1/identify", json={"userId": "ada", "traits": {"plan": "pro"}})
    assert (await app.read.get("/v1/decide?flag=on&userId=ada")).json()["allow"] is True
    await app.admin.put("/v1/admin/flags/on", json={"rule": 'profile.plan == "free"'})
    assert (await app.read.get("/v1/decide?flag=on&userId=ada")).json()["allow"] is False


async def test_a_key_that_exists_is_not_created_again(app: Application) -> None:
    await app.define("trait", **OPENS)
    for expression in (OPENS["expression"], "1"):
        refused = await app.admin.post("/v1/admin/traits", json={"key": "opens", "expression": expression})
        assert (refused.status_code, refused.json()["code"]) == (409, "KEY_EXISTS")


async def test_of_two_edits_of_one_version_the_second_is_a_conflict(app: Application) -> None:
    await app.define("trait", **OPENS)
    match = {"If-Match": '"1"'}
    assert (await app.admin.put("/v1/admin/traits/opens", json={"expression": "1"}, headers=match)).status_code == 200
    late = await app.admin.put("/v1/admin/traits/opens", json={"expression": "2"}, headers=match)
    assert (late.status_code, late.json()["code"], late.json()["version"]) == (409, "VERSION_CONFLICT", 2)
    assert (await app.admin.delete("/v1/admin/traits/opens", headers=match)).status_code == 409
    assert (await app.admin.get("/v1/admin/traits/opens")).json()["expression"] == "1"


async def test_errors_come_all_at_once_with_places_and_fixes_and_nothing_is_saved(app: Application) -> None:
    refused = await app.admin.post(
        "/v1/admin/segments", json={"key": "wrong", "rule": "nowhere > 3 && profile.plan == null"}
    )
    assert refused.status_code == 400
    diagnostics = refused.json()["diagnostics"]
    assert [diagnostic["code"] for diagnostic in diagnostics] == ["E302", "E403"]
    assert diagnostics[0]["span"] == {"start": 0, "end": 7, "line": 1, "col": 1}
    assert (await app.admin.get("/v1/admin/segments")).json() == {"segments": [], "revision": 0}


async def test_breaking_what_depends_on_it_is_refused_with_the_list(app: Application) -> None:
    await app.define("trait", **OPENS)
    await app.define("segment", key="busy", rule="opens > 3")
    await app.define("flag", key="nudge", rule='segment("busy")')
    assert (await app.admin.get("/v1/admin/traits/opens")).json()["usedBy"] == [{"kind": "segment", "key": "busy"}]
    assert (await app.admin.get("/v1/admin/segments/busy")).json()["usedBy"] == [{"kind": "flag", "key": "nudge"}]

    refused = await app.admin.delete("/v1/admin/traits/opens")
    assert (refused.status_code, refused.json()["code"]) == (409, "REFERENCED")
    assert refused.json()["usedBy"] == [{"kind": "segment", "key": "busy"}]

    broken = await app.admin.put("/v1/admin/traits/opens", json={"expression": '"many"'})
    assert broken.status_code == 400
    assert broken.json()["definitions"][0]["key"] == "busy"
    assert broken.json()["diagnostics"] == []

    cycle = await app.admin.put("/v1/admin/traits/opens", json={"expression": "segments.busy"})
    assert cycle.status_code == 400
    assert cycle.json()["diagnostics"][0]["code"] == "E601"


async def test_a_misspelt_event_is_a_warning_with_its_fix(app: Application) -> None:
    await app.track({"userId": "ada", "event": "app_open"})
    saved = await app.admin.post("/v1/admin/traits", json={"key": "x", "expression": "events.ap_open.count_30d"})
    assert saved.status_code == 201
    (warning,) = saved.json()["diagnostics"]
    assert (warning["code"], warning["severity"]) == ("E301", "warning")
    assert warning["fixes"][0]["edits"][0]["text"] == "app_open"


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("POST", "traits", b'{"key": ,}', "INVALID_JSON"),
        ("POST", "traits", b"[]", "INVALID_BODY"),
        ("POST", "traits", b"", "INVALID_JSON"),
        ("POST", "traits", b'{"key": "a b", "expression": "1"}', "INVALID_KEY"),
        ("POST", "traits", b'{"key": "a"}', "INVALID_DOCUMENT"),
        ("POST", "traits", b'{"key": "a", "expression": "1", "colour": "red"}', "INVALID_DOCUMENT"),
        ("POST", "traits", b'{"key": "a", "expression": 1}', "INVALID_DOCUMENT"),
        ("PUT", "traits/a", b'{"key": "b", "expression": "1"}', "KEY_MISMATCH"),
        ("PUT", "traits/a%20b", b'{"expression": "1"}', "INVALID_KEY"),
        ("PUT", "traits/a%00b", b'{"expression": "1"}', "INVALID_REQUEST"),
        ("POST", "flags", b'{"key": "f", "rules": 3}', "INVALID_FLAG"),
        ("POST", "flags", b'{"key": "f", "variants": {"on": 1}}', "INVALID_FLAG"),
        ("POST", "flags", b'{"key": "f", "overrides": [{"segment": "x", "serve": "on"}]}', "UNKNOWN_SEGMENT"),
        ("POST", "validate", b'{"kind": "trait"}', "INVALID_BODY"),
        ("POST", "validate", b'{"kind": "colour", "expression": "1"}', "INVALID_BODY"),
        ("POST", "validate", b'{"kind": "trait", "flag": {}}', "INVALID_BODY"),
        ("POST", "keys", b'{"name": "x", "scopes": ["root"]}', "INVALID_SCOPE"),
        ("POST", "keys", b'{"name": "", "scopes": ["read"]}', "INVALID_BODY"),
    ],
)
async def test_a_clients_mistake_is_a_400_that_says_so(
    app: Application, method: str, path: str, body: bytes, code: str
) -> None:
    refused = await app.admin.request(method, f"/v1/admin/{path}", content=body)
    assert (refused.status_code, refused.json()["code"]) == (400, code), refused.text
    assert refused.json()["message"]


async def test_malformed_json_names_the_byte_and_a_big_body_is_413(app: Application) -> None:
    refused = (await app.admin.post("/v1/admin/traits", content=b'{"key": ,}')).json()
    assert (refused["byte"], refused["line"], refused["column"]) == (8, 1, 9)
    assert (await app.admin.post("/v1/admin/traits", content=b" " * (5 << 20))).status_code == 413


async def test_validate_says_what_an_expression_means_and_saves_nothing(app: Application) -> None:
    await app.define("trait", **OPENS)

    async def ask(**draft: Any) -> dict[str, Any]:
        answer = await app.admin.post("/v1/admin/validate", json=draft)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    fine = await ask(kind="segment", expression="opens>3&&events.x.exists_3d")
    assert (fine["valid"], fine["type"], fine["canonical"]) == (True, "bool", "opens > 3 && events.x.exists_3d")
    assert fine["cost"]["nodes"] > 3
    wrong = await ask(kind="segment", expression="opns > 3")
    assert (wrong["valid"], wrong["diagnostics"][0]["fixes"][0]["title"]) == (False, "did you mean 'opens'?")
    cyclic = await ask(kind="trait", key="opens", expression="opens + 1")
    assert cyclic["diagnostics"][0]["code"] == "E601"
    assert (await ask(kind="trait", expression=""))["valid"] is False
    flag = await ask(kind="flag", flag={"rules": [{"when": "opens > 1", "serve": "on"}, {"when": "x", "serve": "on"}]})
    assert [diagnostic["path"] for diagnostic in flag["diagnostics"]] == ["$.rules[1].when"]
    assert (await app.admin.get("/v1/admin/revisions")).json()["revisions"][0]["revision"] == 1


async def test_a_flag_comes_back_whole_and_exact(app: Application) -> None:
    document = {
        "key": "price",
        "type": "float",
        "variants": {"low": 9.99, "high": 12},
        "offVariant": "low",
        "rules": [{"id": "some", "when": 'profile.plan == "pro"', "serve": "high", "rollout": 12.345}],
    }
    saved = await app.define("flag", **document)
    assert saved["document"]["rules"][0]["rollout"] == 12.345
    found = (await app.admin.get("/v1/admin/flags/price")).json()
    again = await app.admin.put("/v1/admin/flags/price", json=found["document"])
    assert (again.status_code, again.json()["version"]) == (200, 1)


async def test_the_order_of_a_split_is_kept_and_a_new_order_is_a_change(app: Application) -> None:
    """A unit's arm is found by adding weights up in document order: a database that sorts keys would move people."""
    arms = {"zebra": 50_000, "ant": 30_000, "bee": 20_000}
    flag = {
        "key": "order",
        "type": "string",
        "salt": "a-salt",
        "variants": {name: name for name in ("ant", "bee", "zebra")},
        "rules": [{"id": "all", "when": "true", "split": arms}],
    }
    await app.admin.put("/v1/admin/flags/order", json=flag)
    kept = (await app.admin.get("/v1/admin/flags/order")).json()["document"]
    assert list(kept["rules"][0]["split"]) == ["zebra", "ant", "bee"]
    for unit in ("u-1", "u-2", "u-3", "u-4"):
        arm = list(arms)[chosen(list(arms.values()), bucket("a-salt", "split", unit))]
        answer = (await app.read.get("/v1/decide", params={"userId": unit, "flag": "order"})).json()
        assert answer["value"] == arm

    flag["rules"] = [{"id": "all", "when": "true", "split": dict(sorted(arms.items()))}]
    assert (await app.admin.put("/v1/admin/flags/order", json=flag)).json()["version"] == 2


async def test_a_segment_counts_and_lists_its_members(app: Application) -> None:
    await app.track(*({"userId": f"u{n}", "event": "app_open"} for n in range(5)))
    await app.define("segment", key="openers", rule="events.app_open.exists_30d")
    found = (await app.admin.get("/v1/admin/segments/openers")).json()
    assert (found["members"], found["status"]) == (5, "live")
    first = (await app.admin.get("/v1/admin/segments/openers/members?limit=3")).json()
    rest = (await app.admin.get(f"/v1/admin/segments/openers/members?limit=3&after={first['next']}")).json()
    people = [identifier["value"] for page in (first, rest) for m in page["members"] for identifier in m["identifiers"]]
    assert people == [f"u{n}" for n in range(5)]
    assert rest["next"] is None
    assert (await app.admin.get("/v1/admin/segments/absent/members")).status_code == 404


async def test_members_are_read_at_any_place_and_counted(app: Application) -> None:
    await app.track(*({"userId": f"u{n}", "event": "app_open"} for n in range(7)), {"userId": "bob", "event": "e"})
    await app.define("segment", key="openers", rule="events.app_open.exists_30d")

    async def page(query: str) -> tuple[list[str], int | None, bool]:
        answer = await app.read.get(f"/v1/admin/segments/openers/members?{query}")
        assert answer.status_code == 200, answer.text
        found = answer.json()
        return [m["identifiers"][0]["value"] for m in found["members"]], found["total"], found["next"] is not None

    assert await page("") == ([f"u{n}" for n in range(7)], 7, False)
    for offset in range(9):
        people = [f"u{n}" for n in range(7)][offset : offset + 2]
        assert await page(f"offset={offset}&limit=2") == (people, 7, len(people) == 2)
        assert await page(f"offset={offset}&limit=2&total=false") == (people, None, len(people) == 2)
    assert (await page("q=u&total=false"))[1] is None
    assert (await page("limit=1000"))[1] == 7
    first = (await app.read.get("/v1/admin/segments/openers/members?offset=2&limit=2")).json()
    assert await page(f"after={first['next']}") == (["u4", "u5", "u6"], None, False)
    for query in ("limit=1001", "offset=-1", f"offset=1&after={first['next']}"):
        refused = await app.read.get(f"/v1/admin/segments/openers/members?{query}")
        assert (refused.status_code, refused.json()["code"]) == (400, "INVALID_REQUEST"), query


async def test_members_are_found_by_identifiers_and_put_in_order(dsn: str) -> None:
    clock = ManualClock(wall.now())
    async with running(dsn, clock) as app:
        await app.define("segment", key="openers", rule="events.app_open.exists_30d")
        for n, user in enumerate(("ada", "bob", "adam")):
            clock.now += 1000
            await app.track({"userId": user, "anonymousId": f"ad-{n}", "event": "app_open"})
        await app.track({"userId": "adele", "event": "other"})

        async def page(query: str) -> tuple[list[str], int]:
            answer = await app.read.get(f"/v1/admin/segments/openers/members?{query}")
            assert answer.status_code == 200, answer.text
            found = answer.json()
            assert found["next"] is None
            people = [i["value"] for m in found["members"] for i in m["identifiers"] if i["kind"] == "userId"]
            return people, found["total"]

        assert await page("order=entered") == (["adam", "bob", "ada"], 3)
        assert await page("order=entered&offset=1&limit=1") == (["bob"], 3)
        assert await page("q=ada") == (["ada", "adam"], 2)
        # One with two identifiers is found once, and a place beyond the last has their number.
        assert await page("q=ad") == (["ada", "bob", "adam"], 3)
        assert await page("q=ada&order=entered&limit=1") == (["adam"], 2)
        assert await page("q=ada&offset=2") == ([], 2)
        assert await page("q=adele") == ([], 0)
        assert await page("q=%25") == ([], 0)
        for query in ("order=name", "after=1&q=a", "after=1&order=entered"):
            refused = await app.read.get(f"/v1/admin/segments/openers/members?{query}")
            assert (refused.status_code, refused.json()["code"]) == (400, "INVALID_REQUEST"), query


async def test_a_changed_segment_counts_by_its_live_meaning_until_the_new_one_is_live(app: Application) -> None:
    await app.track({"userId": "ada", "event": "app_open"})
    await app.define("segment", key="openers", rule="events.app_open.exists_30d")
    await app.admin.put("/v1/admin/segments/openers", json={"rule": "events.app_open.count_7d > 5"})
    during = (await app.admin.get("/v1/admin/segments/openers")).json()
    assert (during["status"], during["members"], during["rule"]) == ("backfilling", 1, "events.app_open.count_7d > 5")
    await app.backfill()
    after = (await app.admin.get("/v1/admin/segments/openers")).json()
    assert (after["status"], after["members"]) == ("live", 0)


async def test_keys_are_made_shown_once_and_revoked(app: Application) -> None:
    made = (await app.admin.post("/v1/admin/keys", json={"name": "shop", "scopes": ["read"]})).json()
    assert made["key"].startswith(made["prefix"])
    header = {"Authorization": f"Bearer {made['key']}"}
    assert (await app.keyless.get("/v1/events/recent", headers=header)).status_code == 200
    listed = await app.admin.get("/v1/admin/keys")
    assert made["key"] not in listed.text
    assert made["prefix"] in listed.text
    assert (await app.admin.delete(f"/v1/admin/keys/{made['id']}")).status_code == 200
    assert (await app.keyless.get("/v1/events/recent", headers=header)).status_code == 401
    for id in (made["id"], 999_999, 2**40, -1):
        assert (await app.admin.delete(f"/v1/admin/keys/{id}")).status_code == 404, id


async def test_a_key_revokes_neither_itself_nor_a_key_of_another_environment(app: Application) -> None:
    keys = {key["name"]: key["id"] for key in (await app.admin.get("/v1/admin/keys")).json()["keys"]}
    own = await app.admin.delete(f"/v1/admin/keys/{keys['bootstrap admin']}")
    assert (own.status_code, own.json()["code"]) == (409, "OWN_KEY")
    assert (await app.stranger.delete(f"/v1/admin/keys/{keys['bootstrap read']}")).status_code == 404
    assert (await app.read.get("/v1/events/recent")).status_code == 200


async def test_statistics_count_what_is_there(app: Application) -> None:
    await app.track(*({"userId": f"u{n}", "event": "app_open"} for n in range(3)))
    await app.write.post("/v1/batch", json=[{"type": "track", "userId": "ada"}])
    await app.define("segment", key="openers", rule="events.app_open.exists_30d")
    figures = (await app.admin.get("/v1/admin/metrics")).json()
    assert figures["profiles"] == {"value": 3, "exact": True}
    assert (figures["events"]["value"], figures["memberships"]["value"]) == (3, 3)
    assert figures["rejected"] == {"INVALID_EVENT_NAME": 1}
    assert 0 < figures["eventsPerSecond"] <= 3
    (refused,) = (await app.admin.get("/v1/admin/rejections")).json()["rejections"]
    assert (refused["code"], refused["key"]) == ("INVALID_EVENT_NAME", "bootstrap write")
    assert '"ada"' in refused["payload"]
    assert (await app.stranger.get("/v1/admin/metrics")).json()["events"]["value"] == 0


async def test_numbers_come_back_with_every_digit(app: Application) -> None:
    exact = "0.1234567890123456789012"
    variants = f'{{"on": {exact}, "off": 12345678901234567890123456789}}'
    document = f'{{"type": "float", "variants": {variants}, "offVariant": "off", "default": {{"serve": "on"}}}}'
    for answer in (
        await app.admin.put("/v1/admin/flags/exact", content=document),
        await app.admin.get("/v1/admin/flags/exact"),
    ):
        assert answer.status_code in {200, 201}, answer.text
        assert exact in answer.text
        assert "12345678901234567890123456789" in answer.text
    await app.backfill()
    decided = await app.read.get("/v1/decide?flag=exact&userId=ada")
    assert f'"value":{exact}' in decided.text
