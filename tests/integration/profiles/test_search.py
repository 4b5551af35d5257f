"""Searches for profiles against a naive filter of everything."""

import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from application import Application, running


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


async def names(app: Application, *where: str, **query: Any) -> list[str]:
    """The user ids that a search finds, in its order, over all of its pages."""
    found: list[str] = []
    after: dict[str, str] = {}
    while True:
        answer = await app.read.get("/v1/profiles/search", params={"where": list(where), **query, **after})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += [profile["identifiers"][0]["value"] for profile in page["profiles"]]
        if page["next"] is None:
            return found
        after = {"after": page["next"]}


@pytest.mark.parametrize("reach", [1, 4, 50_000])
async def test_a_search_finds_what_a_filter_would(
    app: Application, monkeypatch: pytest.MonkeyPatch, reach: int
) -> None:
    monkeypatch.setattr("tinycdp.runtime.profiles.search.REACH", reach)
    chance = random.Random(5)
    people: dict[str, dict[str, Any]] = {}
    for n in range(25):
        traits = {
            "plan": {"name": chance.choice(["pro", "free"]), "seats": chance.choice([3, "3", 30])},
            "email": chance.choice(["ada@x.org", "adam@x.org", "bob@x.org"]),
            "tags": ["a"],
            "staff": chance.random() < 0.4,
        }
        if chance.random() < 0.2:
            del traits["email"]
        people[f"{chance.choice('xy')}{n}"] = traits
    for id, traits in people.items():
        assert (await app.write.post("/v1/identify", json={"userId": id, "traits": traits})).status_code == 200
    newest = list(people)[::-1]
    await app.define("segment", key="staff", rule="profile.staff == true")

    def those(keep: Callable[[dict[str, Any]], bool]) -> list[str]:
        return [id for id in newest if keep(people[id])]

    for limit in (2, 200):
        assert await names(app, limit=limit) == newest
        for where, keep in (
            (["plan.name=pro"], lambda t: t["plan"]["name"] == "pro"),
            (["plan.seats=3"], lambda t: t["plan"]["seats"] == 3),
            (['plan.seats="3"'], lambda t: t["plan"]["seats"] == "3"),
            (["plan.seats^=3"], lambda t: True),
            (["email^=ada"], lambda t: t.get("email", "").startswith("ada")),
            (
                ["email^=ada@", "plan.name=free"],
                lambda t: t.get("email") == "ada@x.org" and t["plan"]["name"] == "free",
            ),
            (["plan.name=pro", "plan.seats=30"], lambda t: t["plan"] == {"name": "pro", "seats": 30}),
            (["tags^=a"], lambda t: False),
            (["plan^={"], lambda t: False),
            (["nothing=1"], lambda t: False),
            (["nothing^="], lambda t: False),
        ):
            assert await names(app, *where, limit=limit) == those(keep), where  # type: ignore[arg-type]
            by_identifier = sorted(id for id in those(keep) if id.startswith("x"))  # type: ignore[arg-type]
            assert await names(app, *where, q="x", limit=limit) == by_identifier, where
            # In a segment: the same, without the others.
            staff = {id for id in people if people[id]["staff"]}
            inside = [id for id in those(keep) if id in staff]  # type: ignore[arg-type]
            assert await names(app, *where, segment="staff", limit=limit) == inside, where
            found = await names(app, *where, q="x", segment="staff", limit=limit)
            assert found == [id for id in by_identifier if id in staff], where
        assert await names(app, segment="staff", limit=limit) == [id for id in newest if people[id]["staff"]]


async def test_conditions_are_few(app: Application) -> None:
    refused = await app.read.get("/v1/profiles/search", params={"where": ["a=1"] * 11})
    assert (refused.status_code, refused.json()["code"]) == (400, "INVALID_REQUEST")


async def test_a_segment_has_to_be_live(app: Application) -> None:
    missing = await app.read.get("/v1/profiles/search", params={"segment": "nosuch"})
    assert (missing.status_code, missing.json()["code"]) == (404, "NOT_FOUND")
