"""Merges by hand, undone and split, over HTTP: what is shown, recorded, refused, and seen by every process at once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

import serving
from application import Application, running
from serving import ManualClock, eventually, holds_for, new_environment
from tinycdp.app import Parts
from tinycdp.errors import Conflict, Overloaded, Unavailable
from tinycdp.model import DAY_MS, MINUTE_MS, Identifier, IdentifierKind, Message
from tinycdp.runtime.identity.merges import Merges
from tinycdp.runtime.policies.identifier_rules import IdentityPolicy, rules_of
from tinycdp.store.database.pool import Pool

NOW = 1_790_000_000_000
USER, ANONYMOUS = IdentifierKind.USER, IdentifierKind.ANONYMOUS
DOCUMENT = {
    "segments": [
        {"key": "buyers", "rule": "events.buy.exists(7d)"},
        {"key": "never_bought", "rule": "events.buy.count() == 0"},
    ],
    "flags": [{"key": "offer", "rule": 'segment("buyers")'}],
}


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def services(dsn: str, clock: ManualClock) -> AsyncIterator[list[Parts]]:
    """Two processes' worth of service on one database."""
    async with serving.services(dsn, 2, clock) as started:
        yield started


@pytest.fixture
async def environment(services: list[Parts]) -> int:
    id = await new_environment(services[0].pool, "e", DOCUMENT, NOW - DAY_MS)
    for service in services:
        await service.catalogs.refresh(service.pool, id)
    return id


def message(id: str, name: str, at: int, *, previous: str | None = None, **named: str) -> Message:
    identifiers = tuple(Identifier(kind, named[kind]) for kind in IdentifierKind if kind in named)
    kind = "alias" if previous is not None else "track"
    return Message(
        kind=kind, message_id=id, identifiers=identifiers, occurred_at=at, received_at=at, name=name, previous=previous
    )


async def post(app: Application, path: str, **body: Any) -> dict[str, Any]:
    answer = await app.admin.post(path, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def person(app: Application, id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await app.read.get(f"/v1/profiles/{id}")).json()
    return found


async def test_a_merge_by_hand_is_shown_before_it_is_made(app: Application) -> None:
    await app.define("segment", key="buyers", rule="events.buy.exists(7d)")
    await app.write.post("/v1/identify", json={"userId": "ann", "traits": {"plan": "free", "city": "Ulm"}})
    await app.write.post("/v1/identify", json={"userId": "ann@old", "traits": {"plan": "pro", "age": 40}})
    await app.track({"userId": "ann@old", "event": "buy"})
    body = {"profiles": ["ann", "userId:ann@old"], "note": "she wrote to us"}
    shown = await post(app, "/v1/admin/profiles/merge", **body, dryRun=True)
    assert (await person(app, "ann"))["identifiers"] == [{"kind": "userId", "value": "ann"}], "a dry run keeps nothing"
    assert shown["merges"] == []
    done = await post(app, "/v1/admin/profiles/merge", **body)
    assert {**shown, "merges": done["merges"], "dryRun": False} == done, "what is shown is what happens"
    assert done["survivor"] == (await person(app, "ann"))["id"] == (await person(app, "ann@old"))["id"]
    assert done["moved"] == [{"kind": "userId", "value": "ann@old"}]
    [conflict] = done["conflicts"]
    winner = next(standing["id"] for standing in done["before"] if standing["bucketingKey"] == "ann@old")
    assert (conflict["property"], conflict["winner"], conflict["values"][winner]) == ("plan", winner, "pro")
    assert done["after"]["properties"] == {"plan": "pro", "city": "Ulm", "age": 40}
    assert [[entry["key"] for entry in standing["segments"]] for standing in done["before"]] == [[], ["buyers"]]
    assert [entry["key"] for entry in done["after"]["segments"]] == ["buyers"]

    [listed] = (await app.admin.get("/v1/admin/merges?profile=ann")).json()["merges"]
    assert (listed["cause"], listed["author"], listed["note"]) == ("manual", "bootstrap admin", "she wrote to us")
    again = await app.admin.post("/v1/admin/profiles/merge", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "SAME_PROFILE")


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        ("profiles/merge", {"profiles": ["a", "b"], "note": "n" * 1_001}, "$.note"),
        ("profiles/merge", {"profiles": ["a", "b"], "survivor": "c"}, "$.survivor"),
        ("profiles/merge", {"profiles": "a"}, "$.profiles"),
        ("profiles/a/split", {"identifiers": []}, "$.identifiers"),
        (
            "profiles/a/split",
            {"identifiers": [{"kind": "userId", "value": str(n)} for n in range(1_001)]},
            "$.identifiers",
        ),
        ("profiles/a/split", {"identifiers": [{"kind": "userId"}]}, "$.identifiers[0].value"),
        ("merges/1/undo", {"note": "n" * 1_001}, "$.note"),
        ("suppressions", {"identifiers": []}, "$.identifiers"),
        ("suppressions", {"identifiers": [{"kind": "userId", "value": "a"}], "note": "n" * 1_001}, "$.note"),
        ("erasures", {"profiles": ["a"], "note": "n" * 1_001}, "$.note"),
    ],
)
async def test_a_body_out_of_bounds_is_refused_by_its_place(
    app: Application, path: str, body: dict[str, Any], where: str
) -> None:
    for user in ("a", "b", "c"):
        await app.track({"userId": user, "event": "open"})
    answer = await app.admin.post(f"/v1/admin/{path}", json=body)
    found = answer.json()
    assert (answer.status_code, found["code"], found["path"]) == (400, "INVALID_BODY", where)
    assert found["message"].startswith(f"{where}: ")


