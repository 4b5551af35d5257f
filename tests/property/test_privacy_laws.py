"""An erased profile was never there; what a rule hides is nowhere, whatever the message looks like.

Shape   world one plays a history of two circles of people and erases one circle; the other world never knows of it.
        Or one circle is anonymised, and the world is compared with itself before
Laws    every other profile, and every group, is the same in both; no table names the erased ones.
        Anonymised profiles are as many as before, with as many identifiers, the same events and the same history of
        segments; no table names them, nor says anything else that they said
Source  docs/decisions/0024-privacy.md
"""

import itertools
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import serving
from laws import examples
from serving import ManualClock, new_environment
from tinycdp.app import Parts
from tinycdp.model import DAY_MS, MINUTE_MS, STRENGTH, Identifier, IdentifierKind, Message
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.policies.privacy_rules import Privacy, PrivacyPolicy, PrivacyRule
from tinycdp.runtime.worker.loops import Worker
from tinycdp.store.privacy import find_traces

NOW = 1_790_000_000_000
DOCUMENT = {
    "traits": [{"key": "spent", "expression": "events.buy.sum(amount)"}],
    "segments": [
        {"key": "buyers", "rule": "events.buy.exists(7d)"},
        {"key": "gold", "rule": 'group.tier == "gold"'},
        {"key": "pros", "rule": 'profile.plan == "pro"'},
    ],
}
law = examples(30, deep=500)
_numbers = itertools.count(1)


@pytest.fixture
async def service(dsn: str) -> AsyncIterator[Parts]:
    async with serving.services(dsn, 1, ManualClock(NOW)) as [started]:
        yield started


@st.composite
def messages(draw: st.DrawFn) -> list[Message]:
    """Messages of two circles that share groups and no identifier: mine-… and theirs-…"""
    found = []
    for n in range(draw(st.integers(1, 12))):
        circle = draw(st.sampled_from(("mine", "theirs")))
        kind: Any = draw(st.sampled_from(("track", "track", "identify", "group", "alias")))
        kinds = draw(
            st.lists(st.sampled_from((IdentifierKind.USER, IdentifierKind.ANONYMOUS)), min_size=1, unique=True)
        )
        identifiers = [Identifier(k, f"{circle}-{k[0]}{draw(st.integers(1, 2))}") for k in kinds]
        properties = draw(
            st.fixed_dictionaries(
                {"amount": st.integers(1, 9)},
                optional={"plan": st.sampled_from(("pro", "free")), "tier": st.sampled_from(("gold", "iron"))},
            )
        )
        found.append(
            Message(
                kind=kind,
                message_id=f"m{n}",
                identifiers=tuple(sorted(identifiers, key=lambda identifier: STRENGTH[identifier.kind])),
                occurred_at=NOW - draw(st.sampled_from((0, MINUTE_MS, 2 * DAY_MS))),
                received_at=NOW,
                name="buy" if kind == "track" else "",
                properties={} if kind == "alias" else properties,
                previous=f"{circle}-u{draw(st.integers(1, 2))}-was" if kind == "alias" else None,
                group_id=draw(st.sampled_from(("acme", "initech"))) if kind == "group" else None,
            )
        )
    return found


async def play(service: Parts, sent: Sequence[Message]) -> int:
    environment_id = await new_environment(service.pool, f"w{next(_numbers)}", DOCUMENT, NOW - DAY_MS)
    await service.privacy.load(service.pool)
    for message in sent:
        await service.ingest.accept(environment_id, [message])
    return environment_id


async def send_everything(service: Parts, environment_id: int) -> None:
    worker = Worker(service.pool, Catalogs(), service.now)
    while await worker.update_group_members_in(environment_id):
        pass


async def seen(service: Parts, environment_id: int) -> dict[str, Any]:
    """Everything there is of an environment, without the numbers that differ from one to the next."""
    pool = service.pool
    catalog = await service.catalogs.refresh(pool, environment_id)
    names = {segment.fingerprint: segment.name[1] for segment in catalog.segments}
    people = {}
    rows = await pool.fetch(
        "SELECT profile_id, array_agg(kind || ' ' || value ORDER BY kind, value) AS identifiers FROM identifiers"
        " WHERE environment_id = $1 GROUP BY profile_id",
        environment_id,
    )
    for row in rows:
        snapshot = await service.snapshots.load(
            environment_id, Identifier("profileId", str(row["profile_id"])), service.now()
        )
        assert snapshot is not None
        members = await pool.fetch("SELECT * FROM memberships WHERE profile_id = $1", row["profile_id"])
        people[tuple(row["identifiers"])] = {
            "properties": dict(snapshot.properties),
            "group": dict(snapshot.group),
            "seen": (snapshot.first_seen, snapshot.last_seen),
            "key": snapshot.unit,
            "spent": snapshot.result(("trait", "spent"), service.now())[0],
            "segments": {names[m["fingerprint"]]: m["entered_at"] for m in members},
        }
    groups = await pool.fetch("SELECT key, traits, stamps FROM groups WHERE environment_id = $1", environment_id)
    counts = {
        table: await pool.fetchval(f"SELECT count(*) FROM {table} WHERE environment_id = $1", environment_id)
        for table in ("events", "profiles", "memberships", "transitions", "identity_links", "rejected_claims", "merges")
    }
    return {"people": people, "groups": {row["key"]: dict(row) for row in groups}, "counts": counts}


