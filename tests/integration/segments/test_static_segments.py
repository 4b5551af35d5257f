"""Static segments: lists of identifiers over HTTP, in decisions, and in what is stored about profiles."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from application import Application, running
from serving import ManualClock
from tinycdp.api.segments import progress
from tinycdp.engine import outbox
from tinycdp.errors import Conflict
from tinycdp.model import MINUTE_MS, Identifier, IdentifierKind
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.outbox import Consumer, register
from tinycdp.runtime.profiles.verify import verify
from tinycdp.runtime.segments import lists as list_module
from tinycdp.runtime.segments.lists import Lists
from tinycdp.runtime.worker.loops import Worker
from tinycdp.times import iso

NOW = 1_790_000_000_000


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn, ManualClock(NOW)) as application:
        await application.define("segment", key="vip", static=True)
        await application.define("segment", key="buyers", rule="events.buy.exists(7d)")
        await application.define("segment", key="guests", rule="segments.vip && !segments.buyers")
        await application.define("flag", key="lounge", rule="segments.vip")
        yield application


async def edit(app: Application, *identifiers: Any, segment: str = "vip", status: int = 200, **body: Any) -> Any:
    document = {"identifiers": list(identifiers), **body} if "copy" not in body else body
    answer = await app.admin.post(f"/v1/admin/segments/{segment}/list", json=document)
    assert answer.status_code == status, answer.text
    return answer.json()


async def upload(app: Application, file: str | bytes, status: int = 200, **parameters: Any) -> Any:
    answer = await app.admin.post(
        "/v1/admin/segments/vip/list/upload",
        content=file.encode() if isinstance(file, str) else file,
        params=parameters,
        headers={"Content-Type": "text/csv"},
    )
    assert answer.status_code == status, answer.text
    return answer.json()


async def decide(app: Application, **who: str) -> Any:
    answer = await app.read.get("/v1/decide", params={"flag": "lounge", **who})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def members(app: Application, key: str = "vip") -> set[str]:
    answer = await app.admin.get(f"/v1/admin/segments/{key}/members")
    return {one["value"] for member in answer.json()["members"] for one in member["identifiers"]}


async def listed(app: Application) -> list[str]:
    answer = await app.admin.get("/v1/admin/segments/vip/list")
    return [f"{one['kind']} {one['value']}" for one in answer.json()["identifiers"]]


async def test_a_listed_identifier_makes_its_profile_a_member_at_once(app: Application) -> None:
    await app.track({"userId": "ada", "event": "open"}, {"anonymousId": "web", "event": "open"})
    assert (await decide(app, userId="ada"))["allow"] is False
    done = await edit(app, "ada", {"kind": "anonymousId", "value": "web"}, "stranger")
    assert done | {"version": None} == {
        "segment": "vip", "mode": "add", "received": 3, "added": 3, "removed": 0, "suppressed": 0,
        "entered": 2, "left": 0, "version": None, "dryRun": False,
    }  # fmt: skip
    answer = await decide(app, userId="ada", minVersion=str(done["version"]))
    assert (answer["allow"], answer["validUntil"], answer["reasons"]) == (True, None, [answer["reasons"][0]])
    assert "segment" in answer["reasons"][0]
    assert (await decide(app, anonymousId="web"))["allow"] is True
    assert await members(app) == await members(app, "guests") == {"ada", "web"}
    again = await edit(app, "ada", "ada")
    assert (again["received"], again["added"], again["entered"], again["version"]) == (2, 0, 0, None)
    one = (await app.admin.get("/v1/admin/segments/vip")).json()
    assert (one["static"], one["rule"], one["members"], one["listed"], one["diagnostics"]) == (True, "", 2, 3, [])


async def test_an_identifier_that_appears_later_joins_in_its_own_transaction(app: Application) -> None:
    await edit(app, "new", {"kind": "anonymousId", "value": "phone"}, {"kind": "anonymousId", "value": "old"})
    assert await members(app) == set()
    await app.track({"userId": "new", "event": "open"})
    assert (await decide(app, userId="new"))["allow"] is True
    # A profile that exists gets a listed identifier: without an event, and by an event that no segment reads.
    await app.track({"userId": "ada", "event": "open"}, {"userId": "bob", "event": "open"})
    answer = await app.write.post("/v1/identify", json={"userId": "ada", "anonymousId": "phone", "traits": {}})
    assert answer.status_code == 200
    assert (await decide(app, userId="ada"))["allow"] is True
    answer = await app.write.post("/v1/alias", json={"userId": "bob", "previousId": "old"})
    assert answer.status_code == 200, answer.text
    assert (await decide(app, userId="bob"))["allow"] is True
    assert await members(app) == {"new", "ada", "phone", "bob", "old"}
    rows = await app.service.pool.fetch("SELECT entered, at FROM transitions ORDER BY id")
    assert [tuple(row) for row in rows[:1]] == [(True, NOW)]


async def test_remove_and_replace(app: Application) -> None:
    await app.track(*({"userId": user, "event": "open"} for user in ("a", "b", "c")))
    await edit(app, "a", "b", "x")
    done = await edit(app, "b", "absent", mode="remove")
    assert (done["removed"], done["entered"], done["left"]) == (1, 0, 1)
    assert await members(app) == {"a"}
    tried = (await app.admin.post(
        "/v1/admin/segments/vip/list?dryRun=true", json={"mode": "replace", "identifiers": ["b", "c", "x"]}
    )).json()  # fmt: skip
    assert (tried["added"], tried["removed"], tried["entered"], tried["dryRun"]) == (2, 1, None, True)
    assert await listed(app) == ["userId a", "userId x"]
    done = await edit(app, "b", "c", "x", mode="replace")
    assert (done["added"], done["removed"], done["entered"], done["left"]) == (2, 1, 2, 1)
    assert await members(app) == {"b", "c"}
    assert await listed(app) == ["userId b", "userId c", "userId x"]
    assert (await edit(app, mode="replace"))["removed"] == 3  # an empty list that was written out is meant
    assert await app.service.pool.fetchval("SELECT count(*) FROM list_edits") == 0


async def test_a_snapshot_of_another_segment_lists_the_strongest_identifiers(app: Application) -> None:
    await app.track({"userId": "ada", "anonymousId": "web", "event": "buy"}, {"anonymousId": "phone", "event": "buy"})
    done = await edit(app, copy="buyers", mode="replace")
    assert (done["received"], done["added"], done["entered"]) == (2, 2, 2)
    assert await listed(app) == ["anonymousId phone", "userId ada"]
    assert (await edit(app, copy="nosuch", status=404))["code"] == "NOT_FOUND"
    assert (await edit(app, copy="buyers", mode="remove", status=400))["code"] == "INVALID_BODY"


@pytest.mark.parametrize(
    ("file", "parameters", "found"),
    [
        ("userId\nada\nbob\n", {}, ["userId ada", "userId bob"]),
        ("\ufeffname,user_id\r\nAda,ada\r\n,bob\r\nNobody,\r\n", {}, ["userId ada", "userId bob"]),
        ("profile_id,user_id,anonymous_id\n1,,web\n2,ada,phone\n", {}, ["anonymousId web", "userId ada"]),
        ("kind,value\nemailHash,abc\nuserId,ada\n", {}, ["emailHash abc", "userId ada"]),
        ("ada\nbob\n", {"kind": "userId"}, ["userId ada", "userId bob"]),
        ("userId\nada\n", {"kind": "userId"}, ["userId ada"]),
        ("id,mail\n1,x@y\n", {"kind": "email", "column": "mail"}, ["email x@y"]),
        ('userId\n"a,b"\nnull\nada\n\n', {}, ["userId a,b", "userId ada"]),
        (gzip.compress(b"userId\nada\n", mtime=0), {}, ["userId ada"]),
    ],
)
async def test_files_of_identifiers(app: Application, file: str | bytes, parameters: Any, found: list[str]) -> None:
    done = await upload(app, file, **parameters)
    assert done["added"] == len(found)
    assert await listed(app) == found


@pytest.mark.parametrize(
    ("file", "parameters", "code", "said"),
    [
        ("", {}, "LIST_EMPTY", "no identifier"),
        ("userId\n", {"mode": "replace"}, "LIST_EMPTY", "no identifier"),
        ("email,name\na,b\n", {}, "LIST_MALFORMED", "Line 1: the header names no kind"),
        ("userId\nada\n" + "x" * 257, {}, "LIST_MALFORMED", "Line 3"),
        ("kind,value\nprofileId,7\n", {}, "LIST_MALFORMED", "Line 2: profileId is no kind"),
        ("kind,value\n,ada\n", {}, "LIST_MALFORMED", "Line 2"),
        ("userId\nada\n\xff".encode("latin-1"), {}, "LIST_MALFORMED", "not UTF-8"),
        ("userId\nada\0\n", {}, "LIST_MALFORMED", "Line 2"),
        ('userId\n"ada\n', {}, "LIST_MALFORMED", "not CSV"),
        (gzip.compress(b"userId\nada\n", mtime=0)[:-9], {}, "LIST_MALFORMED", "decompressed"),
        ("id\nada\n", {"kind": "userId", "column": "user"}, "LIST_MALFORMED", "no column is named 'user'"),
        ("id\nada\n", {"column": "id"}, "INVALID_REQUEST", "kind"),
        ("id\nada\n", {"kind": "a b"}, "INVALID_REQUEST", "no kind of identifier"),
        ("userId\nada\n", {"mode": "ad"}, "INVALID_REQUEST", ""),
    ],
)
async def test_a_wrong_file_changes_nothing(
    app: Application, file: str | bytes, parameters: Any, code: str, said: str
) -> None:
    await edit(app, "before")
    error = await upload(app, file, status=400, **parameters)
    assert (error["code"], said in error["message"]) == (code, True), error
    assert await listed(app) == ["userId before"]
    assert await app.service.pool.fetchval("SELECT count(*) FROM list_edits") == 0


async def test_only_a_static_segment_has_a_list(app: Application) -> None:
    assert (await edit(app, "ada", segment="buyers", status=409))["code"] == "NOT_STATIC"
    assert (await edit(app, "ada", segment="nosuch", status=404))["code"] == "NOT_FOUND"
    for body in ({}, {"identifiers": [], "copy": "buyers"}, {"identifiers": [{"kind": "profileId", "value": "1"}]}):
        answer = await app.admin.post("/v1/admin/segments/vip/list", json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_BODY")
    for rule in ({"rule": "true"}, {"static": "yes"}, {"static": True, "rule": "true"}):
        document = {"key": "vip", "static": True, **rule} if rule != {"rule": "true"} else {"static": True, **rule}
        answer = await app.admin.put("/v1/admin/segments/vip", json=document)
        assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_DOCUMENT"), answer.text
    answer = await app.admin.post("/v1/admin/traits", json={"key": "t", "static": True})
    assert answer.json()["code"] == "INVALID_DOCUMENT"


async def test_consumers_learn_of_an_edit(app: Application) -> None:
    await app.track({"userId": "ada", "event": "open"})
    environment = app.service.environment(app.environment_id)
    await register(environment, "test")
    await edit(app, "ada", "unseen")
    batch = await Consumer(environment, "test").read(10)
    rows = [row for change in (c for r in batch.rows for c in r.changes) if isinstance(change, outbox.Transitions)
            for row in change.rows]  # fmt: skip
    assert {(row.entered, row.at, row.cause) for row in rows} == {(True, NOW, "edit")}
    assert len(rows) == 2  # vip, and guests that names it


async def test_the_past_is_answered_by_the_list_of_then(app: Application) -> None:
    clock: Any = app.service.now
    await app.track({"userId": "ada", "event": "open"})
    clock.now += MINUTE_MS
    await edit(app, "ada")
    clock.now += MINUTE_MS
    await edit(app, "ada", mode="remove")
    clock.now += MINUTE_MS
    found = []
    for minutes in range(4):
        body = {"userId": "ada", "flags": ["lounge"], "at": iso(NOW + minutes * MINUTE_MS)}
        answer = await app.admin.post("/v1/decide/replay", json=body)
        assert answer.status_code == 200, answer.text
        found.append(answer.json()["flags"]["lounge"]["value"])
    assert found == [False, True, False, False]


async def test_a_segment_that_returns_has_its_list(app: Application) -> None:
    await app.track({"userId": "ada", "event": "open"})
    await app.define("segment", key="staff", static=True)
    await edit(app, "ada", "late", segment="staff")
    revision = (await app.admin.get("/v1/admin/segments")).json()["revision"]
    assert (await app.admin.delete("/v1/admin/segments/staff")).status_code == 200
    await app.track({"userId": "late", "event": "open"})
    answer = await app.admin.post(f"/v1/admin/revisions/{revision}/restore", json={})
    assert answer.status_code in {200, 201}, answer.text
    await app.backfill()
    assert await members(app, "staff") == {"ada", "late"}
    renamed = await app.admin.post("/v1/admin/segments/staff/rename", json={"key": "crew"})
    assert renamed.status_code == 200, renamed.text
    assert await members(app, "crew") == {"ada", "late"}
    # With a rule it has no list; static again, the list is there.
    answer = await app.admin.put("/v1/admin/segments/crew", json={"rule": "events.buy.exists()"})
    await app.backfill()
    assert await members(app, "crew") == set()
    await app.admin.put("/v1/admin/segments/crew", json={"static": True})
    await app.backfill()
    assert await members(app, "crew") == {"ada", "late"}


async def test_an_edit_during_a_backfill(app: Application) -> None:
    await app.track({"userId": "ada", "event": "open"}, {"userId": "bob", "event": "open"})
    answer = await app.admin.post("/v1/admin/segments", json={"key": "staff", "static": True})
    assert answer.json()["status"] == "backfilling"
    await edit(app, "ada", segment="staff")
    await app.backfill()
    assert await members(app, "staff") == {"ada"}
    report = await verify(app.service.environment(app.environment_id), sample=None)
    assert report.differences == 0


async def test_verify_finds_and_repairs_a_state_that_lost_its_lists(app: Application) -> None:
    await app.track({"userId": "ada", "event": "open"})
    await app.service.pool.execute(
        "INSERT INTO listed_identifiers SELECT $1, id, 'userId', 'ada', now() FROM definitions"
        " WHERE environment_id = $1 AND id = $2",
        app.environment_id,
        app.service.catalogs.serving(app.environment_id).live.definitions["segment", "vip"].id,
    )
    clock: Any = app.service.now
    clock.now = 4_000_000_000_000
    report = await verify(app.service.environment(app.environment_id), sample=None)
    assert {(one.kind, one.key) for one in report.listed} >= {("segment", "vip")}
    report = await verify(app.service.environment(app.environment_id), sample=None, repair=True)
    assert (report.differences, report.repaired) == (0, 1)
    assert await members(app) == {"ada"}


async def test_a_listed_identifier_is_personal_data(app: Application) -> None:
    await app.track({"userId": "ada", "event": "open"})
    await edit(app, "ada", "unseen", "other")
    held = (await app.admin.get("/v1/admin/profiles/ada/export")).json()
    assert held["lists"] == [
        {"segment": "vip", "kind": "userId", "value": "ada", "listedAt": iso(NOW), "unlistedAt": None}
    ]
    for name in ("ada", "userId:unseen"):
        receipt = (await app.admin.delete(f"/v1/admin/profiles/{name}")).json()
        assert receipt["counts"]["listed_identifiers"] == 1
        check = await app.admin.post(
            f"/v1/admin/erasures/{receipt['id']}/check",
            json={"identifiers": [{"kind": "userId", "value": name.removeprefix("userId:")}]},
        )
        assert check.json()["clean"] is True, check.text
    assert await listed(app) == ["userId other"]
    await app.track({"userId": "ada", "event": "open"})
    assert await members(app) == set()


async def test_a_suppressed_identifier_is_not_listed(app: Application) -> None:
    answer = await app.admin.post("/v1/admin/suppressions", json={"identifiers": [{"kind": "userId", "value": "gone"}]})
    assert answer.status_code in {200, 201}, answer.text
    await app.service.privacy.load(app.service.pool)
    done = await edit(app, "gone", "ada")
    assert (done["received"], done["added"], done["suppressed"]) == (2, 1, 1)
    assert await listed(app) == ["userId ada"]


async def test_who_appears_while_the_list_is_edited_is_never_missed(app: Application) -> None:
    users = [f"u{n}" for n in range(60)]

    async def appear() -> None:
        for user in users:
            await app.track({"userId": user, "event": "open"})

    async def list_them() -> None:
        for user in reversed(users):
            await edit(app, user)

    await asyncio.gather(appear(), list_them(), app.track(*({"userId": user, "event": "buy"} for user in users)))
    count = await app.service.pool.fetchval(
        "SELECT count(*) FROM memberships WHERE fingerprint = $1",
        app.service.catalogs.serving(app.environment_id).live.fingerprints["segment", "vip"],
    )
    assert count == len(users)


async def test_an_edit_goes_on_when_its_client_leaves(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_module, "PART", 1)
    reached = asyncio.Event()
    task = asyncio.create_task(
        app.service.lists.change(
            app.environment_id,
            "vip",
            "add",
            [Identifier(IdentifierKind.USER, f"u{n}") for n in range(20)],
            progress=lambda done, total: reached.set(),
        )
    )
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    while app.service.lists._running:
        await asyncio.wait(list(app.service.lists._running))
    assert len(await listed(app)) == 20
    assert await app.service.pool.fetchval("SELECT count(*) FROM list_edits") == 0


async def test_merged_and_unmerged_profiles_keep_their_own_lists(app: Application) -> None:
    clock: Any = app.service.now
    await app.track({"userId": "ada", "event": "open"}, {"userId": "bob", "event": "open"})
    clock.now += MINUTE_MS
    await edit(app, "bob")
    clock.now += MINUTE_MS
    merged = (await app.admin.post("/v1/admin/profiles/merge", json={"profiles": ["ada", "bob"]})).json()
    assert (await decide(app, userId="ada"))["allow"] is True
    clock.now += MINUTE_MS
    answer = await app.admin.post(f"/v1/admin/merges/{merged['merges'][0]}/undo", json={})
    assert answer.status_code == 200, answer.text
    segments = {
        one["identifiers"][0]["value"]: {s["key"]: s["since"] for s in one["segments"]}
        for one in answer.json()["after"]
    }
    assert "vip" not in segments["ada"]
    assert segments["bob"]["vip"] == iso(NOW + MINUTE_MS)
    assert (await decide(app, userId="ada"))["allow"] is False
    assert (await decide(app, userId="bob"))["allow"] is True


async def test_an_environment_without_lists_asks_nothing(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    for name in ("share_lists", "lists_of_identifiers", "lists_of_profiles"):
        original = getattr(list_module.store, name)

        async def noted(*args: Any, name: str = name, original: Any = original) -> Any:
            asked.append(name)
            return await original(*args)

        monkeypatch.setattr(list_module.store, name, noted)
    async with running(dsn) as app:
        await app.define("segment", key="buyers", rule="events.buy.exists(7d)")
        await app.track({"userId": "ada", "event": "buy"})
        assert asked == []
        await app.define("segment", key="vip", static=True)
        asked.clear()
        await app.track({"userId": "ada", "event": "buy"})
        assert asked == []  # no new identifier
        await app.track({"userId": "bob", "event": "buy"}, {"userId": "eve", "event": "buy"})
        assert asked == ["share_lists", "lists_of_identifiers"]


async def test_explain_and_preview_of_a_static_segment(app: Application) -> None:
    await app.track({"userId": "ada", "event": "open"}, {"userId": "bob", "event": "open"})
    await edit(app, "ada")
    for user, said in (("ada", "an identifier of the profile is listed"), ("bob", "no identifier of the profile is")):
        answer = await app.admin.get("/v1/admin/explain", params={"segment": "vip", "userId": user})
        assert answer.status_code == 200, answer.text
        assert said in answer.text
    draft = {"changes": [{"kind": "segment", "key": "buyers", "document": {"rule": "segments.vip"}}]}
    answer = await app.admin.post("/v1/admin/preview", json=draft)
    assert answer.status_code == 200, answer.text
    counts = answer.json()["segments"]
    assert next(one for one in counts if one["key"] == "buyers")["counts"]["enters"] == 1, counts


async def test_a_worker_and_another_process_know_it(app: Application) -> None:
    await app.track({"userId": "ada", "event": "buy"})
    await edit(app, "ada")
    assert await members(app, "guests") == set()
    clock: Any = app.service.now
    clock.now += 8 * 24 * 60 * MINUTE_MS
    await Worker(app.service.pool, Catalogs(), app.service.now).wake_due_in(app.environment_id)
    assert await members(app, "guests") == {"ada"}


async def lines_of(app: Application, name: str = "vip", file: str = "userId\n", **parameters: Any) -> Any:
    answer = await app.admin.post(
        f"/v1/admin/segments/{name}/list/upload",
        content=file.encode(),
        params=parameters,
        headers={"Accept": "application/jsonl"},
    )
    return answer.status_code, [json.loads(line) for line in answer.text.splitlines()]


async def test_a_client_of_json_lines_sees_the_progress_and_last_the_answer(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_module, "PART", 5)
    monkeypatch.setattr(progress, "_PACE_SECONDS", 0.0)
    file = "userId\n" + "".join(f"u-{n}\n" for n in range(200))
    status, (*lines, last) = await lines_of(app, file=file)
    assert (status, last["received"], last["added"], last["dryRun"]) == (200, 200, 200, False)
    done = [line["done"] for line in lines]
    assert done and done == sorted(done) and {line["total"] for line in lines} == {200}
    status, (*_, last) = await lines_of(app, file=file, dryRun="true", mode="remove")
    assert (status, last["removed"], last["dryRun"]) == (200, 200, True)

    status, (error,) = await lines_of(app, file="kind,value\nno kind,b\n")
    assert (status, error["code"]) == (400, "LIST_MALFORMED")
    status, (error,) = await lines_of(app, "buyers", file=file)
    assert (status, error["code"]) == (409, "NOT_STATIC")
    assert len(await listed(app)) == 50, "what is wrong from the first changes nothing; a page has 50"


async def test_a_failure_amid_an_edit_is_the_last_line(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_module, "PART", 5)
    apply, parts = Lists._apply_part, 0

    async def deleted(self: Lists, *arguments: Any) -> Any:
        nonlocal parts
        parts += 1
        if parts == 3:
            raise Conflict("NOT_STATIC", "The segment was deleted.")
        return await apply(self, *arguments)

    monkeypatch.setattr(Lists, "_apply_part", deleted)
    status, (*lines, error) = await lines_of(app, file="userId\n" + "".join(f"u-{n}\n" for n in range(20)))
    assert status == 200 and lines
    assert (error["success"], error["code"]) == (False, "NOT_STATIC")
    assert len(await listed(app)) == 10, "the parts before it stay"