async def test_an_unknown_field_is_an_error_that_lists_the_valid_ones(app: Application) -> None:
    answer = await app.admin.post("/v1/admin/profiles/merge", json={"identifiers": ["a", "b"]})
    assert answer.status_code == 400
    assert answer.json()["message"].endswith(
        "$.identifiers: unknown field. Valid are: profiles, survivor, note, dryRun."
    )


async def test_the_survivor_may_be_chosen_and_the_oldest_bucket_stays(app: Application) -> None:
    await app.track({"userId": "old", "event": "open"})
    await asyncio.sleep(0.002)
    await app.track({"userId": "new", "event": "open"})
    new = await person(app, "new")
    done = await post(app, "/v1/admin/profiles/merge", profiles=["old", "new"], survivor="new")
    assert (done["survivor"], done["after"]["bucketingKey"]) == (new["id"], "old")
    assert (await person(app, "old"))["bucketingKey"] == "old"
    undone = await post(app, f"/v1/admin/merges/{done['merges'][0]}/undo")
    assert {standing["bucketingKey"]: standing["id"] for standing in undone["after"]}["new"] == new["id"]
    assert (await person(app, "new"))["bucketingKey"] == "new"


async def test_an_undo_gives_both_people_back_and_is_recorded(app: Application) -> None:
    await app.track({"anonymousId": "tab", "event": "open"}, {"userId": "kim", "event": "buy"})
    was = {id: await person(app, id) for id in ("tab", "kim")}
    await app.track({"userId": "kim", "anonymousId": "tab", "event": "open", "messageId": "m1"})
    assert (await person(app, "tab"))["id"] == (await person(app, "kim"))["id"]
    [merge] = (await app.admin.get("/v1/admin/merges")).json()["merges"]
    assert (merge["cause"], merge["messageId"], merge["author"]) == ("claim", "m1", None)
    undone = await post(app, f"/v1/admin/merges/{merge['id']}/undo", note="two people, one tablet")
    assert undone["keptApart"] == [
        {"one": {"kind": "anonymousId", "value": "tab"}, "other": {"kind": "userId", "value": "kim"}}
    ]
    for id in ("tab", "kim"):
        now = await person(app, id)
        assert (now["id"], now["bucketingKey"]) == (was[id]["id"], was[id]["bucketingKey"])
        assert now["identifiers"] == was[id]["identifiers"]
    assert len((await app.read.get("/v1/journeys/kim")).json()["events"]) == 2, "an event stays with its strongest id"

    [listed] = (await app.admin.get("/v1/admin/merges?profile=kim")).json()["merges"]
    assert (listed["undoneBy"], listed["undoNote"]) == ("bootstrap admin", "two people, one tablet")
    again = await app.admin.post(f"/v1/admin/merges/{merge['id']}/undo")
    assert (again.status_code, again.json()["code"]) == (409, "MERGE_UNDONE")
    nowhere = await app.admin.post("/v1/admin/merges/999999/undo")
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "MERGE_NOT_FOUND")
    stranger = await app.stranger.post(f"/v1/admin/merges/{merge['id']}/undo")
    assert stranger.json()["code"] == "MERGE_NOT_FOUND"

    await app.track({"userId": "kim", "anonymousId": "tab", "event": "open"})
    assert (await person(app, "tab"))["id"] == was["tab"]["id"], "the same pair joins them no more"
    [rejected] = (await app.admin.get("/v1/admin/identity/rejected-claims?reason=KEPT_APART")).json()["rejectedClaims"]
    assert (rejected["identifier"]["value"], rejected["other"]["value"]) == ("tab", "kim")
    await app.write.post("/v1/alias", json={"userId": "kim", "previousId": "tab"})
    assert (await person(app, "tab"))["id"] == (await person(app, "kim"))["id"], "an alias call says it anew"


