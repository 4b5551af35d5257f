"""Limits, shares, the log of rejections and dead letters, through the served application: nothing is lost unseen."""

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application import Application, running
from laws import examples
from tinycdp.model import DAY_MS
from tinycdp.runtime import clock
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.worker.loops import Worker

POLICY = "/v1/admin/policies/limits"
LETTERS = "/v1/admin/dead-letters"


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


async def limit(app: Application, **document: Any) -> None:
    answer = await app.admin.put(POLICY, json=document)
    assert answer.status_code == 200, answer.text


def tick(n: int | str, user: str = "ada", event: str = "tick", **fields: Any) -> dict[str, Any]:
    return {"type": "track", "userId": user, "event": event, "messageId": f"m-{n}", **fields}


async def send(app: Application, *events: dict[str, Any]) -> Any:
    return await app.write.post("/v1/batch", json={"batch": list(events)})


async def stored(app: Application) -> set[str]:
    return {row["message_id"] for row in await app.service.pool.fetch("SELECT message_id FROM events")}


async def test_a_key_that_sends_too_fast_gets_retry_after_and_loses_nothing(app: Application) -> None:
    await limit(app, events={"perSecond": 1, "burst": 3})
    assert (await send(app, *(tick(n) for n in range(3)))).status_code == 200
    refused = await send(app, tick(3), tick(4))
    assert (refused.status_code, refused.json()["code"]) == (429, "RATE_LIMIT")
    assert refused.headers["retry-after"] in {"1", "2"}
    assert refused.json()["message"]
    assert await stored(app) == {"m-0", "m-1", "m-2"}, "whole or not at all"
    for path in ("/v1/track", "/e", "/collect", "/api/events"):
        answer = await app.write.post(path, json=tick("x") | {"distinct_id": "ada", "event_name": "tick"})
        assert answer.status_code == 429, path

    ofrep = await app.read.post("/ofrep/v1/evaluate/flags", json={"context": {"targetingKey": "ada"}})
    assert ofrep.status_code == 200
    await limit(app)
    assert (await send(app, tick(3), tick(4))).json()["accepted"] == 2


async def test_requests_are_counted_even_where_nothing_is_in_them(app: Application) -> None:
    await limit(app, requests={"perSecond": 1, "burst": 2})
    answers = [(await app.write.post("/v1/batch", json={"batch": []})).status_code for _ in range(4)]
    assert answers == [200, 200, 429, 429]
    assert (await app.admin.get(POLICY)).status_code == 200, "who administers is never shut out"


async def test_a_profile_that_floods_is_rejected_and_the_rejections_are_listed(app: Application) -> None:
    await limit(app, profileEventsPerMinute=2)
    answer = (await send(app, *(tick(n) for n in range(4)), tick("bob", "bob"))).json()
    assert (answer["accepted"], [r["code"] for r in answer["rejected"]]) == (3, ["PROFILE_RATE_LIMIT"] * 2)
    single = await app.write.post("/v1/track", json=tick(9))
    assert (single.status_code, single.json()["code"]) == (400, "PROFILE_RATE_LIMIT"), "a 429 would be sent again"
    found = (await app.admin.get("/v1/admin/rejections", params={"code": "PROFILE_RATE_LIMIT"})).json()["rejections"]
    assert {json.loads(line["payload"])["messageId"] for line in found} == {"m-9", "m-3", "m-2"}


@pytest.mark.parametrize("percent", [0, 0.0001, 33.3333, 100.5])
async def test_a_share_has_at_most_three_decimals(app: Application, percent: float) -> None:
    rule = {"event": "tick", "percent": percent}
    answer = await app.admin.put(POLICY, json={"sampling": [rule]})
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_POLICY")
    await limit(app, sampling=[{**rule, "percent": 33.333}])


async def test_of_a_sampled_event_a_share_is_kept_and_says_what_it_stands_for(app: Application) -> None:
    await limit(app, sampling=[{"event": "tick", "percent": 25, "by": "message"}])
    sent = [tick(n) for n in range(200)]
    first = (await send(app, *sent, tick("who", event="other"))).json()
    assert 20 < first["accepted"] < 90
    assert first["accepted"] + first["sampled"] == 201
    again = (await send(app, *sent)).json()
    assert (again["accepted"], again["duplicates"] + 1, again["sampled"]) == (0, first["accepted"], first["sampled"])
    rows = await app.service.pool.fetch("SELECT name, properties FROM events")
    assert {row["properties"].get("_sample_factor") for row in rows if row["name"] == "tick"} == {4}
    assert [row["properties"] for row in rows if row["name"] == "other"] == [{}]
    figures = (await app.keyless.get("/metrics")).text
    assert 'outcome="sampled",process="' in figures


