"""What happens to definitions over time, through HTTP: published together, renamed, compared, brought back."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from application import Application, running
from serving import PATIENCE_SECONDS
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.worker.loops import Worker
from tinycdp.store.database.pool import transaction
from tinycdp.store.events import begin_group


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


async def ok(app: Application, method: str, path: str, body: Any = None, **headers: str) -> Any:
    answer = await app.admin.request(method, f"/v1/admin/{path}", json=body, headers=headers)
    assert answer.status_code < 300, answer.text
    return answer.json()


async def refused(app: Application, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
    answer = await app.admin.request(method, f"/v1/admin/{path}", json=body, headers=headers)
    return answer.status_code, answer.json()["code"]


async def publish(app: Application, *changes: tuple[str, str, Any], **options: Any) -> Any:
    listed = [{"kind": kind, "key": key, "document": document} for kind, key, document in changes]
    found = await ok(app, "POST", "publish", {"changes": listed, **options})
    await app.backfill()
    return found


async def members(app: Application, segment: str) -> list[str]:
    found = await ok(app, "GET", f"segments/{segment}/members")
    return [member["identifiers"][0]["value"] for member in found["members"]]


async def table(app: Application, sql: str) -> list[Any]:
    async with app.service.pool.acquire() as connection:
        return [tuple(row) for row in await connection.fetch(sql)]


BUYERS = (
    ("trait", "orders", {"expression": "events.purchase.count_90d"}),
    ("segment", "regulars", {"rule": "orders >= 2 // often\n  && traits.orders < 100"}),
    ("flag", "thanks", {"rule": 'segment("regulars") && orders > 1', "variants": {"on": True, "off": False}}),
    ("flag", "more", {"rules": [{"when": 'flag("thanks")', "rollout": 50, "serve": "on"}],
                      "overrides": [{"segment": "regulars", "serve": "on"}]}),
)  # fmt: skip


@pytest.fixture
async def shop(app: Application) -> Application:
    await app.track(*({"userId": who, "event": "purchase"} for who in ("ada", "ada", "ada", "bob")))
    await publish(app, *BUYERS, note="the first")
    assert await members(app, "regulars") == ["ada"]
    return app


async def test_several_definitions_are_one_revision_or_none(app: Application) -> None:
    dry_run = await publish(app, *BUYERS, dryRun=True)
    assert (dry_run["revision"], [change["action"] for change in dry_run["changes"]]) == (0, ["create"] * 4)
    assert (await ok(app, "GET", "traits")) == {"traits": [], "revision": 0}
    made = await publish(app, *BUYERS, note="the first")
    assert (made["revision"], len(made["changes"])) == (1, 4)
    assert (await ok(app, "GET", "revisions"))["revisions"][0]["note"] == "the first"
    wrong = [{"kind": "trait", "key": "n", "document": {"expression": "1"}},
             {"kind": "trait", "key": "orders", "document": {"expression": "nowhere > 1"}}]  # fmt: skip
    answer = await app.admin.post("/v1/admin/publish", json={"changes": wrong})
    assert answer.status_code == 400
    first = answer.json()["definitions"][0]
    assert (first["key"], first["diagnostics"][0]["code"]) == ("orders", "E302")
    assert await refused(app, "GET", "traits/n") == (404, "NOT_FOUND")
    # A definition and what names it go together.
    gone = await publish(app, *((kind, key, None) for kind, key, _ in BUYERS))
    assert [change["action"] for change in gone["changes"]] == ["delete"] * 4
    assert (await publish(app, ("trait", "a", {"expression": "1"})))["revision"] == 3
    assert (await publish(app, ("trait", "a", {"expression": "1"})))["revision"] == 3


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"kind": "trai", "key": "a", "document": {}}, 400, "INVALID_REQUEST"),
        ({"kind": "trait", "key": "a", "document": {"key": "b", "expression": "1"}}, 400, "KEY_MISMATCH"),
        ({"kind": "trait", "key": "a", "document": {"expression": 1}}, 400, "INVALID_DOCUMENT"),
        ({"kind": "trait", "key": "a b", "document": {"expression": "1"}}, 400, "INVALID_KEY"),
        ({"kind": "trait", "key": "a", "document": None}, 404, "NOT_FOUND"),
        ({"kind": "trait", "key": "a", "document": {"expression": "1"}, "expects": 2}, 409, "VERSION_CONFLICT"),
        ({"kind": "trait", "key": "a"}, 400, "INVALID_BODY"),
    ],
)
async def test_a_change_that_is_none_is_refused(app: Application, change: Any, status: int, code: str) -> None:
    assert await refused(app, "POST", "publish", {"changes": [change]}) == (status, code)
    assert await refused(app, "POST", "publish", {"changes": [change, change]}) in {
        (status, code), (400, "INVALID_REQUEST"),
    }  # fmt: skip


async def test_a_rename_moves_no_profile_and_rewrites_references(shop: Application) -> None:
    app = shop
    before = await table(app, "SELECT fingerprint, profile_id, entered_at FROM memberships")
    salt = (await ok(app, "GET", "flags/more"))["document"]["salt"]
    found = await ok(app, "POST", "traits/orders/rename", {"key": "in_90d", "note": "shorter"})
    assert [(c["action"], c["kind"], c["key"], c["was"], c["sameMeaning"]) for c in found["changes"]] == [
        ("rename", "trait", "in_90d", "orders", True),
        ("update", "flag", "thanks", None, True),
        ("update", "segment", "regulars", None, True),
    ]
    assert (found["backfilling"], found["revision"]) == (False, 2)
    segment = await ok(app, "GET", "segments/regulars")
    assert segment["rule"] == "in_90d >= 2 // often\n  && traits.in_90d < 100"
    assert (segment["status"], segment["members"], segment["version"]) == ("live", 1, 2)

    assert (await ok(app, "POST", "segments/regulars/rename", {"key": "loyal.ones"}))["backfilling"] is False
    assert (await ok(app, "POST", "flags/thanks/rename", {"key": "gratitude"}))["backfilling"] is False
    more = (await ok(app, "GET", "flags/more"))["document"]
    assert (more["salt"], more["overrides"], more["rules"][0]["when"]) == (
        salt, [{"serve": "on", "segment": "loyal.ones"}], 'flag("gratitude")',
    )  # fmt: skip
    assert (await ok(app, "GET", "flags/gratitude"))["document"]["rules"][0]["when"] == (
        'segment("loyal.ones") && in_90d > 1'
    )
    assert await table(app, "SELECT fingerprint, profile_id, entered_at FROM memberships") == before
    assert await members(app, "loyal.ones") == ["ada"]
    assert await table(app, "SELECT entered FROM transitions") == [(True,)]
    answer = (await app.read.get("/v1/decide?flag=gratitude&userId=ada")).json()
    assert (answer["allow"], answer["revision"]) == (True, 4)
    assert (await app.read.get("/v1/decide?flag=thanks&userId=ada")).status_code == 404
    # What arrives now is counted by the state that was kept all along.
    await app.track({"userId": "bob", "event": "purchase"})
    assert await members(app, "loyal.ones") == ["ada", "bob"]


async def test_references_keep_their_meaning_whatever_the_order_of_their_names(app: Application) -> None:
    await app.track(*({"userId": "ada", "event": event} for event in ("x", "x", "y")))
    await publish(
        app,
        ("trait", "b", {"expression": "events.x.count_7d"}),
        ("trait", "c", {"expression": "events.y.count_7d"}),
        ("segment", "s", {"rule": "b > c"}),
    )
    assert (await ok(app, "POST", "traits/b/rename", {"key": "z"}))["backfilling"] is False
    assert await members(app, "s") == ["ada"]
    assert (await ok(app, "GET", "segments/s"))["rule"] == "z > c"


async def test_a_name_that_is_taken_or_means_something_else_is_refused(shop: Application) -> None:
    app = shop
    await publish(app, ("trait", "other", {"expression": "1"}))
    rename = "traits/orders/rename"
    assert await refused(app, "POST", rename, {"key": "other"}) == (409, "KEY_EXISTS")
    for key in ("last_seen_at", "events", "null", "a b", ""):
        assert await refused(app, "POST", rename, {"key": key}) == (400, "INVALID_KEY")
    assert await refused(app, "POST", "traits/absent/rename", {"key": "x"}) == (404, "NOT_FOUND")
    assert await refused(app, "POST", rename, {"key": "x"}, **{"If-Match": '"7"'}) == (409, "VERSION_CONFLICT")
    assert (await ok(app, "POST", rename, {"key": "orders"}))["changes"] == []
    # A keyword is quoted where it is named; a segment may be called like the trait.
    assert (await ok(app, "POST", rename, {"key": "in"}))["backfilling"] is False
    assert (await ok(app, "GET", "segments/regulars"))["rule"].startswith("`in` >= 2 // often")
    await ok(app, "POST", "segments/regulars/rename", {"key": "other"})


async def test_every_version_is_kept_with_who_and_why(shop: Application) -> None:
    app = shop
    await app.admin.put(
        "/v1/admin/traits/orders?note=only%20a%20month", json={"expression": "events.purchase.count_30d"}
    )
    await app.backfill()
    await ok(app, "POST", "traits/orders/rename", {"key": "lately", "note": "names"})
    found = (await ok(app, "GET", "traits/lately/versions"))["versions"]
    assert [(v["version"], v["key"], v["revision"], v["until"], v["note"]) for v in found] == [
        (3, "lately", 3, None, "names"), (2, "orders", 2, 3, "only a month"), (1, "orders", 1, 2, "the first"),
    ]  # fmt: skip
    assert found[1]["document"] == {"expression": "events.purchase.count_30d", "description": ""}
    assert (found[2]["author"], found[2]["liveAt"] >= found[2]["publishedAt"]) == ("bootstrap admin", True)
    # By a former key too, while no other definition has it.
    assert (await ok(app, "GET", "traits/orders/versions"))["versions"] == found
    await publish(app, ("trait", "orders", {"expression": "1"}))
    assert len((await ok(app, "GET", "traits/orders/versions"))["versions"]) == 1
    assert await refused(app, "GET", "traits/absent/versions") == (404, "NOT_FOUND")


async def test_a_revision_says_what_it_changed_and_any_two_are_compared(shop: Application) -> None:
    app = shop
    rule = {"id": "rule1", "when": "flag('thanks')", "rollout": 60, "serve": "on"}
    override = {"segment": "regulars", "serve": "on"}
    await publish(app, ("flag", "more", {"rules": [rule], "overrides": [override]}))
    await ok(app, "POST", "segments/regulars/rename", {"key": "loyal"})
    await publish(app, ("trait", "orders", {"expression": "events . purchase . count_90d", "description": "Bought."}))
    detail = await ok(app, "GET", "revisions/2")
    [change] = detail["changes"]
    assert (change["action"], change["kind"], change["key"], change["version"]) == ("update", "flag", "more", 2)
    assert {field["path"] for field in change["fields"]} == {"/rules/rule1/when", "/rules/rule1/rollout"}
    # The other quotes are no difference in what it says, so the text is silent about them.
    assert [line for line in change["text"].splitlines() if line[0] in "-+"] == [
        "-    rollout: 50", "+    rollout: 60",
    ]  # fmt: skip
    [layout] = (await ok(app, "GET", "revisions/4"))["changes"]
    assert (layout["sameMeaning"], [field["path"] for field in layout["fields"]]) == (
        True, ["/expression", "/description"],
    )  # fmt: skip

    back = await ok(app, "GET", "diff?from=4&to=1")
    assert (back["from"], back["to"]) == (4, 1)
    assert [(c["action"], c["kind"], c["key"], c["was"]) for c in back["changes"]] == [
        ("update", "trait", "orders", None),
        ("rename", "segment", "regulars", "loyal"),
        ("update", "flag", "more", None),
        ("update", "flag", "thanks", None),
    ]
    assert len((await ok(app, "GET", "diff?from=0&to=4"))["changes"]) == 4
    assert (await ok(app, "GET", "diff?from=2&to=2"))["changes"] == []
    for path in ("revisions/9", "revisions/99999999999", "diff?from=1&to=9"):
        assert await refused(app, "GET", path) == (404, "REVISION_NOT_FOUND")


async def test_a_restored_revision_has_its_definitions_ids_and_salts(shop: Application) -> None:
    app = shop
    ids = await table(app, "SELECT id, kind FROM definitions ORDER BY id")
    first = {kind: await ok(app, "GET", kind) for kind in ("traits", "segments", "flags")}
    await publish(app, ("flag", "more", None), ("trait", "new", {"expression": "1"}), note="second")
    await ok(app, "POST", "segments/regulars/rename", {"key": "loyal"})
    await publish(app, ("segment", "loyal", {"rule": "orders >= 1"}))
    assert await members(app, "loyal") == ["ada", "bob"]

    dry_run = await ok(app, "POST", "revisions/1/restore", {"dryRun": True})
    assert (dry_run["revision"], dry_run["dryRun"]) == (4, True)
    made = await ok(app, "POST", "revisions/1/restore", {"note": "back"})
    assert [(c["action"], c["kind"], c["key"], c["was"]) for c in made["changes"]] == (
        [(c["action"], c["kind"], c["key"], c["was"]) for c in dry_run["changes"]]
    )
    assert {(c["action"], c["kind"], c["key"]) for c in made["changes"]} == {
        ("rename", "segment", "regulars"), ("update", "flag", "thanks"), ("create", "flag", "more"),
        ("delete", "trait", "new"),
    }  # fmt: skip
    assert (made["revision"], made["backfilling"]) == (5, True)
    assert (await ok(app, "GET", "segments/regulars"))["status"] == "backfilling"
    await app.backfill()
    assert await members(app, "regulars") == ["ada"]
    for kind, before in first.items():
        for old, now in zip(before[kind], (await ok(app, "GET", kind))[kind], strict=True):
            changed = {"version": 0, "asOf": "", "updatedAt": "", "updatedBy": ""}
            assert {**old, **changed} == {**now, **changed}
    assert (await table(app, "SELECT id, kind FROM definitions ORDER BY id"))[: len(ids)] == ids
    # Versions are new ones, what they say is not.
    assert [c["fields"] for c in (await ok(app, "GET", "diff?from=1&to=5"))["changes"]] == [[], [], []]
    left = "SELECT count(*) FROM transitions WHERE NOT entered"
    assert await table(app, left) == [(1,)]  # bob, who was in it by the third revision's rule alone
    assert (await ok(app, "POST", "revisions/5/restore"))["changes"] == []
    for revision in (0, 9, 99999999999):
        assert await refused(app, "POST", f"revisions/{revision}/restore", {}) == (404, "REVISION_NOT_FOUND")


async def test_a_meaning_that_was_given_up_and_returns_starts_afresh(shop: Application) -> None:
    """A profile remembers under which fingerprint it entered: a used one must never come back."""
    app = shop
    await publish(app, ("flag", "more", None), ("flag", "thanks", None), ("segment", "regulars", None))
    assert await table(app, "SELECT * FROM memberships") == []
    restored = await ok(app, "POST", "segments/regulars/versions/1/restore", {})
    assert [(c["action"], c["version"]) for c in restored["changes"]] == [("create", 2)]
    await app.backfill()
    assert await members(app, "regulars") == ["ada"]


async def test_a_backfill_is_called_off_by_restoring_what_serves(shop: Application) -> None:
    app = shop
    before = await table(app, "SELECT * FROM memberships")
    changed = {"kind": "segment", "key": "regulars", "document": {"rule": "orders >= 1"}}
    made = await ok(app, "POST", "publish", {"changes": [changed]})
    assert made["backfilling"] is True
    await Worker(app.service.pool, Catalogs(), app.service.now).backfill()  # a first batch of it
    assert len(await table(app, "SELECT * FROM memberships")) == 3
    restored = await ok(app, "POST", "revisions/1/restore", {})
    assert (restored["backfilling"], restored["revision"]) == (False, 3)
    segment = await ok(app, "GET", "segments/regulars")
    assert (segment["status"], segment["members"]) == ("live", 1)
    assert await table(app, "SELECT * FROM memberships") == before
    assert (await app.read.get("/v1/decide?flag=thanks&userId=bob")).json()["allow"] is False
    assert await table(app, "SELECT entered FROM transitions") == [(True,)]


async def test_who_is_in_a_segment_leaves_it_when_it_is_deleted(shop: Application) -> None:
    await publish(shop, *((kind, key, None) for kind, key, _ in BUYERS if kind != "trait"))
    assert await table(shop, "SELECT entered FROM transitions ORDER BY id") == [(True,), (False,)]


async def test_one_definition_returns_by_the_names_of_today(shop: Application) -> None:
    app = shop
    await publish(app, ("segment", "regulars", {"rule": "orders >= 1"}))
    await ok(app, "POST", "traits/orders/rename", {"key": "in_90d"})
    await ok(app, "POST", "segments/regulars/rename", {"key": "loyal"})
    found = await ok(app, "POST", "segments/loyal/versions/1/restore", {"note": "twice"}, **{"If-Match": '"4"'})
    [change] = found["changes"]
    assert (change["action"], change["key"], change["sameMeaning"]) == ("update", "loyal", False)
    await app.backfill()
    segment = await ok(app, "GET", "segments/loyal")
    assert segment["rule"] == "in_90d >= 2 // often\n  && traits.in_90d < 100"
    assert await members(app, "loyal") == ["ada"]
    assert await refused(app, "POST", "segments/loyal/versions/9/restore", {}) == (404, "NOT_FOUND")
    late = await refused(app, "POST", "segments/loyal/versions/1/restore", {}, **{"If-Match": '"4"'})
    assert late == (409, "VERSION_CONFLICT")
    # What it named is gone: that is said, and nothing is saved.
    await publish(app, ("segment", "loyal", {"rule": "true"}), ("flag", "thanks", {"rule": "true"}))
    await publish(app, ("trait", "in_90d", None))
    assert (await refused(app, "POST", "segments/loyal/versions/1/restore", {})) == (400, "E302")


async def test_impact_goes_all_the_way(shop: Application) -> None:
    app = shop
    found = await ok(app, "GET", "traits/orders/impact")
    assert [n["key"] for n in found["usedBy"]] == ["thanks", "regulars"]
    assert [n["key"] for n in found["reaches"]] == ["thanks", "regulars", "more"]
    assert (found["uses"], found["needs"]) == ([], [])
    assert found["events"] == [{"event": "purchase", "properties": []}]
    await publish(app, ("trait", "spent", {"expression": 'events.order.where(shop == "a").sum(price.net, 7d)'}),
                  ("flag", "rich", {"rule": "spent > 3 && profile.home.city == 'x' || orders > 1"}))  # fmt: skip
    found = await ok(app, "GET", "flags/rich/impact")
    assert [n["key"] for n in found["needs"]] == ["orders", "spent"]
    assert found["events"] == [
        {"event": "order", "properties": ["price.net", "shop"]}, {"event": "purchase", "properties": []},
    ]  # fmt: skip
    assert found["properties"] == ["home"]
    assert await refused(app, "GET", "flags/absent/impact") == (404, "NOT_FOUND")


async def test_many_publish_at_once_and_no_change_is_lost(app: Application) -> None:
    """More at once than a publish tries before it keeps the others out."""
    keys = [f"t{n}" for n in range(8)]
    made = await asyncio.gather(*(publish(app, ("trait", key, {"expression": "1"})) for key in keys))
    assert sorted(one["revision"] for one in made) == list(range(1, 9))
    assert [trait["key"] for trait in (await ok(app, "GET", "traits"))["traits"]] == keys
    same = [ok(app, "PUT", "traits/t1", {"expression": str(n)}) for n in range(2, 6)]
    assert sorted(one["version"] for one in await asyncio.gather(*same))[-1] == 5
    match = {"If-Match": '"1"'}
    answers = await asyncio.gather(
        *(app.admin.put("/v1/admin/traits/t2", json={"expression": f"{n}"}, headers=match) for n in range(2, 6))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]


async def test_reads_do_not_wait_for_a_publish(shop: Application) -> None:
    app = shop
    async with transaction(app.service.pool) as connection:
        await begin_group(connection, app.environment_id)  # as a group of messages does that takes its time
        change = {"kind": "trait", "key": "orders", "document": {"expression": "events.purchase.count_30d"}}
        async with asyncio.timeout(PATIENCE_SECONDS):
            dry_run = await ok(app, "POST", "publish", {"changes": [change], "dryRun": True})
            assert (await ok(app, "POST", "revisions/1/restore", {"dryRun": True}))["changes"] == []
        assert [found["action"] for found in dry_run["changes"]] == ["update"]


async def test_a_cycle_names_the_way_round(app: Application) -> None:
    found = await app.admin.post("/v1/admin/publish", json={"changes": [
        {"kind": "segment", "key": "a", "document": {"rule": "segments.b"}},
        {"kind": "segment", "key": "b", "document": {"rule": "segments.a"}},
    ]})  # fmt: skip
    assert "a -> b -> a" in found.text


async def test_a_deleted_segment_keeps_its_name_in_a_persons_history(app: Application) -> None:
    await app.track({"userId": "ada", "event": "x"})
    await app.define("segment", key="gold", rule="events.x.exists()")
    await app.admin.delete("/v1/admin/segments/gold")
    found = (await app.admin.get("/v1/admin/users/ada")).json()["transitions"]
    assert [(t["segment"], t["entered"]) for t in found] == [("gold", False), ("gold", True)]


async def test_two_definitions_cannot_come_of_one(app: Application) -> None:
    await app.define("trait", key="a", expression="1")
    changes = [
        {"kind": "trait", "key": "b", "was": "a", "document": {"expression": "1"}},
        {"kind": "trait", "key": "c", "was": "a", "document": {"expression": "2"}},
    ]
    both = await app.admin.post("/v1/admin/publish", json={"changes": changes})
    assert (both.status_code, both.json()["code"]) == (400, "INVALID_DOCUMENT")
    gone = {"kind": "trait", "key": "b", "was": "a", "document": None}
    deleted = await app.admin.post("/v1/admin/publish", json={"changes": [gone]})
    assert (deleted.status_code, deleted.json()["code"]) == (400, "INVALID_DOCUMENT")


async def test_a_list_says_who_changed_what_and_which_flags_are_off(shop: Application) -> None:
    def history(found: dict[str, Any]) -> tuple[int, str, str]:
        return found["version"], found["updatedBy"], found["updatedAt"]

    first = {r["revision"]: r for r in (await ok(shop, "GET", "revisions"))["revisions"]}[1]
    for kind in ("traits", "segments", "flags"):
        for found in (await ok(shop, "GET", kind))[kind]:
            assert history(found) == (1, first["author"], first["publishedAt"])
    key = (await shop.admin.post("/v1/admin/keys", json={"name": "eva", "scopes": ["admin"]})).json()["key"]
    body = {"rule": "orders > 2", "archived": True}
    changed = await shop.keyless.put("/v1/admin/flags/more", json=body, headers={"X-API-Key": key})
    assert changed.status_code == 200, changed.text
    second = {r["revision"]: r for r in (await ok(shop, "GET", "revisions"))["revisions"]}[2]
    assert (second["author"], history(changed.json())) == ("eva", (2, "eva", second["publishedAt"]))
    await ok(shop, "POST", "flags/thanks/kill", {"note": "it is on fire"})
    more, thanks = (await ok(shop, "GET", "flags"))["flags"]
    assert (more["killed"], more["archived"], history(more)) == (False, True, history(changed.json()))
    unchanged = (1, first["author"], first["publishedAt"])
    assert (thanks["killed"], thanks["archived"], history(thanks)) == (True, False, unchanged)
    assert history(await ok(shop, "GET", "flags/thanks")) == unchanged
    await ok(shop, "POST", "flags/thanks/revive")
    assert [flag["killed"] for flag in (await ok(shop, "GET", "flags"))["flags"]] == [False, False]