async def test_a_merge_of_before_there_was_undo_is_undone_too(app: Application) -> None:
    await app.track({"anonymousId": "tab", "event": "open"}, {"userId": "kim", "event": "buy"})
    await app.track({"userId": "kim", "anonymousId": "tab", "event": "open"})
    await app.track({"anonymousId": "tab", "deviceId": "ipad", "event": "open"})
    await app.service.pool.execute(
        "UPDATE merges SET link_identifier_id = NULL, link_owner_id = NULL, survivor_identifier_ids = '{}'"
    )
    [merge] = (await app.admin.get("/v1/admin/merges")).json()["merges"]
    assert merge["by"] == []
    await post(app, f"/v1/admin/merges/{merge['id']}/undo")
    ids = {id: (await person(app, id))["id"] for id in ("kim", "tab", "ipad")}
    assert ids["tab"] == ids["ipad"] != ids["kim"]


async def test_what_else_joins_them_is_named(app: Application) -> None:
    await app.track({"userId": "ann", "event": "open"}, {"userId": "bob", "event": "open"})
    for previous, user in (("bob", "ann"), ("zoe", "ann"), ("zoe", "bob")):
        await app.write.post("/v1/alias", json={"userId": user, "previousId": previous})
    merges = (await app.admin.get("/v1/admin/merges")).json()["merges"]
    first = min(merges, key=lambda merge: int(merge["id"]))
    held = await app.admin.post(f"/v1/admin/merges/{first['id']}/undo")
    assert (held.status_code, held.json()["code"]) == (409, "STILL_JOINED")
    assert "userId zoe" in held.json()["path"]
    assert (await person(app, "ann"))["id"] == (await person(app, "bob"))["id"]


async def test_a_split_takes_along_what_an_identifier_owns(app: Application) -> None:
    await app.track({"userId": "kim", "event": "open"})
    await app.track({"anonymousId": "tab", "deviceId": "ipad", "event": "buy"})
    await app.track({"userId": "kim", "anonymousId": "tab", "event": "open"})
    body = {"identifiers": [{"kind": "anonymousId", "value": "tab"}]}
    shown = await post(app, "/v1/admin/profiles/kim/split", **body, dryRun=True)
    done = await post(app, "/v1/admin/profiles/kim/split", **body, note="a loan")
    assert shown["keptApart"] == done["keptApart"]
    values = {frozenset(identifier["value"] for identifier in standing["identifiers"]) for standing in done["after"]}
    assert values == {frozenset({"kim"}), frozenset({"tab", "ipad"})}
    assert (await person(app, "ipad"))["bucketingKey"] == "tab"
    graph = (await app.admin.get("/v1/admin/profiles/kim/graph")).json()
    assert [split["note"] for split in graph["splits"]] == ["a loan"]
    unknown = await app.admin.post("/v1/admin/profiles/kim/split", json=body)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "IDENTIFIER_NOT_FOUND")
    everything = {"identifiers": [{"kind": "userId", "value": "kim"}]}
    all_of_it = await app.admin.post("/v1/admin/profiles/kim/split", json=everything)
    assert (all_of_it.status_code, all_of_it.json()["code"]) == (409, "NOTHING_LEFT")


