"""The language through HTTP, on an environment with people, events and definitions."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from application import Application, running


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        await application.track(
            *({"userId": "ada", "event": "app_open", "messageId": f"open{n}"} for n in range(3)),
            {"userId": "ada", "event": "app_buy", "properties": {"amount": 3, "item": {"sku": "x"}, "a.b": 1}},
        )
        await application.write.post(
            "/v1/identify", json={"userId": "ada", "traits": {"plan": "pro", "geo": {"city": "x"}}}
        )
        await application.define("trait", key="opens", expression="events.app_open.count_30d", description="Of late.")
        await application.define("segment", key="regulars", rule="opens >= 3 && profile.nickname != 'x'")
        await application.define("flag", key="thanks", rule="segments.regulars")
        yield application


async def asked(app: Application, what: str, marked: str, **more: Any) -> dict[str, Any]:
    before, _, after = marked.rpartition("|")
    body = {"source": before + after, "position": len(before), "kind": "segment", **more}
    answer = await app.admin.post(f"/v1/dsl/{what}", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def labels(app: Application, marked: str, **more: Any) -> list[str]:
    return [item["label"] for item in (await asked(app, "complete", marked, **more))["items"]]


async def test_proposals_know_the_environment(app: Application) -> None:
    assert await labels(app, "events.|") == ["app_open", "app_buy", "any"]
    assert (await labels(app, "events.app_buy.where(it|"))[0] == "item"
    assert (await labels(app, "events.app_buy.where(|"))[:2] == ["amount", "item"]
    assert await labels(app, "events.app_buy.sum(|") == ["amount", "item"]
    assert set(await labels(app, "profile.|")) == {"plan", "geo", "nickname"}
    assert await labels(app, "profile.geo.|") == ["city"]
    assert (await labels(app, "op|"))[0] == "opens"
    assert (await labels(app, "opens |"))[0] == ">="
    assert await labels(app, "segments.|") == ["regulars"]
    assert 'flag("thanks")' in await labels(app, "tha|", kind="flag")
    assert 'flag("thanks")' not in await labels(app, "tha|")
    assert "mine" in await labels(app, "mi|", kind="trait", key="mine")


async def test_an_answer_has_the_form_that_is_documented(app: Application) -> None:
    found = await asked(app, "complete", "events.app_b|.count_7d")
    assert (found["from"], found["to"]) == (7, 12)
    assert found["items"][0] == {
        "label": "app_buy", "insert": "app_buy", "kind": "event", "detail": "event", "score": found["items"][0]["score"]
    }  # fmt: skip
    found = await asked(app, "hover", "ope|ns > 3")
    assert (found["from"], found["to"], found["type"]) == (0, 5, "number")
    assert "Of late." in found["markdown"] and "events.app_open.count_30d" in found["markdown"]
    assert await asked(app, "hover", "absent|") == {"from": 6, "to": 6, "markdown": None, "type": None}


async def test_check_takes_sources_apart(app: Application) -> None:
    source = "events.purchase.sum(amount, 30d) >= 99.5 && !segments.away && spent ?? 0 > 1"
    checked = (await app.read.post("/v1/dsl/check", json={"kind": "segment", "expression": source})).json()
    [first, second, third] = checked["terms"]
    assert [source[term["from"] : term["to"]] for term in checked["terms"]] == source.split(" && ")
    assert (first["join"], second["join"], second["negated"], third["shape"]) == (None, "and", True, None)
    assert second["shape"]["subject"] == {"from": 45, "to": 58, "kind": "segment", "name": "away"}
    assert first["shape"]["measure"]["property"] == {"from": 20, "to": 26, "text": "amount"}
    assert (first["shape"]["window"]["text"], first["shape"]["value"]["value"]) == ("30d", 99.5)
    rules = [{"when": "spent > 1 || true", "serve": "on"}, {"when": "segments.vip", "serve": "on"}]
    flag = (await app.read.post("/v1/dsl/check", json={"kind": "flag", "flag": {"rules": rules}})).json()
    assert [term["path"] for term in flag["terms"]] == ["$.rules[0].when"] * 2 + ["$.rules[1].when"]


async def test_check_is_validate(app: Application) -> None:
    for body in (
        {"kind": "segment", "expression": "opens = 3"},
        {"kind": "trait", "key": "opens", "expression": "segments.regulars"},
        {"kind": "flag", "flag": {"rule": "segments.absent"}},
    ):
        checked, validated = [await app.admin.post(path, json=body) for path in ("/v1/dsl/check", "/v1/admin/validate")]
        assert checked.status_code == 200
        first = next(one for one in checked.json()["diagnostics"] if one["severity"] == "error")
        assert validated.json() == checked.json() | {"error": first["message"]}
        assert checked.json()["diagnostics"]


async def test_formatting_loses_nothing_and_says_what_it_cannot_read(app: Application) -> None:
    body = {"source": "opens>3 // enough\n and segment('regulars')"}
    answer = (await app.admin.post("/v1/dsl/format", json=body)).json()
    assert answer == {"formatted": "// enough\nopens > 3 && segments.regulars", "diagnostics": []}
    answer = (await app.admin.post("/v1/dsl/format", json={"source": "opens ="})).json()
    assert answer["formatted"] is None
    assert [found["code"] for found in answer["diagnostics"]] == ["E101"]


async def test_another_environment_shows_nothing_of_this_one(app: Application) -> None:
    body = {"source": "", "position": 0, "kind": "flag"}
    items = (await app.stranger.post("/v1/dsl/complete", json=body)).json()["items"]
    assert {item["kind"] for item in items} <= {"function", "keyword", "name"}


async def test_a_body_that_is_none_is_refused(app: Application) -> None:
    for path, body in (("complete", {"source": ""}), ("hover", {"source": 1, "position": 0}), ("format", {})):
        answer = await app.admin.post(f"/v1/dsl/{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_BODY")


async def test_an_expression_is_described_in_words(app: Application) -> None:
    source = 'segments.regulars && !(profile.geo.city == "x") && events.app_buy.count_30d > 0'
    answer = await app.admin.post("/v1/dsl/explain", json={"kind": "segment", "expression": source})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["text"] == (
        'People who are in the segment regulars, whose geo.city is not "x", '
        "and who did app_buy at least once in the last 30 days."
    )
    assert found["reads"] == {
        "events": ["app_buy"],
        "properties": ["geo.city"],
        "group": [],
        "context": [],
        "definitions": [{"kind": "segment", "key": "regulars"}],
    }
    assert found["changes"] == [
        "When the segment regulars changes.",
        "When one of their app_buy events gets 30 days old.",
    ]
    assert found["unknown"] == ["Unknown (not in the segment) if their geo.city is missing or is not text."]
    [tree] = found["tree"]
    assert (tree["from"], tree["to"], tree["text"]) == (0, len(source), found["text"])
    assert [source[part["from"] : part["to"]] for part in tree["parts"]] == source.split(" && ")
    checked = (await app.admin.post("/v1/dsl/check", json={"kind": "segment", "expression": source})).json()
    assert (found["cost"], found["diagnostics"]) == (checked["cost"], checked["diagnostics"])
    assert [d["code"] for d in found["diagnostics"]] == ["W-NULL"]


async def test_a_flag_is_described_rule_by_rule(app: Application) -> None:
    rules = [{"when": "segments.regulars", "serve": "on"}, {"when": 'context.os == "ios"', "serve": "on"}]
    answer = (await app.admin.post("/v1/dsl/explain", json={"kind": "flag", "flag": {"rules": rules}})).json()
    assert answer["text"].splitlines() == [
        "Applies to a person when they are in the segment regulars.",
        'Applies to a person when the request\'s os is "ios".',
    ]
    assert [tree["path"] for tree in answer["tree"]] == ["$.rules[0].when", "$.rules[1].when"]


async def test_an_expression_with_errors_is_not_described(app: Application) -> None:
    answer = (await app.admin.post("/v1/dsl/explain", json={"expression": "opens = 3"})).json()
    assert (answer["valid"], answer["text"], answer["tree"]) == (False, None, [])
    assert [d["code"] for d in answer["diagnostics"]] == ["E101"]
    loop = {"kind": "trait", "key": "opens", "expression": "if(segments.regulars, 1, 2)"}
    answer = (await app.admin.post("/v1/dsl/explain", json=loop)).json()
    assert (answer["valid"], answer["text"]) == (False, None)
