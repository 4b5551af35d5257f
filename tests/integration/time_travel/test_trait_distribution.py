"""How a trait's values are spread, against the values of each profile."""

import random
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from application import Application, running
from builders import at
from serving import ManualClock
from tinycdp.model import DAY_MS, HOUR_MS
from tinycdp.runtime.time_travel import distribution as distributions
from tinycdp.runtime.time_travel import preview as previews

NOW = at("2026-03-02T00:00:00Z")
TRAITS = {
    "orders": "events.purchase.count_90d",
    "recent": "events.purchase.count_2d",
    "spent": "events.purchase.sum(amount)",
    "plan": "profile.plan",
    "mixed": "profile.mixed",
    "grown": "profile.age >= 18",
    "last": "events.purchase.last_at",
    "since": "ago(events.purchase.last_at)",
}


@pytest.fixture
def now() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def app(dsn: str, now: ManualClock) -> AsyncIterator[Application]:
    async with running(dsn, now) as application:
        yield application


async def ask(app: Application, trait: str, **query: Any) -> dict[str, Any]:
    answer = await app.read.get(f"/v1/admin/traits/{trait}/distribution", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def people(app: Application, now: ManualClock, chance: random.Random, n: int) -> None:
    texts = [f"plan {letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    anything: list[Any] = [3, -0.25, "three", True, False, ["a"], ["a", "b"], 10**9]
    for i in range(n):
        properties: dict[str, Any] = {"seen": i}
        if chance.random() < 0.8:
            properties["plan"] = chance.choice(texts)
        if chance.random() < 0.8:
            properties["mixed"] = chance.choice(anything)
        if chance.random() < 0.8:
            properties["age"] = chance.randrange(12, 60)
        await app.write.post("/v1/identify", json={"userId": f"u{i}", "traits": properties})
        bought = [
            {"userId": f"u{i}", "event": "purchase", "properties": {"amount": chance.choice((5, 19.99, 120, -3.5))}}
            for _ in range(chance.randrange(4))
        ]
        if bought:
            await app.track(*bought)
        now.now += chance.randrange(HOUR_MS)


def kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "text"
    return "list" if isinstance(value, list) else "number"


@pytest.mark.parametrize("seed", range(2))
async def test_a_distribution_counts_the_values_that_profiles_have(
    app: Application, now: ManualClock, seed: int
) -> None:
    for key, expression in TRAITS.items():
        await app.define("trait", key=key, expression=expression)
    await people(app, now, random.Random(seed), 40)
    now.now += DAY_MS + 12 * HOUR_MS  # some purchases are no longer of the last two days
    profiles = [(await app.read.get(f"/v1/profiles/u{i}")).json()["traits"] for i in range(40)]
    for key in TRAITS:
        found = await ask(app, key)
        assert (found["lookedAt"], found["profiles"], found["sampled"]) == (40, 40, False)
        values = [profile[key]["value"] for profile in profiles]
        known = [value for value in values if value is not None]
        assert found["unknown"] == 40 - len(known), key
        assert found["unknown"] + sum(found["kinds"].values()) == 40
        if found["type"] in ("datetime", "duration"):
            by_kind = {found["type"]: known}
        else:
            by_kind = {kind: [v for v in known if kind_of(v) == kind] for kind in map(kind_of, known)}
        assert found["kinds"] == {kind: len(those) for kind, those in by_kind.items()}, key
        for spread in found["spreads"]:
            check_spread(spread, sorted(by_kind[spread["kind"]]))
        ordered = {"number", "datetime", "duration"}
        assert {spread["kind"] for spread in found["spreads"]} == by_kind.keys() & ordered, key
        flags = Counter(by_kind.get("boolean", ()))
        assert found["booleans"] == ({"true": flags[True], "false": flags[False]} if flags else None)
        check_texts(found["texts"], Counter(by_kind.get("text", ())))


def check_spread(spread: dict[str, Any], ranked: list[Any]) -> None:
    assert (spread["min"], spread["max"]) == (ranked[0], ranked[-1])
    for name, percent in (("p5", 5), ("p25", 25), ("median", 50), ("p75", 75), ("p95", 95)):
        at_or_below = sum(value <= spread[name] for value in ranked)
        below = sum(value < spread[name] for value in ranked)
        assert 100 * below < percent * len(ranked) <= 100 * at_or_below, name
    bins = spread["bins"]
    assert 1 <= len(bins) <= distributions.MOST_BINS
    assert [one["end"] for one in bins[:-1]] == [one["start"] for one in bins[1:]]
    for one in bins:
        assert one["profiles"] == sum(one["start"] <= value < one["end"] for value in ranked), one
    assert sum(one["profiles"] for one in bins) == len(ranked)
    assert bins[0]["profiles"] and bins[-1]["profiles"]


def check_texts(found: dict[str, Any] | None, counted: Counter[str]) -> None:
    if not counted:
        assert found is None
        return
    assert found is not None
    top = {one["value"]: one["profiles"] for one in found["top"]}
    assert len(top) == min(len(counted), distributions.MOST_TEXTS)
    others = {text: n for text, n in counted.items() if text not in top}
    assert top == {text: counted[text] for text in top}
    assert min(top.values()) >= max(others.values(), default=0)
    assert (found["rest"], found["restProfiles"]) == (len(others), sum(others.values()))


async def test_no_more_profiles_than_the_sample_are_evaluated(
    app: Application, now: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await app.define("trait", key="orders", expression="events.purchase.count_90d")
    await people(app, now, random.Random(3), 12)
    evaluated: list[int] = []
    evaluate = distributions.evaluate

    def counting(profile: Any, *rest: Any) -> Any:
        evaluated.append(profile.id)
        return evaluate(profile, *rest)

    monkeypatch.setattr(distributions, "evaluate", counting)
    found = await ask(app, "orders", sample=5)
    assert (found["lookedAt"], found["profiles"], found["sampled"]) == (5, 12, True)
    assert found["unknown"] + sum(found["kinds"].values()) == 5
    first = sorted(evaluated)
    assert len(first) == 5
    assert (await ask(app, "orders", sample=5))["spreads"] == found["spreads"]
    assert sorted(evaluated[5:]) == first


async def test_it_waits_its_turn_among_previews(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    await app.define("trait", key="orders", expression="events.purchase.count_90d")
    monkeypatch.setattr(previews, "AT_ONCE", 0)
    answer = await app.read.get("/v1/admin/traits/orders/distribution")
    assert (answer.status_code, answer.json()["code"]) == (429, "PREVIEWS_BUSY")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("none/distribution", 404, "NOT_FOUND"),
        ("orders/distribution?sample=0", 400, "INVALID_REQUEST"),
        ("orders/distribution?sample=10001", 400, "INVALID_REQUEST"),
        ("orders/distribution?size=3", 400, "UNKNOWN_PARAMETER"),
    ],
)
async def test_what_is_wrong_is_said(app: Application, path: str, status: int, code: str) -> None:
    await app.define("trait", key="orders", expression="events.purchase.count_90d")
    answer = await app.read.get(f"/v1/admin/traits/{path}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_without_people_there_is_nothing_to_count(app: Application) -> None:
    await app.define("trait", key="orders", expression="events.purchase.count_90d")
    found = await ask(app, "orders")
    assert (found["profiles"], found["lookedAt"], found["unknown"], found["kinds"]) == (0, 0, 0, {})
    assert (found["spreads"], found["booleans"], found["texts"], found["sampled"]) == ([], None, None, False)