async def test_a_rejected_message_that_is_sent_again_is_one_line_and_counted(app: Application) -> None:
    wrong = {"type": "track", "userId": "ada", "messageId": "bad"}
    for _ in range(3):
        await send(app, tick(1), wrong)
    other = {**wrong, "messageId": "worse"}
    await send(app, other, other)
    await app.admin.post("/v1/batch", json={"batch": [wrong]})
    lines = (await app.admin.get("/v1/admin/rejections")).json()["rejections"]
    assert [(line["key"], line["times"]) for line in lines] == [
        ("bootstrap admin", 1),
        ("bootstrap write", 2),
        ("bootstrap write", 3),
    ]
    assert lines[-1]["receivedAt"] <= lines[-1]["lastReceivedAt"]
    counts = (await app.admin.get("/v1/admin/rejections/counts")).json()["counts"]
    assert sorted((c["key"], c["code"], c["messages"], c["repeats"]) for c in counts) == [
        ("bootstrap admin", "INVALID_EVENT_NAME", 1, 0),
        ("bootstrap write", "INVALID_EVENT_NAME", 2, 3),
    ]
    key = next(c["keyId"] for c in counts if c["key"] == "bootstrap admin")
    only = (await app.admin.get("/v1/admin/rejections", params={"keyId": key})).json()["rejections"]
    assert [line["key"] for line in only] == ["bootstrap admin"]
    page = (await app.admin.get("/v1/admin/rejections", params={"limit": 2})).json()
    rest = (await app.admin.get("/v1/admin/rejections", params={"before": page["next"]})).json()
    assert [line["id"] for line in page["rejections"] + rest["rejections"]] == [line["id"] for line in lines]
    assert (await app.stranger.get("/v1/admin/rejections")).json()["rejections"] == []
    assert (await app.stranger.get("/v1/admin/rejections/counts")).json()["counts"] == []


async def test_what_a_rule_rejects_again_is_one_line_that_can_be_sent_as_it_is(app: Application) -> None:
    await app.admin.put("/v1/registry/plan/blocked", json={"status": "blocked"})
    identity = {"kinds": [{"kind": "userId", "blocked": ["guest"]}, {"kind": "emailHash"}]}
    assert (await app.admin.put("/v1/admin/policies/identity", json=identity)).status_code == 200

    async def again_and_again(*events: dict[str, Any]) -> None:
        for n in range(3):  # as a client sends a batch again: at another instant
            sent = {"sentAt": f"2026-05-01T10:00:0{n}Z", "timestamp": "2026-05-01T09:59:59Z"}
            await send(app, *(event | sent for event in events))

    await again_and_again(tick("blocked", event="blocked"), tick("guest", user="guest"))
    await limit(app, profileEventsPerMinute=1)
    await send(app, tick("first"))
    await again_and_again(tick("flood", context={"externalIds": [{"type": "emailHash", "id": "e-1"}]}))
    lines = (await app.admin.get("/v1/admin/rejections")).json()["rejections"]
    assert sorted((line["code"], line["times"]) for line in lines) == [
        ("BLOCKED_IDENTIFIER", 3),
        ("EVENT_BLOCKED", 3),
        ("PROFILE_RATE_LIMIT", 3),
    ]
    counts = (await app.admin.get("/v1/admin/rejections/counts")).json()["counts"]
    assert [(c["messages"], c["repeats"]) for c in counts] == [(1, 2)] * 3

    await limit(app)
    await app.admin.put("/v1/registry/plan/blocked", json={})
    await app.admin.put("/v1/admin/policies/identity", json={})
    again = await send(app, *(json.loads(line["payload"]) for line in lines))
    assert (again.json()["accepted"], again.json()["rejected"]) == (3, [])
    assert {"m-flood", "m-blocked", "m-guest"} <= await stored(app)


async def test_a_flood_of_rejections_is_counted_in_full_and_logged_in_part(app: Application) -> None:
    wrong = [{"type": "track", "userId": f"u{n}"} for n in range(2_500)]
    assert (await send(app, *wrong)).status_code == 200
    assert await app.service.pool.fetchval("SELECT count(*) FROM rejected_messages") == 1_000
    for repeats in (0, 2_500, 5_000):
        (count,) = (await app.admin.get("/v1/admin/rejections/counts")).json()["counts"]
        assert (count["messages"], count["repeats"]) == (2_500, repeats)
        await send(app, *wrong)
    assert await app.service.pool.fetchval("SELECT array_agg(DISTINCT times) FROM rejected_messages") == [4]


async def poison(app: Application, event: str = "poison") -> None:
    """From now on the database refuses events of this name, as it refuses a value it cannot hold."""
    await app.service.pool.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF NEW.name = '{event}' THEN RAISE 'it burns' USING ERRCODE = '22000'; END IF; RETURN NEW; END $$"
    )
    await app.service.pool.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse()"
    )


