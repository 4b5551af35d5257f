"""What a change would do, against what it then does; on the real application."""

import random
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from application import Application, running
from serving import ManualClock, eventually, new_environment, services
from tinycdp.app import Parts
from tinycdp.errors import InvalidInput, Overloaded
from tinycdp.model import HOUR_MS, Identifier, IdentifierKind, Message
from tinycdp.runtime.decisions.decide import decide_one
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.change_set import read_documents
from tinycdp.runtime.definitions.publish import publish
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.time_travel import preview as previews
from tinycdp.runtime.time_travel.preview import PreviewRequest
from tinycdp.runtime.worker.loops import Worker
from tinycdp.times import iso

NOW = 1_790_000_000_000


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


async def preview(app: Application, *changes: tuple[str, str, Any], **body: Any) -> Any:
    listed = [{"kind": kind, "key": key, "document": document} for kind, key, document in changes]
    answer = await app.admin.post("/v1/admin/preview", json={"changes": listed, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def everything(app: Application) -> list[Any]:
    """What a preview must leave alone: all rows, and the versions of profiles."""
    async with app.service.pool.acquire() as connection:
        tables = (
            "definition_versions",
            "revisions",
            "memberships",
            "transitions",
            "profiles",
            "backfills",
            "exposures",
        )
        return [await connection.fetch(f"SELECT * FROM {table} ORDER BY 1, 2, 3") for table in tables]


@pytest.fixture
async def shop(app: Application) -> Application:
    buys = {"ada": 3, "bob": 2, "eve": 1}
    await app.track(*({"userId": who, "event": "purchase"} for who, n in buys.items() for _ in range(n)))
    await app.write.post("/v1/identify", json={"userId": "eve", "traits": {"plan": "pro"}})
    await app.define("trait", key="orders", expression="events.purchase.count_90d")
    await app.define("segment", key="regulars", rule="orders >= 3")
    await app.define("flag", key="thanks", rule='segment("regulars")')
    await app.define("flag", key="more", rules=[{"when": 'flag("thanks") || profile.plan == "pro"', "serve": "on"}])
    await app.define("flag", key="other", rule="events.purchase.count() > 0")
    return app


async def test_a_change_of_a_trait_reaches_segments_and_flags(shop: Application) -> None:
    before = await everything(shop)
    found = await preview(shop, ("segment", "regulars", {"rule": "orders >= 2 && events.purchse.count() < 9"}))
    assert await everything(shop) == before
    assert (found["revision"], found["lookedAt"], found["profiles"], found["sampled"]) == (5, 3, 3, False)
    assert found["backfilling"] is True
    [segment] = found["segments"]
    assert (segment["key"], segment["was"], segment["estimate"]) == ("regulars", "regulars", None)
    assert segment["counts"] == {
        "membersBefore": 1, "members": 2, "enters": 1, "leaves": 0, "unknownBefore": 0, "unknown": 0,
    }  # fmt: skip
    [bob] = segment["examples"]["enters"]
    assert bob["identifiers"] == [{"kind": "userId", "value": "bob"}]
    assert bob["why"].startswith("in regulars: orders is 2 (needs 2)")
    moves = {flag["key"]: {(m["before"], m["after"]): m["profiles"] for m in flag["moves"]} for flag in found["flags"]}
    assert moves == {
        "thanks": {("on", "on"): 1, ("off", "on"): 1, ("off", "off"): 1},
        "more": {("on", "on"): 2, ("off", "on"): 1},
    }
    turned = next(m for flag in found["flags"] if flag["key"] == "thanks" for m in flag["moves"] if m["examples"])
    assert turned["examples"][0]["why"] == 'the rule matched: segment("regulars")'
    [draft] = found["drafts"]
    assert draft["diagnostics"][0]["code"] == "E301"
    assert draft["cost"]["nodes"] > 3
    assert [change["action"] for change in found["changes"]] == ["update"]


async def test_unknown_is_counted_apart_and_values_are_shown(shop: Application) -> None:
    found = await preview(
        shop,
        ("trait", "plan", {"expression": "profile.plan"}),
        ("segment", "pros", {"rule": 'profile.plan == "pro"'}),
        ("trait", "orders", {"expression": "events.purchase.count_90d * 2"}),
    )
    pros = next(segment for segment in found["segments"] if segment["key"] == "pros")
    assert pros["counts"] == {
        "membersBefore": 0, "members": 1, "enters": 1, "leaves": 0, "unknownBefore": 0, "unknown": 2,
    }  # fmt: skip
    assert len(pros["examples"]["unknown"]) == 2
    plan, orders = (next(t for t in found["traits"] if t["key"] == key) for key in ("plan", "orders"))
    assert (plan["was"], plan["unknown"], plan["differs"]) == (None, 2, 1)
    assert [(e["before"], e["after"]) for e in orders["examples"]] == [(3, 6), (2, 4), (1, 2)]


async def test_reasons_name_what_is_unknown_as_a_decision_does(shop: Application) -> None:
    """Also a part that reads another flag, and of a killed flag."""
    rules = [
        {"id": "pro", "when": 'profile.plan == "pro"', "serve": "on"},
        {"id": "both", "when": 'flag("thanks") && profile.age > 3', "serve": "on"},
        {"id": "rest", "when": "orders >= 1", "serve": "on"},
    ]
    changes = (("flag", "new", {"rules": rules}), ("segment", "pros", {"rule": 'profile.plan == "pro"'}))
    found = await preview(shop, *changes)
    [move] = [m for flag in found["flags"] if flag["key"] == "new" for m in flag["moves"]]
    why = {example["identifiers"][0]["value"]: example["why"] for example in move["examples"]}
    await shop.define("flag", key="new", rules=rules)
    for user in ("ada", "bob", "eve"):
        decided = (await shop.read.get("/v1/decide", params={"userId": user, "flag": "new"})).json()
        assert why[user] == "; ".join(decided["reasons"])
    assert "profile.plan is unknown" in why["ada"] and "profile.age is unknown" in why["ada"]
    assert "unknown" not in why["eve"]
    [pros] = [segment for segment in found["segments"] if segment["key"] == "pros"]
    assert all("profile.plan is unknown" in example["why"] for example in pros["examples"]["unknown"])


async def test_deleting_renaming_and_archiving_are_seen_before_they_happen(shop: Application) -> None:
    gone = await preview(shop, *(("flag", key, None) for key in ("more", "thanks")), ("segment", "regulars", None))
    [segment] = gone["segments"]
    assert (segment["key"], segment["was"], segment["counts"]["leaves"]) == (None, "regulars", 1)
    assert segment["examples"]["leaves"][0]["why"] is None
    assert {(f["was"], m["before"], m["after"]) for f in gone["flags"] for m in f["moves"]} == {
        ("thanks", "on", None), ("thanks", "off", None), ("more", "on", None), ("more", "off", None),
    }  # fmt: skip
    change = {"kind": "segment", "key": "loyal", "was": "regulars", "document": {"rule": "orders >= 3"}}
    renamed = (await shop.admin.post("/v1/admin/preview", json={"changes": [change]})).json()
    assert (renamed["segments"], renamed["backfilling"]) == ([], False)
    archived = await preview(shop, ("flag", "more", {"rule": "true", "archived": True}))
    assert {(m["before"], m["after"]) for m in archived["flags"][0]["moves"]} == {("on", None), ("off", None)}


async def test_the_past_and_a_sample(shop: Application) -> None:
    then = shop.service.now()

    async def later() -> bool:
        return shop.service.now() > then

    await eventually(later)
    await shop.track({"userId": "ada", "event": "purchase"}, {"userId": "new", "event": "purchase"})
    change = ("segment", "regulars", {"rule": "orders >= 1"})
    found = await preview(shop, change, at=iso(then))
    assert (found["asOf"], found["profiles"], found["segments"][0]["counts"]["members"]) == (iso(then), 3, 3)
    now = await preview(shop, change, sample="all")
    assert (now["profiles"], now["segments"][0]["counts"]["members"], now["sampled"]) == (4, 4, False)
    some = await preview(shop, change, sample=2, examples=1)
    assert (some["lookedAt"], some["profiles"], some["sampled"]) == (2, 4, True)
    assert (some["segments"][0]["counts"]["members"], some["segments"][0]["estimate"]["members"]) == (2, 4)
    assert len(some["segments"][0]["examples"]["enters"]) <= 1
    assert some["flags"][0]["moves"][0]["estimate"] is not None
    again = await preview(shop, change, sample=2, examples=1)
    assert {**again, "asOf": ""} == {**some, "asOf": ""}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"changes": [{"kind": "trait", "key": "x", "document": {"expression": "nowhere"}}]}, 400, "E302"),
        ({"changes": [{"kind": "trait", "key": "orders", "document": None}]}, 409, "REFERENCED"),
        ({"changes": [], "at": "2999-01-01T00:00:00Z"}, 400, "INVALID_REQUEST"),
        ({"changes": [], "at": "2001-01-01T00:00:00Z"}, 404, "EVENTS_DROPPED"),
        ({"changes": [], "sample": 0}, 400, "INVALID_REQUEST"),
        ({"changes": [], "sample": "some"}, 400, "INVALID_BODY"),
        ({"changes": [], "examples": 101}, 400, "INVALID_REQUEST"),
        ({"changes": [], "context": {"a": "\0"}}, 200, ""),
    ],
)
async def test_what_cannot_be_previewed_is_refused(shop: Application, body: Any, status: int, code: str) -> None:
    answer = await shop.admin.post("/v1/admin/preview", json=body)
    assert (answer.status_code, answer.json().get("code", "")) == (status, code)