async def test_what_is_split_off_in_parts_is_one_person(app: Application) -> None:
    for device in ("d1", "d2", "d3"):
        await app.track({"userId": "kim", "deviceId": device, "event": "open"})
    wanted = [{"kind": "deviceId", "value": device} for device in ("d1", "d2")]
    await post(app, "/v1/admin/profiles/kim/split", identifiers=wanted)
    ids = {id: (await person(app, id))["id"] for id in ("kim", "d1", "d2", "d3")}
    assert ids["d1"] == ids["d2"] != ids["kim"] == ids["d3"]


async def test_a_graph_shows_every_statement(app: Application) -> None:
    await app.track({"userId": "kim", "anonymousId": "tab", "event": "open", "messageId": "m1"})
    await app.track({"userId": "lee", "anonymousId": "tab", "event": "open", "messageId": "m2"})
    graph = (await app.admin.get("/v1/admin/profiles/kim/graph")).json()
    nodes = {node["id"]: (node["value"], node["outside"]) for node in graph["nodes"]}
    assert sorted(nodes.values()) == [("kim", False), ("lee", True), ("tab", False)]
    edges = {(nodes[edge["from"]][0], nodes[edge["to"]][0]): edge for edge in graph["edges"]}
    assert {pair: edge["state"] for pair, edge in edges.items()} == {("kim", "tab"): "holds", ("lee", "tab"): "beaten"}
    assert [edge["messageId"] for edge in edges.values()] == ["m1", "m2"]
    assert [claim["reason"] for claim in graph["rejectedClaims"]] == ["CLAIMED"]
    pages = (await app.admin.get("/v1/admin/identity/rejected-claims?limit=1")).json()
    assert pages["next"] == pages["rejectedClaims"][0]["id"]
    rest = (await app.admin.get(f"/v1/admin/identity/rejected-claims?limit=1&before={pages['next']}")).json()
    assert rest == {"rejectedClaims": [], "next": None}


# Rules


async def test_a_person_has_no_more_identifiers_than_the_policy_allows(app: Application) -> None:
    kinds = [{"kind": "userId", "limit": 1}, {"kind": "anonymousId", "newLimit": 2}, {"kind": "deviceId", "limit": 2}]
    assert (await app.admin.put("/v1/admin/policies/identity", json={"kinds": kinds})).status_code == 200
    await app.track(*({"userId": "kim", "anonymousId": f"a{n}", "event": "open"} for n in range(3)))
    await app.track({"userId": "lee", "deviceId": "d0", "event": "open"})
    for device in ("d1", "d2"):
        await app.track({"deviceId": device, "event": "open"})
        await app.track({"userId": "lee", "deviceId": device, "event": "open"})
    rejected = (await app.admin.get("/v1/admin/identity/rejected-claims")).json()["rejectedClaims"]
    assert [(r["reason"], r["identifier"]["value"], r["other"]["value"]) for r in rejected] == [
        ("LIMIT", "d2", "lee"),
        ("NEW_LIMIT", "a2", "kim"),
    ]
    assert len((await person(app, "kim"))["identifiers"]) == 3
    assert (await person(app, "a2"))["identifiers"] == [{"kind": "anonymousId", "value": "a2"}]
    await app.write.post("/v1/alias", json={"userId": "kim", "previousId": "lee"})
    assert (await person(app, "kim"))["id"] != (await person(app, "lee"))["id"]
    by_hand = await app.admin.post("/v1/admin/profiles/merge", json={"profiles": ["kim", "lee"]})
    assert (by_hand.status_code, by_hand.json()["code"], by_hand.json()["reason"]) == (409, "MERGE_REJECTED", "LIMIT")