async def heal(app: Application) -> None:
    await app.service.pool.execute("DROP TRIGGER refuse ON events")
    await app.service.pool.execute("DROP FUNCTION refuse")


async def test_dead_letters_are_looked_at_replayed_and_discarded(app: Application) -> None:
    await app.define("trait", key="burns", expression="events.poison.sum(heat)")
    await poison(app)
    events = [tick(n) for n in range(20)]
    events[7] = tick("p1", event="poison", properties={"heat": 0.1})
    events[13] = tick("p2", event="poison", properties={"heat": 0.2})
    answer = (await send(app, *events)).json()
    assert (answer["accepted"], answer["deadLettered"], answer["rejected"]) == (18, 2, [])
    single = await app.write.post("/v1/track", json=tick("p3", event="poison"))
    assert (single.status_code, single.json()["deadLettered"]) == (200, 1)

    listed = (await app.admin.get(LETTERS)).json()["deadLetters"]
    assert [(one["messageId"], one["event"], one["code"], one["attempts"]) for one in listed] == [
        ("m-p3", "poison", "UNSTORABLE", 1),
        ("m-p2", "poison", "UNSTORABLE", 1),
        ("m-p1", "poison", "UNSTORABLE", 1),
    ]
    assert (listed[0]["key"], "it burns" in listed[0]["error"]) == ("bootstrap write", True)
    whole = (await app.admin.get(f"{LETTERS}/{listed[1]['id']}")).json()
    assert json.loads(whole["payload"])["properties"]["heat"] == 0.2
    page = (await app.admin.get(LETTERS, params={"limit": 2, "code": "UNSTORABLE"})).json()
    assert page["next"] == listed[1]["id"]
    assert (await app.stranger.get(LETTERS)).json()["deadLetters"] == []
    assert (await app.stranger.get(f"{LETTERS}/{listed[1]['id']}")).status_code == 404

    still = (await app.admin.post(f"{LETTERS}/replay", json={})).json()
    assert (still["stored"], still["failed"]) == (0, 3)
    assert [one["attempts"] for one in (await app.admin.get(LETTERS)).json()["deadLetters"]] == [2, 2, 2]

    assert (await app.admin.delete(f"{LETTERS}/{listed[0]['id']}")).status_code == 200
    assert (await app.admin.delete(f"{LETTERS}/{listed[0]['id']}")).status_code == 404
    await heal(app)
    await send(app, events[7])  # its client came again meanwhile
    assert (await app.stranger.post(f"{LETTERS}/replay", json={})).json()["stored"] == 0
    done = (await app.admin.post(f"{LETTERS}/replay", json={"ids": [listed[1]["id"], listed[2]["id"]]})).json()
    assert done == {"stored": 1, "duplicates": 1, "rejected": 0, "failed": 0, "next": None}
    assert (await app.admin.get(LETTERS)).json()["deadLetters"] == []
    person = (await app.read.get("/v1/profiles/ada")).json()
    assert person["traits"]["burns"]["value"] == 0.3, "exactly as if they had been stored at once"


async def test_a_replay_rejects_identifiers_that_were_suppressed_meanwhile(app: Application) -> None:
    await poison(app)
    await send(app, tick(1, "ada", event="poison"), tick(2, "bob", event="poison"))
    suppressed = {"identifiers": [{"kind": "userId", "value": "ada"}]}
    assert (await app.admin.post("/v1/admin/suppressions", json=suppressed)).json()["changed"] == 1
    await heal(app)
    done = (await app.admin.post(f"{LETTERS}/replay", json={})).json()
    assert done == {"stored": 1, "duplicates": 0, "rejected": 1, "failed": 0, "next": None}
    assert await stored(app) == {"m-2"}
    assert (await app.admin.get(LETTERS)).json()["deadLetters"] == []
    (line,) = (await app.admin.get("/v1/admin/rejections")).json()["rejections"]
    assert (line["code"], line["payload"]) == ("SUPPRESSED", "")


async def test_a_profile_with_broken_state_delays_no_other(app: Application) -> None:
    await send(app, tick(1), tick(2, "bob"))
    state = await app.service.pool.fetchval("SELECT state FROM profiles ORDER BY id LIMIT 1")
    await app.service.pool.execute("UPDATE profiles SET state = '\\xff' WHERE id = (SELECT min(id) FROM profiles)")
    answer = (await send(app, *(tick(f"a{n}") for n in range(3)), *(tick(f"b{n}", "bob") for n in range(5)))).json()
    assert (answer["accepted"], answer["deadLettered"]) == (5, 3)
    listed = (await app.admin.get(LETTERS)).json()["deadLetters"]
    assert {one["code"] for one in listed} == {"INTERNAL"}
    await app.service.pool.execute("UPDATE profiles SET state = $1 WHERE id = (SELECT min(id) FROM profiles)", state)
    done = (await app.admin.post(f"{LETTERS}/replay", json={"code": "INTERNAL"})).json()
    assert (done["stored"], done["failed"]) == (3, 0)