@law
@given(history=messages())
async def test_an_erased_profile_was_never_there(service: Parts, history: list[Message]) -> None:
    one = await play(service, history)
    mine = await service.pool.fetch(
        "SELECT DISTINCT profile_id FROM identifiers WHERE environment_id = $1 AND value LIKE 'mine%'", one
    )
    values = {
        row["value"] for row in await service.pool.fetch("SELECT value FROM identifiers WHERE value LIKE 'mine%'")
    }
    if mine:
        await service.erasures.erase(one, [f"profileId:{row['profile_id']}" for row in mine], "test")
    await send_everything(service, one)
    async with service.pool.acquire() as connection:
        assert await find_traces(connection, one, [], [], sorted(values)) == {}

    other = await play(service, [message for message in history if message.identifiers[0].value.startswith("theirs")])
    await send_everything(service, other)
    left, never = await seen(service, one), await seen(service, other)
    if any(message.kind == "group" for message in history):
        # Others did enter and leave by what was said of their group then: their past stays as it was.
        del left["counts"]["transitions"], never["counts"]["transitions"]
    assert left == never


@law
@given(history=messages())
async def test_an_anonymised_profile_counts_as_before_and_is_nowhere(service: Parts, history: list[Message]) -> None:
    environment_id = await play(service, history)
    await send_everything(service, environment_id)
    pool = service.pool
    mine = await pool.fetch(
        "SELECT profile_id, value FROM identifiers WHERE environment_id = $1 AND value LIKE 'mine%'", environment_id
    )
    before, others = await counted(service, environment_id), await seen(service, environment_id)
    if mine:
        # Each by one of its identifiers: what was merged into the profile goes with it.
        wanted = [f"profileId:{id}" for id in sorted({row["profile_id"] for row in mine})]
        receipt = await service.erasures.erase(environment_id, wanted, "test", kind="anonymization")
        assert receipt.profiles == len(wanted)
    await send_everything(service, environment_id)
    sent = [one for one in history if one.identifiers[0].value.startswith("mine")]
    values = {identifier.value for one in sent for identifier in one.identifiers} | {row["value"] for row in mine}
    values |= {one.previous for one in sent if one.previous is not None}
    async with pool.acquire() as connection:
        ids = [row["profile_id"] for row in mine]
        assert await find_traces(connection, environment_id, ids, [], sorted(values)) == {}
    said = await pool.fetch(
        "SELECT e.properties, p.properties AS profile FROM identifiers i"
        " LEFT JOIN events e ON e.environment_id = i.environment_id AND e.identifier_id = i.id"
        " JOIN profiles p ON p.environment_id = i.environment_id AND p.id = i.profile_id"
        " WHERE i.environment_id = $1 AND i.value LIKE 'anonymous-%'",
        environment_id,
    )
    assert all(not row["properties"] and not row["profile"] for row in said)

    after, now = await counted(service, environment_id), await seen(service, environment_id)
    assert after["history"] >= before["history"]
    added = after.pop("history") - before.pop("history")
    # Only a segment that reads a property, which is gone, may be left now.
    assert all(segment != "buyers" and not entered for segment, entered, _ in added)
    assert after == before
    theirs = [names for names in others["people"] if names[0].split(" ")[1].startswith("theirs")]
    for names in theirs:
        if not any(message.kind == "group" for message in sent):
            assert now["people"][names] == others["people"][names]
    assert len(now["people"]) == len(others["people"])