@pytest.mark.parametrize("known", [True, False])
async def test_two_user_ids_in_one_message_are_two_people(app: Application, known: bool) -> None:
    if known:
        await app.track({"userId": "ann", "event": "buy"}, {"userId": "bob", "event": "buy"})
    external = {"externalIds": [{"type": "userId", "id": "bob"}, {"type": "email", "id": "ann@x.example"}]}
    await app.track({"userId": "ann", "event": "open", "messageId": "m-1", "context": external})
    await post(app, "/v1/alias", userId="ann", previousId="ann-before", context=external)
    ann = await person(app, "ann")
    values = {identifier["value"] for identifier in ann["identifiers"]}
    assert values == {"ann", "ann@x.example", "ann-before"}
    assert (await person(app, "bob"))["id"] != ann["id"]
    rejected = (await app.admin.get("/v1/admin/identity/rejected-claims")).json()["rejectedClaims"]
    assert [(r["reason"], r["identifier"]["value"], r["other"]["value"], r["messageId"]) for r in rejected] == [
        ("RULE", "bob", "ann", "m-1")
    ]
    await post(app, "/v1/alias", userId="ann", previousId="bob")
    assert (await person(app, "bob"))["id"] == ann["id"]


async def test_kinds_claim_only_what_they_may_in_the_order_the_policy_gives(app: Application) -> None:
    kinds = [{"kind": "emailHash", "claims": ["anonymousId"]}, {"kind": "userId"}, {"kind": "anonymousId"}]
    await app.admin.put("/v1/admin/policies/identity", json={"kinds": kinds})
    email = {"externalIds": [{"type": "emailHash", "id": "h1"}]}
    await app.track(
        {"userId": "kim", "context": email, "event": "open"}, {"userId": "lee", "context": email, "event": "open"}
    )
    ids = {id: (await person(app, id))["id"] for id in ("kim", "lee", "emailHash:h1")}
    assert len(set(ids.values())) == 3, "a shared address joins no two profiles"
    assert len((await app.read.get("/v1/journeys/emailHash:h1")).json()["events"]) == 2, "the strongest kind owns them"
    rejected = (await app.admin.get("/v1/admin/identity/rejected-claims?reason=RULE")).json()["rejectedClaims"]
    assert {claim["identifier"]["value"] for claim in rejected} == {"kim", "lee"}


async def test_a_policy_that_contradicts_itself_is_refused(app: Application) -> None:
    for kinds in ([{"kind": "userId"}, {"kind": "userId"}], [{"kind": "profileId"}], [{"kind": "userId", "limit": 0}]):
        answer = await app.admin.put("/v1/admin/policies/identity", json={"kinds": kinds})
        assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_POLICY"), kinds


async def test_blocked_values_are_left_out_and_counted(app: Application) -> None:
    kinds = [{"kind": "userId", "blocked": ["Guest"]}, {"kind": "anonymousId"}]
    await app.admin.put("/v1/admin/policies/identity", json={"kinds": kinds})
    taken = await app.write.post("/v1/track", json={"userId": "guest ", "anonymousId": "tab", "event": "open"})
    assert taken.json()["accepted"] == 1
    await app.write.post("/v1/track", json={"userId": "null", "anonymousId": "tab", "event": "open"})
    refused = await app.write.post("/v1/track", json={"userId": "GUEST", "event": "open"})
    assert (refused.status_code, refused.json()["code"]) == (400, "BLOCKED_IDENTIFIER")
    batch = await app.write.post("/v1/batch", json={"batch": [{"type": "track", "userId": "guest", "event": "open"}]})
    assert [rejected["code"] for rejected in batch.json()["rejected"]] == ["BLOCKED_IDENTIFIER"]
    assert (await app.read.get("/v1/profiles/guest")).status_code == 404
    blocked = (await app.admin.get("/v1/admin/identity/blocked")).json()["blocked"]
    assert {(row["kind"], row["value"], row["messages"]) for row in blocked} == {
        ("userId", "guest ", 1),
        ("userId", "null", 1),
    }
    rejections = (await app.admin.get("/v1/admin/rejections")).json()["rejections"]
    assert [rejection["code"] for rejection in rejections] == ["BLOCKED_IDENTIFIER"] * 2


