"""Environments: created, renamed, known by every process at once; definitions promoted from one to another."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from application import KEYS, Application, running
from serving import ADMIN_KEY, Server, bearer, served, until
from tinycdp.cli.main import main

DEFINITIONS = [
    {"kind": "trait", "key": "opens", "document": {"expression": "events.open.count_7d"}},
    {"kind": "segment", "key": "openers", "document": {"rule": "opens >= 1"}},
    {"kind": "flag", "key": "half", "document": {"rule": "segments.openers"}},
]


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


async def created(by: httpx.AsyncClient, key: str = "staging", **more: Any) -> dict[str, Any]:
    made = await by.post("/v1/admin/environments", json={"key": key, **more})
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


async def publish(by: httpx.AsyncClient, *changes: dict[str, Any]) -> None:
    answer = await by.post("/v1/admin/publish", json={"changes": list(changes)})
    assert answer.status_code == 200, answer.text


async def test_a_new_environment_is_empty_and_serves_at_once(app: Application) -> None:
    made = await created(app.admin, zone="Europe/Berlin")
    own = bearer(made["adminKey"]["key"])
    assert (await app.keyless.get("/v1/admin/flags", headers=own)).json()["flags"] == []
    sent = await app.keyless.post("/v1/track", json={"userId": "ada", "event": "open"}, headers=own)
    assert (sent.status_code, sent.json()["accepted"]) == (200, 1)
    listed = (await app.keyless.get("/v1/admin/environments", headers=own)).json()["environments"]
    assert [(one["key"], one["zone"], one["current"]) for one in listed] == [
        ("prod", "UTC", False),
        ("dev", "UTC", False),
        ("staging", "Europe/Berlin", True),
    ]
    assert (await app.admin.get("/v1/profiles/ada")).status_code == 404, "prod has its own people"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"key": "prod"}, 409, "KEY_EXISTS"),
        ({"key": "Prod"}, 400, "INVALID_KEY"),
        ({"key": ""}, 400, "INVALID_KEY"),
        ({"key": "a" * 41}, 400, "INVALID_KEY"),
        ({"key": "-a"}, 400, "INVALID_KEY"),
        ({"key": "b", "zone": "Mars"}, 400, "INVALID_ZONE"),
        ({"key": "b", "zone": "../etc"}, 400, "INVALID_ZONE"),
    ],
)
async def test_a_wrong_environment_is_not_created(
    app: Application, body: dict[str, Any], status: int, code: str
) -> None:
    refused = await app.admin.post("/v1/admin/environments", json=body)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert len((await app.admin.get("/v1/admin/environments")).json()["environments"]) == 2


async def test_only_its_own_key_renames_an_environment_and_the_ids_stay(app: Application) -> None:
    for name, key, status, code in (
        ("dev", "test", 403, "OTHER_ENVIRONMENT"),
        ("nosuch", "test", 404, "NOT_FOUND"),
        ("prod", "dev", 409, "KEY_EXISTS"),
        ("prod", "A", 400, "INVALID_KEY"),
    ):
        refused = await app.admin.post(f"/v1/admin/environments/{name}/rename", json={"key": key})
        assert (refused.status_code, refused.json()["code"]) == (status, code), name
    before = (await app.admin.get("/v1/admin/environments")).json()["environments"]
    renamed = await app.admin.post("/v1/admin/environments/prod/rename", json={"key": "production"})
    assert renamed.status_code == 200
    assert renamed.json()["environments"] == [
        {**one, "key": one["key"].replace("prod", "production")} for one in before
    ]
    assert (await app.admin.get("/v1/admin/flags")).status_code == 200, "keys stay valid"


async def promote(app: Application, source: str, **body: Any) -> httpx.Response:
    return await app.admin.post("/v1/admin/promote", json=body, headers={"X-Source-Key": source})


def steps(answer: httpx.Response) -> list[tuple[str, str]]:
    assert answer.status_code == 200, answer.text
    return [(change["action"], change["key"]) for change in answer.json()["changes"]]


async def document(by: httpx.AsyncClient, key: str) -> dict[str, Any]:
    found: dict[str, Any] = (await by.get(f"/v1/admin/flags/{key}")).json()["document"]
    return found


async def test_definitions_are_promoted_as_one_revision_after_the_same_plan(app: Application) -> None:
    await publish(app.stranger, *DEFINITIONS)
    await publish(app.admin, {"kind": "segment", "key": "own", "document": {"rule": "true"}})
    before = (await app.admin.get("/v1/admin/revisions")).json()["revisions"][0]["revision"]
    source = app.stranger.headers["authorization"].removeprefix("Bearer ")
    planned = await promote(app, source, dryRun=True)
    assert steps(planned) == [("create", "half"), ("create", "openers"), ("create", "opens")]
    assert (await app.admin.get("/v1/admin/revisions")).json()["revisions"][0]["revision"] == before
    done = await promote(app, source, note="release 7")
    assert done.json()["changes"] == planned.json()["changes"]
    newest = (await app.admin.get("/v1/admin/revisions")).json()["revisions"][0]
    assert (newest["revision"], newest["note"]) == (before + 1, "release 7")
    assert (await document(app.admin, "half"))["salt"] == (await document(app.stranger, "half"))["salt"]
    assert steps(await promote(app, source)) == [], "a second time there is nothing to do"
    assert steps(await promote(app, source, prune=True, dryRun=True)) == [("delete", "own")]
    assert steps(await promote(app, source, prune=True, only=["flag"], dryRun=True)) == []


async def test_a_flag_that_is_there_keeps_its_salt_and_a_selection_takes_no_more(app: Application) -> None:
    flag = {"kind": "flag", "key": "half", "document": {"rule": "true"}}
    await publish(app.admin, flag)
    await publish(app.stranger, *DEFINITIONS[:2], flag)
    salt = (await document(app.admin, "half"))["salt"]
    source = app.stranger.headers["authorization"].removeprefix("Bearer ")
    assert steps(await promote(app, source, only=["flag"])) == []
    await publish(app.stranger, {**flag, "document": {"rule": "true", "description": "as of now"}})
    assert steps(await promote(app, source, only=["flag:half"])) == [("update", "half")]
    assert (await document(app.admin, "half"))["salt"] == salt
    broken = await promote(app, source, only=["segment:openers"])
    assert broken.status_code == 400, "it names a trait that prod does not have"
    assert steps(await promote(app, source, only=["trait:opens", "segment"])) == [
        ("create", "openers"),
        ("create", "opens"),
    ]
    for only, status, code in ((["flag:nosuch"], 404, "NOT_FOUND"), (["flags"], 400, "INVALID_REQUEST")):
        refused = await promote(app, source, only=only)
        assert (refused.status_code, refused.json()["code"]) == (status, code)


async def test_promotion_needs_an_admin_key_of_both_and_none_in_the_address(app: Application) -> None:
    reader = await app.stranger.post("/v1/admin/keys", json={"name": "r", "scopes": ["read", "write"]})
    for source, status, code in (
        (reader.json()["key"], 403, "MISSING_SCOPE"),
        ("there-is-no-such-key", 401, "INVALID_KEY"),
        ("", 401, "MISSING_KEY"),
        (KEYS["admin"], 409, "SAME_ENVIRONMENT"),
    ):
        refused = await promote(app, source)
        assert (refused.status_code, refused.json()["code"]) == (status, code), source
    assert (await app.admin.post("/v1/admin/promote", json={})).status_code == 400
    source = app.stranger.headers["authorization"].removeprefix("Bearer ")
    misplaced = await app.admin.post("/v1/admin/promote", params={"X-Source-Key": source}, json={})
    assert misplaced.status_code == 400 and source not in misplaced.text


def test_the_command_line_does_the_same_and_a_running_server_knows_the_environment_at_once(
    dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", dsn)

    def run(*argv: str) -> tuple[int, str, str]:
        status = main(argv)
        said = capsys.readouterr()
        return status, said.out, said.err

    def accepted(server: Server, key: str) -> None:
        def known() -> bool:
            answer = server.http.get("/v1/admin/flags", headers=bearer(key))
            assert answer.status_code in {200, 401}, "a key that is known has its definitions"
            return answer.status_code == 200

        until(known)
        sent = server.http.post("/v1/track", json={"userId": "ada", "event": "open"}, headers=bearer(key))
        assert sent.status_code == 200

    with served(tmp_path, dsn=dsn) as server:
        status, out, err = run("environment", "create", "staging", "--zone", "Europe/Berlin")
        assert (status, "admin key of staging" in err) == (0, True)
        key = out.strip()
        accepted(server, key)
        body = {"changes": DEFINITIONS}
        assert server.http.post("/v1/admin/publish", json=body, headers=bearer(ADMIN_KEY)).status_code == 200
        promote = ("promote", "--from", "prod", "--to", "staging")
        status, out, _ = run(*promote, "--dry-run")
        assert (status, "+ flag half" in out) == (2, True)
        assert run(*promote, "--note", "first")[0] == 0
        assert run(*promote, "--dry-run")[0] == 0
        # The worker of the running server backfills an environment that it did not start with.
        decide = {"params": {"userId": "ada", "flag": "half"}, "headers": bearer(key)}
        until(lambda: server.http.get("/v1/decide", **decide).json().get("allow") is True)
        assert run("promote", "--from", "prod", "--to", "nosuch")[0] == 1
        assert run("environment", "rename", "staging", "preview")[1] == "renamed staging to preview\n"
        assert "Set TINYCDP_ENVIRONMENT=live" in run("environment", "rename", "prod", "live")[2]
        monkeypatch.setenv("TINYCDP_ENVIRONMENT", "live")
        listed = run("environment", "list")[1]
        assert [line.split()[0] for line in listed.splitlines()] == ["live", "dev", "preview"]
        accepted(server, key)