async def counted(service: Parts, environment_id: int) -> dict[str, Counter[Any]]:
    """What analytics count: profiles, identifiers, events, buyers and the history of segments."""

    async def rows(query: str) -> Counter[Any]:
        return Counter(map(tuple, await service.pool.fetch(query, environment_id)))

    catalog = await service.catalogs.refresh(service.pool, environment_id)
    [buyers] = [segment.fingerprint for segment in catalog.segments if segment.name[1] == "buyers"]
    keys = {segment.id: segment.name[1] for segment in catalog.segments}
    history = await rows("SELECT segment_id, entered, at FROM transitions WHERE environment_id = $1")
    return {
        "profiles": await rows("SELECT created_at FROM profiles WHERE environment_id = $1 AND merged_into IS NULL"),
        "identifiers": await rows("SELECT kind FROM identifiers WHERE environment_id = $1"),
        "events": await rows("SELECT id, kind, name, occurred_at, received_at FROM events WHERE environment_id = $1"),
        "buyers": await rows(
            f"SELECT entered_at FROM memberships WHERE environment_id = $1 AND fingerprint = {buyers}"
        ),
        "history": Counter({(keys[id], *rest): n for (id, *rest), n in history.items()}),
    }


# Rules


SECRET = "s3cr3t-value"
NAMES = ("email", "a", "b.email", "plain")
values = st.recursive(
    st.sampled_from((SECRET, 1, True, None, "harmless")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=8,
)
documents = st.dictionaries(st.sampled_from(NAMES), values, max_size=4)


def hidden(value: Any, *, under: bool = False) -> bool:
    """Whether the secret stands anywhere under a name that is, or ends with, email."""
    match value:
        case dict():
            return any(hidden(inner, under=under or name.split(".")[-1] == "email") for name, inner in value.items())
        case list():
            return any(hidden(inner, under=under) for inner in value)
        case _:
            return under and value == SECRET


@examples(300)
@given(properties=documents, context=documents, action=st.sampled_from(("drop", "hash", "mask")))
def test_a_rule_leaves_no_value_and_touches_no_other(
    properties: dict[str, Any], context: dict[str, Any], action: Any
) -> None:
    privacy = Privacy({1: b"secret of the environment"})
    policy = PrivacyPolicy(rules=(PrivacyRule("**.email", action),))
    message = Message(
        kind="track",
        message_id="m",
        identifiers=(Identifier(IdentifierKind.USER, "u"),),
        occurred_at=NOW,
        received_at=NOW,
        name="a",
        properties=properties,
        context=context,
    )
    redacted = privacy.redact(1, policy, message)
    again = privacy.redact(1, policy, message)
    assert msgspec.json.encode(redacted) == msgspec.json.encode(again)
    for before, after in ((properties, redacted.properties), (context, redacted.context)):
        assert not hidden(after)
        if "email" not in str(before):
            assert after is before
        if action == "drop":
            assert "email" not in str(after)
        assert len(str(before).split("plain")) >= len(str(after).split("plain"))


PATHS = st.builds(
    lambda place, steps, last: ".".join((place, *steps, last)),
    st.sampled_from(("properties", "*", "**")),
    st.lists(st.sampled_from(("a", "b", "*", "**")), max_size=4),
    st.sampled_from(("a", "b", "*")),
)
TREES = st.recursive(
    st.integers(0, 9),
    lambda inner: st.dictionaries(st.sampled_from(("a", "b", "c", "a.b")), inner, max_size=3),
    max_leaves=12,
)


def leads_to(steps: tuple[str, ...], names: tuple[str, ...]) -> bool:
    """What a path means, word for word."""
    if not steps:
        return not names
    if steps[0] == "**":
        return leads_to(steps[1:], names) or (bool(names) and leads_to(steps, names[1:]))
    return bool(names) and steps[0] in ("*", names[0]) and leads_to(steps[1:], names[1:])


def without(steps: tuple[str, ...], tree: Any, above: tuple[str, ...] = ()) -> Any:
    if type(tree) is not dict:
        return tree
    left = {}
    for name, inner in tree.items():
        names = (*above, *name.split("."))
        if not any(leads_to(steps, names[:n]) for n in range(len(above) + 1, len(names) + 1)):
            left[name] = without(steps, inner, names)
    return left


@examples(500)
@given(
    paths=st.lists(PATHS, min_size=1, max_size=3),
    tree=st.dictionaries(st.sampled_from(("a", "b", "a.b")), TREES, max_size=3),
)
def test_paths_lead_where_they_say(paths: list[str], tree: dict[str, Any]) -> None:
    privacy = Privacy({1: b"secret of the environment"})
    message = Message(
        kind="track",
        message_id="m",
        identifiers=(Identifier(IdentifierKind.USER, "u"),),
        occurred_at=NOW,
        received_at=NOW,
        name="a",
        properties=tree,
    )
    redacted = privacy.redact(1, PrivacyPolicy(rules=tuple(PrivacyRule(path, "drop") for path in paths)), message)
    left = tree
    for path in paths:
        place, *steps = path.split(".")
        left = without(("**", *steps) if place == "**" else tuple(steps), left)
    assert redacted.properties == left