# Seen everywhere, whatever happens meanwhile


async def test_every_process_decides_by_an_undo_at_once(
    services: list[Parts], environment: int, clock: ManualClock
) -> None:
    here, there = services
    await here.ingest.accept(environment, [message("m1", "buy", NOW, anonymousId="tab")])
    await here.ingest.accept(environment, [message("m2", "open", NOW, userId="kim")])
    clock.now += MINUTE_MS
    await here.ingest.accept(environment, [message("m3", "open", clock.now, userId="kim", anonymousId="tab")])
    for service in services:
        assert await holds_for(service, environment, "offer", Identifier(USER, "kim"))
    clock.now += MINUTE_MS
    merge_id = await here.pool.fetchval("SELECT id FROM merges")
    await here.merges.undo(environment, merge_id, "ann")
    assert here.snapshots.find(environment, USER, "kim") is None, "the fast lane asks anew"
    assert not await holds_for(here, environment, "offer", Identifier(USER, "kim"))
    assert await holds_for(here, environment, "offer", Identifier(ANONYMOUS, "tab"))

    async def heard() -> bool:
        return not await holds_for(there, environment, "offer", Identifier(USER, "kim"))

    await eventually(heard)
    rows = await here.pool.fetch(
        "SELECT t.entered, t.at, p.bucketing_key FROM transitions t JOIN profiles p ON p.id = t.profile_id"
        " WHERE t.at = $1 AND t.cause <> 'moved'",
        clock.now,
    )
    assert {(row["bucketing_key"], row["entered"]) for row in rows} == {("kim", True), ("kim", False)}
    entered = await here.pool.fetch(
        "SELECT p.bucketing_key, m.entered_at FROM memberships m JOIN profiles p ON p.id = m.profile_id"
    )
    assert {tuple(row) for row in entered} == {("tab", NOW), ("kim", NOW)}, "as it was before the merge"


async def test_the_past_stays_what_it_was(services: list[Parts], environment: int, clock: ManualClock) -> None:
    here = services[0]
    kim, tab = Identifier(USER, "kim"), Identifier(ANONYMOUS, "tab")
    seen = {}

    async def look(at: int) -> dict[Identifier, tuple[Any, ...]]:
        views = {identifier: (await here.past.view(environment, identifier, at)).snapshot for identifier in (kim, tab)}
        return {
            identifier: (snapshot.unit, snapshot.profile_id, snapshot.last_seen)
            for identifier, snapshot in views.items()
        }

    await here.ingest.accept(environment, [message("m1", "buy", clock.now, anonymousId="tab")])
    clock.now += 1
    await here.ingest.accept(environment, [message("m2", "open", clock.now, userId="kim")])
    seen[clock.now] = await look(clock.now)
    clock.now += MINUTE_MS
    await here.ingest.accept(environment, [message("m3", "open", clock.now, userId="kim", anonymousId="tab")])
    seen[clock.now] = await look(clock.now)
    clock.now += MINUTE_MS
    await here.merges.undo(environment, await here.pool.fetchval("SELECT id FROM merges"), "ann")
    seen[clock.now] = await look(clock.now)
    clock.now += MINUTE_MS
    assert {at: await look(at) for at in seen} == seen
    assert len({seen[at][kim] == seen[at][tab] for at in seen}) == 2