async def test_letters_are_thrown_away_only_by_name_or_by_code(app: Application) -> None:
    await poison(app)
    await send(app, *(tick(n, event="poison") for n in range(5)))
    assert (await app.admin.post(f"{LETTERS}/discard", json={})).status_code == 400
    assert (await app.admin.post(f"{LETTERS}/discard", json={"ids": ["x"]})).status_code == 400
    assert (await app.admin.post(f"{LETTERS}/replay", json={"ids": ["999"]})).status_code == 404
    assert (await app.admin.post(f"{LETTERS}/discard", json={"code": "INTERNAL"})).json()["discarded"] == 0
    assert (await app.stranger.post(f"{LETTERS}/discard", json={"code": "UNSTORABLE"})).json()["discarded"] == 0
    assert (await app.admin.post(f"{LETTERS}/discard", json={"code": "UNSTORABLE"})).json()["discarded"] == 5


_EVENT = st.tuples(
    st.integers(0, 25), st.sampled_from(["ada", "bob", "cy"]), st.sampled_from(["tick", "tock", "poison", ""])
)


@given(
    requests=st.lists(st.lists(_EVENT, max_size=8), min_size=1, max_size=6),
    rate=st.sampled_from([None, 4, 1_000]),
    person=st.sampled_from([None, 1, 5]),
    percent=st.sampled_from([None, 50]),
    together=st.booleans(),
)
@examples(40)
async def test_whatever_the_limits_everything_sent_is_accounted_for(
    app: Application,
    requests: list[list[tuple[int, str, str]]],
    rate: int | None,
    person: int | None,
    percent: int | None,
    together: bool,
) -> None:
    """Of every request acknowledged: accepted + duplicates + sampled + rejected + dead == sent, and what is said
    to be accepted is there."""
    turn = next(_turns)
    await app.service.pool.execute("DROP TRIGGER IF EXISTS refuse ON events")
    await app.service.pool.execute("DROP FUNCTION IF EXISTS refuse")
    await poison(app)
    rules = [{"event": "tock", "percent": percent, "by": "message"}] if percent else []
    await limit(app, events={"perSecond": rate} if rate else None, profileEventsPerMinute=person, sampling=rules)
    before, letters = len(await stored(app)), await app.service.pool.fetchval("SELECT count(*) FROM dead_letters")

    def event(n: int, user: str, name: str) -> dict[str, Any]:
        return tick(f"{turn}-{n}-{name}", f"{user}{turn}", name)

    bodies = [[event(*one) for one in request] for request in requests]
    if together:
        answers = await asyncio.gather(*(send(app, *body) for body in bodies))
    else:
        answers = [await send(app, *body) for body in bodies]
    accepted = 0
    dead: set[str] = set()
    for body, answer in zip(bodies, answers, strict=True):
        assert answer.status_code in {200, 429}, answer.text
        if answer.status_code == 429:
            assert answer.json()["code"] == "RATE_LIMIT" and int(answer.headers["retry-after"]) >= 1
            continue
        receipt = answer.json()
        sums = (receipt.get(name, 0) for name in ("accepted", "duplicates", "sampled", "deadLettered"))
        assert sum(sums) + len(receipt.get("rejected", [])) == len(body)
        accepted += receipt["accepted"]
        dead |= {one["messageId"] for one in body if one["event"] == "poison"} if receipt.get("deadLettered") else set()
    assert len(await stored(app)) - before == accepted
    now_dead = await app.service.pool.fetchval("SELECT count(*) FROM dead_letters") - letters
    assert now_dead <= len(dead) and (now_dead > 0) == bool(dead)


_turns = count()


async def test_what_was_not_stored_is_forgotten_in_time(app: Application) -> None:
    wrong = {"type": "track", "userId": "ada", "messageId": "bad"}
    await poison(app)
    await send(app, wrong, tick(1, event="poison"))
    began = clock.now()

    async def left(days: int) -> list[int]:
        await Worker(app.service.pool, Catalogs(), lambda: began + days * DAY_MS).maintain()
        tables = ("rejected_messages", "dead_letters", "rejection_counts")
        return [await app.service.pool.fetchval(f"SELECT count(*) FROM {table}") for table in tables]

    assert await left(29) == [1, 1, 1]
    assert await left(31) == [0, 1, 1]
    assert await left(91) == [0, 0, 1]
    assert await left(402) == [0, 0, 0]
