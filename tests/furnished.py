"""An environment that has one of everything.

Shape   furnish(application) fills `prod` → the names of what can be named · a_key(by, *scopes) makes a key
"""

import json
from typing import Any

import httpx

from application import Application
from calls_of_routes import ADA, DESTINATION, KINDS, MARK, SAVED, SCHEDULE, SYNC
from serving import eventually
from tinycdp.times import iso


async def a_key(by: httpx.AsyncClient, *scopes: str, name: str = "another", **more: Any) -> dict[str, Any]:
    made = await by.post("/v1/admin/keys", json={"name": name, "scopes": scopes, **more})
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


async def furnish(app: Application) -> dict[str, str]:
    """Fill prod with one of everything there is; the names of what can be named. MARK is nowhere but in there."""
    await app.service.pool.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.name = 'poison' THEN"
        f" RAISE '{MARK} burns' USING ERRCODE = '22000'; END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse()"
    )

    async def put(path: str, document: Any) -> None:
        definitions = (
            "admin/traits",
            "admin/segments",
            "admin/flags",
            "analytics/",
            "destinations/",
            "syncs/",
            "exports/",
        )
        noted = path.startswith(definitions)
        answer = await app.admin.put(f"/v1/{path}", json=document, params={"note": MARK} if noted else {})
        assert answer.status_code in {200, 201}, answer.text

    async def done(asked: Any) -> Any:
        answer = await asked
        assert answer.status_code < 300, answer.text
        return answer.json()

    await put("admin/policies/limits", {"sampling": [{"event": MARK, "percent": 100}]})
    await put("admin/policies/identity", {"kinds": [{"kind": "userId"}, {"kind": "anonymousId", "blocked": [MARK]}]})
    for event in ("app_open", MARK):
        planned = {"n": {"type": "number", "required": True, "description": MARK}}
        await put(f"registry/plan/{event}", {"description": MARK, "properties": planned})

    said = {"context": {"library": {"name": MARK, "version": "1"}}, "event": "app_open"}
    await app.track(
        {**ADA, "anonymousId": "tab", "properties": {"n": 1, "said": MARK}, **said},
        {**ADA, "anonymousId": f"tab-{MARK}", "properties": {"n": 2, MARK: "said"}, **said},
        {"userId": "bob", "anonymousId": f"tab-{MARK}", "event": MARK},
        {"userId": "bob", "anonymousId": MARK, "event": "app_open", "properties": {"n": 1}},
        *({"userId": name, "event": "app_open"} for name in ("carol", "dan", "eve", "old-ada", "gone")),
        {"userId": "frank", "anonymousId": "tab-2", "event": "app_open"},
        *({**ADA, "event": "poison", "properties": {"said": MARK}} for _ in range(3)),
    )
    refused = {"type": "track", "userId": "ada", "properties": {"said": MARK}}
    assert (await done(app.write.post("/v1/batch", json=[refused])))["rejected"]
    traits = {"plan": "pro", "said": MARK, MARK: 1}
    await done(app.write.post("/v1/identify", json={**ADA, "traits": traits}))
    await done(app.write.post("/v1/group", json={**ADA, "groupId": "acme", "traits": {"said": MARK}}))
    await done(app.admin.post("/v1/admin/profiles/merge", json={"profiles": ["ada", "old-ada"], "note": MARK}))
    split = {"identifiers": [{"kind": "anonymousId", "value": "tab-2"}], "note": MARK}
    await done(app.admin.post("/v1/admin/profiles/frank/split", json=split))

    about = {"description": MARK}
    await put("admin/traits/opens", {"expression": "events.app_open.count_30d", **about})
    await put("admin/traits/spare", {"expression": "2", **about})
    await put("admin/segments/openers", {"rule": "opens > 0", **about})
    await put(f"admin/segments/{MARK}", {"rule": "opens > 0"})
    await put("admin/segments/spare", {"rule": "true", **about})
    await put("admin/segments/listed", {"static": True, **about})
    listed = {"identifiers": ["ada", "bob", f"unseen-{MARK}"]}
    await done(app.admin.post("/v1/admin/segments/listed/list", json=listed))
    on = {
        "type": "string",
        "variants": {MARK: MARK, "off": "no"},
        "offVariant": "off",
        "rules": [{"id": "openers", "when": "segments.openers", "serve": MARK}],
        "stickyFor": "1h",
    }
    await put("admin/flags/on", {**on, **about})
    for key, rule in (("killed", "true"), ("spare", "false")):
        await put(f"admin/flags/{key}", {"rule": rule, **about})
    first = {"flag": "on", "variants": [MARK]}
    await put(f"admin/flags/{MARK}", {"rule": "segments.openers", "prerequisites": [first]})
    await put("admin/traits/opens", {"expression": "events.app_open.count_7d", **about})
    await done(app.admin.post("/v1/admin/flags/killed/kill", json={"note": MARK}))
    for kind, document in SAVED.items():
        for key in ("one", "spare"):
            await put(f"analytics/{kind}s/{key}", {**document, **about})
    for key in ("one", "spare"):
        await put(f"destinations/{key}", {**DESTINATION, **about})
    for key in ("one", "spare"):
        await put(f"syncs/{key}", {**SYNC, **about})
    await done(app.admin.post("/v1/destinations/one/pause", json={"reason": MARK}))
    await done(app.admin.post("/v1/destinations/one/secrets"))
    for statement in (
        "happenings (environment_id, seq, position, at, recorded_at, type, cause)"
        " SELECT DISTINCT environment_id, 1, 1, now(), now(), 'flag.changed', $1 FROM destination_lanes",
        "waiting_deliveries (environment_id, definition_id, seq, profile_ids, attempts, next_at, reason)"
        " SELECT environment_id, definition_id, 1, '{}', 1, now(), $1 FROM destination_lanes",
        "delivery_batches (environment_id, definition_id, number, first_seq, last_seq, records, next_at, reason)"
        " SELECT environment_id, definition_id, 1, 1, 1, 1, now(), $1 FROM destination_lanes",
        "deliveries (environment_id, definition_id, profile_ids, attempt, at, duration_ms, error, answer)"
        " SELECT environment_id, definition_id, '{}', 1, now(), 5, $1, '' FROM destination_lanes",
        "undelivered (environment_id, definition_id, seq, profile_ids, attempts, reason, answer, died_at)"
        " SELECT environment_id, definition_id, 1, '{}', 10, $1, '', now() FROM destination_lanes",
        "sync_marks (environment_id, profile_id, mark) SELECT DISTINCT environment_id, 1, length($1) FROM sync_states",
        "sync_records (environment_id, definition_id, profile_id, number, state, attempts, reason, tried_run)"
        " SELECT environment_id, definition_id, 1, 1, 'failed', 1, $1, 1 FROM sync_states",
        "sync_removals (environment_id, definition_id, match_key, profile_id, number, is_allowed, attempts, reason,"
        " tried_run) SELECT environment_id, definition_id, '{}', 1, 1, false, 1, $1, 1 FROM sync_states",
    ):
        await app.service.pool.execute(f"INSERT INTO {statement}", MARK)
    await app.service.pool.execute("UPDATE sync_states SET state = 'braked', reason = $1", MARK)
    # All of it was read: how far behind a destination is changes by the second.
    await app.service.pool.execute("UPDATE destination_lanes SET cursor = 1")
    await app.service.pool.execute("UPDATE happening_logs SET last_seq = 1")
    for key in ("one", "spare"):
        await put(f"exports/schedules/{key}", {**SCHEDULE, **about})
    await app.backfill()
    exported = await done(app.read.post("/v1/exports", json={"what": "segment", "segment": MARK}))
    revision = (await done(app.admin.get("/v1/admin/revisions")))["revisions"][0]["revision"]

    await done(app.read.post("/v1/decide", json={**ADA, "sessionId": "s-1"}))
    erased = await done(app.admin.post("/v1/admin/erasures", json={"profiles": ["gone"], "note": MARK}))
    mallory = [{"kind": "userId", "value": "mallory"}]
    await done(app.admin.post("/v1/admin/suppressions", json={"identifiers": mallory, "note": MARK}))
    line = json.dumps({"type": "track", **KINDS["track"], "messageId": "imported"})
    imported = await done(app.admin.post("/v1/admin/imports", params={"name": f"{MARK}.jsonl"}, content=line))

    async def finished() -> bool:
        found = await app.admin.get(f"/v1/admin/imports/{imported['id']}")
        return bool(found.json()["status"] == "done")

    await eventually(finished)
    await app.service.pool.execute(
        "INSERT INTO imports (environment_id, id, name, form, mapping, author, started_at, advanced_at)"
        " SELECT environment_id, 'halfway', name, form, mapping, author, started_at, advanced_at FROM imports"
    )
    made = await a_key(app.admin, "read", name=MARK)
    # As if all of it had been there for long: a flag that was killed yesterday is not stale yet.
    for table, column in (("flag_kills", "killed_at"), ("revisions", "published_at"), ("revisions", "live_at")):
        await app.service.pool.execute(f"UPDATE {table} SET {column} = {column} - interval '60 days'")
    await app.service.pool.execute("UPDATE migrations SET applied_at = applied_at - interval '60 days'")
    letters = (await done(app.admin.get("/v1/admin/dead-letters")))["deadLetters"]
    people = {name: (await done(app.admin.get(f"/v1/profiles/{name}")))["id"] for name in ("ada", "carol", "dan")}
    return people | {
        "now": iso(app.service.now()),
        "export": str(exported["id"]),
        "merge": (await done(app.admin.get("/v1/admin/merges")))["merges"][0]["id"],
        "revision": str(revision),
        "erasure": erased["id"],
        "import_id": imported["id"],
        "key_id": str(made["id"]),
        "letter": letters[0]["id"],
        "letter_2": letters[1]["id"],
    }