async def test_a_crash_amid_an_undo_leaves_them_merged(services: list[Parts], environment: int, dsn: str) -> None:
    """Whatever statement the connection dies at, the database is as it was before, or as it is after."""
    here = services[0]
    await here.ingest.accept(environment, [message("m1", "buy", NOW, anonymousId="tab", deviceId="ipad")])
    await here.ingest.accept(environment, [message("m2", "open", NOW, userId="kim")])
    await here.ingest.accept(environment, [message("m3", "open", NOW, userId="kim", anonymousId="tab")])
    merge_id = await here.pool.fetchval("SELECT id FROM merges")
    looking = await asyncpg.connect(dsn)
    tables = ("identifiers", "profiles", "memberships", "transitions", "merges", "identity_links", "identifier_moves")

    async def everything() -> list[Any]:
        return [await looking.fetch(f"SELECT * FROM {table} t ORDER BY t::text") for table in tables]

    before = await everything()
    statements = 0
    while True:
        pool = MortalPool(here.pool, statements)
        merges = Merges(
            pool, here.catalogs, lambda _: rules_of(IdentityPolicy()), here.now, here.mirror.profiles_changed
        )  # type: ignore[arg-type]
        try:
            await merges.undo(environment, merge_id, "ann")
        except (Unavailable, ConnectionError):
            statements += 1
            assert await everything() == before, f"lost after {statements} statements"
        else:
            break
    assert statements > 15, "it was interrupted at every step"
    assert await everything() != before
    await looking.close()


class MortalPool:
    """A pool whose connections are lost, without a word to the server, when so many statements were run."""

    def __init__(self, pool: Pool, statements: int) -> None:
        self._pool = pool
        self._left = statements

    @contextlib.asynccontextmanager
    async def acquire(self, **how: Any) -> AsyncIterator[Any]:
        async with self._pool.acquire(**how) as connection:
            yield _Mortal(connection, self._left)


class _Mortal:
    def __init__(self, connection: Any, left: int) -> None:
        self._connection = connection
        self._left = left

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._connection, name)
        if name not in {"fetch", "fetchrow", "fetchval", "execute", "copy_records_to_table"}:
            return found

        async def run(*args: Any, **how: Any) -> Any:
            self._left -= 1
            if self._left < 0:
                self._connection.terminate()
                raise ConnectionError
            return await found(*args, **how)

        return run


async def test_events_and_undos_at_once(services: list[Parts], environment: int) -> None:
    """Two processes send and undo what they can: everyone ends where their identifiers' claims leave them."""
    here, there = services
    sent = [
        message(f"{n}-{user}-{device}", "buy", NOW - n, userId=f"u{user}", deviceId=f"d{device}")
        for n in range(3)
        for user in range(3)
        for device in range(4)
    ]
    alone = [message(f"d{device}", "open", NOW - 9, deviceId=f"d{device}") for device in range(4)]
    await here.ingest.accept(environment, alone)

    async def send(service: Parts, messages: list[Message]) -> None:
        for one in messages:
            await service.ingest.accept(environment, [one])

    sending = asyncio.gather(send(here, sent[::2]), send(there, sent[1::2]))

    async def undo_all(service: Parts) -> None:
        while not sending.done():
            for row in await service.pool.fetch("SELECT id FROM merges WHERE undone_at IS NULL"):
                with contextlib.suppress(Conflict, Overloaded):
                    await service.merges.undo(environment, row["id"], "ann")

    await asyncio.gather(sending, undo_all(here), undo_all(there))
    assert await here.pool.fetchval("SELECT count(*) FROM events") == len(sent) + len(alone)
    rows = await here.pool.fetch(
        "SELECT a.value, a.profile_id, o.profile_id AS owners, p.merged_into FROM identifiers a"
        " JOIN profiles p ON p.id = a.profile_id LEFT JOIN identifiers o ON o.id = a.owner_id"
    )
    assert all(row["merged_into"] is None for row in rows)
    assert all(row["owners"] in (None, row["profile_id"]) for row in rows), "an identifier is where its owner is"
    apart = await here.pool.fetch("SELECT * FROM identity_links WHERE apart_at IS NOT NULL")
    owners = {row["value"]: row["owners"] for row in rows}
    assert apart, "something was undone"
    assert len({row["profile_id"] for row in rows if row["value"].startswith("u")}) == 3
    assert set(owners) == {f"{kind}{n}" for kind, most in (("u", 3), ("d", 4)) for n in range(most)}
    verified = await here.pool.fetch("SELECT id FROM profiles WHERE merged_into IS NULL")
    assert {row["id"] for row in verified} == {row["profile_id"] for row in rows}, "no profile without an identifier"
