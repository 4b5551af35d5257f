"""Events that are forwarded: which ones, in what form, with whose consent."""

from typing import Any

from delivering import House
from receiver import Receiver
from serving import eventually


async def track(house: House, event: str, user: str, n: int = 0, **given: Any) -> None:
    await house.app.track({"event": event, "userId": user, "messageId": f"{user}-{event}-{n}", **given})


async def caught_up(house: House, key: str) -> None:
    async def there() -> bool:
        return (await house.health(key))["behind"] == 0

    await eventually(there)


def named(body: dict[str, Any]) -> str:
    """The id of an event's message, or the type of something else."""
    return str(body["data"].get("event", {}).get("messageId", body["type"]))


async def test_events_are_forwarded_by_name_and_condition(house: House, receiver: Receiver) -> None:
    await house.put(
        "tool", receiver, "event", "segment.entered", eventNames=["buy", "$identify"],
        where="price > 10 || profile.vip == true || segments.went",
    )  # fmt: skip
    async with house.delivering():
        await track(house, "buy", "ada", 1, properties={"price": 5})
        await track(house, "buy", "ada", 2, properties={"price": 20.10}, context={"page": {"path": "/x"}})
        await track(house, "view", "ada", 1, properties={"price": 99})
        await house.enter("ada")
        vip = {"userId": "bob", "traits": {"vip": True}, "messageId": "bob"}
        assert (await house.app.write.post("/v1/identify", json=vip)).status_code == 200
        await track(house, "buy", "bob", 1)

        async def all_arrived() -> bool:
            return {"segment.entered", "bob-buy-1"} <= {named(request.body) for request in receiver.requests}

        await eventually(all_arrived)
        await caught_up(house, "tool")
    bodies = [request.body for request in receiver.requests]
    events = [named(one) for one in bodies]
    # In order for each person. The first purchase was sent after ada entered the segment, or was left out before.
    assert [one for one in events if one != "ada-buy-1" and "bob" not in one] == ["ada-buy-2", "segment.entered"]
    assert [one for one in events if "bob" in one] == ["bob", "bob-buy-1"]
    (bought,) = [one["data"] for one in bodies if named(one) == "ada-buy-2"]
    assert b'"price":20.1' in receiver.requests[events.index("ada-buy-2")].raw
    assert (bought["event"]["type"], bought["event"]["name"]) == ("track", "buy")
    assert bought["event"]["context"]["page"] == {"path": "/x"}
    assert bought["profile"]["identifiers"] == [{"kind": "userId", "value": "ada"}]


async def test_consent_and_erasure_are_honoured(house: House, receiver: Receiver) -> None:
    def consent(**purposes: bool) -> dict[str, Any]:
        return {"context": {"consent": {"categoryPreferences": purposes}}}

    mapping = {"n": {"field": "event.properties.n"}, "who": {"field": "identifier.userId"}}
    document = {"type": "http", "mapping": mapping, "consent": ["marketing"]}
    await house.put("ads", receiver, "event", paused=True, **document)
    await track(house, "a", "ada", 1, properties={"n": 1})
    await track(house, "a", "ada", 2, properties={"n": 2}, **consent(marketing=False, analytics=True))
    await track(house, "a", "ada", 3, properties={"n": 3}, **consent(marketing=True, analytics=False))
    await track(house, "a", "eve", 1, properties={"n": 4})
    async with house.delivering():
        await caught_up_log(house, "ads", 4)
        erased = await house.app.admin.delete("/v1/admin/profiles/eve")
        assert erased.status_code in (200, 202), erased.text
        await house.put("ads", receiver, "event", status=200, **document)
        await caught_up(house, "ads")
    assert [request.body for request in receiver.requests] == [{"n": 1, "who": "ada"}, {"n": 3, "who": "ada"}]


async def caught_up_log(house: House, key: str, behind: int) -> None:
    async def there() -> bool:
        return (await house.health(key))["behind"] == behind

    await eventually(there)


async def test_a_sample_has_always_the_same_people(house: House, receiver: Receiver) -> None:
    users = [f"user{n}" for n in range(40)]
    await house.put("some", receiver, "event", sample=0.5)
    await house.put("all", f"{receiver.url}/all", "event")
    async with house.delivering():
        for n in range(2):
            for user in users:
                await track(house, "a", user, n)

        async def all_arrived() -> bool:  # so the log is complete
            return len([one for one in receiver.requests if one.path.endswith("/all")]) == 2 * len(users)

        await eventually(all_arrived)
        await caught_up(house, "some")
    some = [one.body["data"]["profile"] for one in receiver.requests if not one.path.endswith("/all")]
    sent = [one["value"] for profile in some for one in profile["identifiers"]]
    assert 5 < len(set(sent)) < 35
    assert sorted(sent) == sorted(list(set(sent)) * 2)


async def test_a_test_sends_the_newest_event(house: House, receiver: Receiver) -> None:
    await house.put("tool", receiver, "event", eventNames=["buy"])
    await track(house, "buy", "ada", 1, properties={"n": 1})
    await track(house, "view", "ada", 2)
    profile = (await house.app.read.get("/v1/profiles/ada")).json()["id"]
    body = {"type": "event", "profile": profile, "dryRun": True}
    assert (await house.post("tool", "test", body))["body"]["data"]["event"]["properties"] == {"n": 1}
    await house.enter("bob")
    other = (await house.app.read.get("/v1/profiles/bob")).json()["id"]
    assert "have none" in (await house.post("tool", "test", {**body, "profile": other}, status=404))["message"]
    wrong = await house.put("x", receiver, "segment.entered", eventNames=["buy"], status=400)
    assert wrong["path"] == "$.eventNames"