async def test_previews_are_bounded_in_number_and_time(shop: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    service = shop.service
    monkeypatch.setattr(previews, "SECONDS", 0.0)
    question = PreviewRequest(read_documents([{"segments": [{"key": "x", "rule": "orders > 1"}]}]))
    with pytest.raises(InvalidInput, match="sample") as raised:
        await service.previews.compute(shop.environment_id, question, service.now())
    assert raised.value.code == "PREVIEW_TOO_LONG"
    monkeypatch.setattr(previews, "AT_ONCE", 0)
    with pytest.raises(Overloaded):
        await service.previews.compute(shop.environment_id, question, service.now())


FIRST = {
    "traits": [{"key": "buys", "expression": "events.buy.count(3h)"}, {"key": "plan", "expression": "profile.plan"}],
    "segments": [
        {"key": "buyers", "rule": "buys >= 2"},
        {"key": "lazy", "rule": "!segments.buyers || last_seen_minutes_ago > 60"},
    ],
    "flags": [
        {"key": "base", "rule": "segments.buyers"},
        {
            "key": "half",
            "prerequisites": [{"flag": "base", "variants": ["on"]}],
            "rules": [{"when": 'plan == "pro" && context.os == "ios"', "rollout": 40, "serve": "on"}],
        },
        {
            "key": "split",
            "type": "string",
            "variants": {"a": "A", "b": "B", "c": "C"},
            "overrides": [{"segment": "lazy", "serve": "c"}, {"profile": "u3", "serve": "b"}],
            "rules": [{"when": '!flag("half") && buys > 0', "split": {"a": 50000, "b": 50000}}],
        },
    ],
}
SECOND = {
    "traits": [{"key": "buys", "expression": "events.buy.where(amount > 3).count(5h)"}],
    "segments": [{"key": "buyers", "rule": "buys >= 1 || plan == 'pro'"}, {"key": "new", "rule": "plan == 'free'"}],
    "flags": [
        {
            "key": "half",
            "holdouts": ["base"],
            "rules": [{"when": 'segments.new || !(flag("base") && plan == "pro")', "rollout": 70, "serve": "on"}],
        },
        {"key": "fresh", "rule": "segments.new"},
    ],
}
CONTEXT = {"os": "ios"}


async def test_what_a_preview_says_happens(dsn: str) -> None:
    """Members and variants before are those that serve; those previewed are those that serve once it is published."""
    clock, pick = ManualClock(NOW), random.Random(7)
    async with services(dsn, 1, clock) as [service]:
        id = await new_environment(service.pool, "previewed", FIRST, NOW)
        for n in range(400):
            clock.now += 60_000
            user, kind = f"u{pick.randrange(60)}", pick.choice(("track", "track", "identify"))
            said = {"plan": pick.choice(("pro", "free"))} if kind == "identify" else {"amount": pick.randrange(7)}
            message = Message(
                kind=kind,  # type: ignore[arg-type]
                message_id=f"m{n}",
                identifiers=(Identifier(IdentifierKind.USER, user),),
                occurred_at=clock.now - pick.choice((0, HOUR_MS)),
                received_at=clock.now,
                name="buy" if kind == "track" else "",
                properties=said,
            )
            await service.ingest.accept(id, [message])
        await serving(service, id)
        question = PreviewRequest(read_documents([SECOND]), sample=None, context=CONTEXT, examples=100)
        previewed = await service.previews.compute(id, question, clock.now)
        members, variants = await actual(service, id)
        await publish(service.environment(id), read_documents([SECOND]), Edit("test", clock.now))
        await serving(service, id)
        members_then, variants_then = await actual(service, id)

    assert previewed.profiles == previewed.looked_at == len(variants)
    assert {s.key for s in previewed.segments} == {"buyers", "lazy", "new"}
    for segment in previewed.segments:
        was, now = members.get(segment.was or "", set()), members_then[segment.key or ""]
        assert (segment.counts.members_before, segment.counts.members) == (len(was), len(now))
        assert {int(e.profile_id) for e in segment.examples["enters"]} == now - was
        assert {int(e.profile_id) for e in segment.examples["leaves"]} == was - now
        assert all(e.why for e in segment.examples["enters"])
    assert {f.key for f in previewed.flags} == {"base", "half", "split", "fresh"}
    for flag in previewed.flags:
        key = flag.key or ""
        turns: dict[tuple[str | None, str | None], int] = {}
        for profile in variants:
            turn = (variants[profile].get(key), variants_then[profile][key])
            turns[turn] = turns.get(turn, 0) + 1
        assert {(m.before, m.after): m.profiles for m in flag.moves} == turns
    assert sum(len(flag.moves) for flag in previewed.flags) >= 10, "too little happened"


async def test_a_preview_of_the_past_agrees_with_replays_of_it(dsn: str) -> None:
    """Two ways to the same past: one statement over all profiles' messages, and the engine, person by person."""
    clock, pick = ManualClock(NOW), random.Random(3)
    async with services(dsn, 1, clock) as [service]:
        id = await new_environment(service.pool, "past", FIRST, NOW)
        instants = []
        for n in range(200):
            clock.now += 120_000
            kind = pick.choice(("track", "track", "identify"))
            message = Message(
                kind=kind,  # type: ignore[arg-type]
                message_id=f"m{n}",
                identifiers=(Identifier(IdentifierKind.USER, f"u{pick.randrange(20)}"),),
                occurred_at=clock.now - pick.choice((0, HOUR_MS)),
                received_at=clock.now,
                name="buy" if kind == "track" else "",
                properties={"plan": pick.choice(("pro", "free"))},
            )
            await service.ingest.accept(id, [message])
            if n % 50 == 25:
                instants.append(clock.now + pick.choice((0, 1, 59_999)))
        for at in instants:
            question = PreviewRequest(read_documents([SECOND]), at=at, sample=None, context=CONTEXT)
            found = await service.previews.compute(id, question, clock.now)
            members: dict[str, int] = {}
            variants: dict[tuple[str, str], int] = {}
            known = 0
            for n in range(20):
                view = await service.past.view(id, Identifier(IdentifierKind.USER, f"u{n}"), at)
                if view.since is None:
                    continue
                known += 1
                for key in view.catalog.live.flags:
                    turn = (key, decide_one(view.catalog, key, view.snapshot, at, CONTEXT).variant)
                    variants[turn] = variants.get(turn, 0) + 1
                for key in ("buyers", "lazy"):
                    members[key] = members.get(key, 0) + (view.snapshot.result(("segment", key), at)[0] is True)
            assert found.profiles == known
            assert {s.was: s.counts.members_before for s in found.segments if s.was} == members
            before: dict[tuple[str, str], int] = {}
            for flag in found.flags:
                for turn in flag.moves:
                    if flag.was and turn.before:
                        before[flag.was, turn.before] = before.get((flag.was, turn.before), 0) + turn.profiles
            assert before == variants


async def serving(service: Parts, id: int) -> None:
    worker = Worker(service.pool, Catalogs(), service.now)
    while await worker.backfill():
        pass
    while await worker.wake_due():
        pass
    await service.catalogs.refresh(service.pool, id)


async def actual(service: Parts, id: int) -> tuple[Mapping[str, set[int]], Mapping[int, Mapping[str, str]]]:
    """Who is in which segment, and who is served which variant, by the engine's own state."""
    catalog, now = service.catalogs.serving(id), service.now()
    names = {fingerprint: name[1] for name, fingerprint in catalog.live.fingerprints.items()}
    members: dict[str, set[int]] = {name[1]: set() for name in catalog.live.definitions if name[0] == "segment"}
    variants: dict[int, dict[str, str]] = {}
    async with service.pool.acquire() as connection:
        for row in await connection.fetch(
            "SELECT fingerprint, profile_id FROM memberships WHERE environment_id = $1", id
        ):
            members[names[row["fingerprint"]]].add(row["profile_id"])
        rows = await connection.fetch("SELECT id FROM profiles WHERE environment_id = $1", id)
    for row in rows:
        _, snapshot, _ = await service.profile_loader.load(id, Identifier("profileId", str(row["id"])), now)
        variants[row["id"]] = {
            key: decide_one(catalog, key, snapshot, now, CONTEXT).variant for key in catalog.live.flags
        }
    return members, variants
