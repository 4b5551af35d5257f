"""Saved reports, metrics, derived events and dashboards over HTTP: versions, conflicts, names, permissions."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from application import Application, running

BUYERS = {"kind": "trend", "last": "30d", "series": [{"event": "purchase", "measure": "people"}]}
EXAMPLES: dict[str, dict[str, Any]] = {
    "event": {"any": [{"event": "purchase"}, {"event": "trial", "where": "days >= 7"}]},
    "metric": {"name": "Revenue", "event": "purchase", "measure": "sum", "property": "amount"},
    "report": {"name": "Buyers", "question": BUYERS},
    "dashboard": {"tiles": [{"text": "# Week"}, {"title": "Buyers", "question": BUYERS, "width": 12}]},
}


@pytest.fixture
async def app(dsn: str) -> AsyncIterator[Application]:
    async with running(dsn) as application:
        yield application


async def put(app: Application, kind: str, key: str, status: int = 201, **document: Any) -> dict[str, Any]:
    answer = await app.admin.put(f"/v1/analytics/{kind}s/{key}", json=document)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("kind", EXAMPLES)
async def test_each_version_is_kept_and_can_be_restored(app: Application, kind: str) -> None:
    path = f"/v1/analytics/{kind}s/one"
    first = await put(app, kind, "one", **EXAMPLES[kind])
    assert (first["version"], first["document"], first["warnings"]) == (1, EXAMPLES[kind], [])
    again = await put(app, kind, "one", status=200, **EXAMPLES[kind])
    assert again["version"] == 1, "the same document changes nothing"
    second = await put(app, kind, "one", status=200, **EXAMPLES[kind], description="changed")
    assert (second["version"], second["description"]) == (2, "changed")

    stale = await app.admin.put(path, json=EXAMPLES[kind], headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"], stale.json()["version"]) == (409, "VERSION_CONFLICT", 2)
    exists = await app.admin.put(path, json=EXAMPLES[kind], headers={"If-Match": '"0"'})
    assert exists.json()["code"] == "KEY_EXISTS"

    renamed = await app.admin.post(f"{path}/rename", json={"key": "other", "note": "a better key"})
    assert [c["action"] for c in renamed.json()["changes"]] == ["rename"]
    deleted = await app.admin.delete(f"/v1/analytics/{kind}s/other")
    assert deleted.status_code == 200
    assert (await app.read.get(f"/v1/analytics/{kind}s/other")).status_code == 404

    restored = await app.admin.post(f"/v1/analytics/{kind}s/other/versions/1/restore", json={"note": "back"})
    assert [(c["action"], c["version"]) for c in restored.json()["changes"]] == [("create", 5)]
    now = (await app.read.get(f"/v1/analytics/{kind}s/other")).json()
    assert (now["version"], now["document"]) == (5, EXAMPLES[kind])
    for key in ("one", "other"):
        versions = (await app.read.get(f"/v1/analytics/{kind}s/{key}/versions")).json()["versions"]
        assert [v["version"] for v in versions] == [5, 4, 3, 2, 1]
        assert [v["note"] for v in versions] == ["back", "", "a better key", "", ""]
        assert versions[1]["document"] is None


@pytest.mark.parametrize("kind", EXAMPLES)
async def test_a_dry_run_saves_nothing(app: Application, kind: str) -> None:
    path = f"/v1/analytics/{kind}s/one"
    answer = await app.admin.put(f"{path}?dryRun=true", json=EXAMPLES[kind])
    assert (answer.status_code, answer.json()["dryRun"]) == (200, True)
    assert [(c["action"], c["kind"], c["key"]) for c in answer.json()["changes"]] == [("create", kind, "one")]
    assert (await app.read.get(f"/v1/analytics/{kind}s")).json() == {f"{kind}s": []}


async def test_a_save_makes_no_revision(app: Application) -> None:
    before = (await app.admin.get("/v1/admin/revisions")).json()["revisions"]
    await put(app, "report", "buyers", question=BUYERS)
    assert (await app.admin.get("/v1/admin/revisions")).json()["revisions"] == before


async def test_all_mistakes_of_a_document_are_named_with_their_paths(app: Application) -> None:
    answer = await app.admin.put("/v1/analytics/reports/one", json={"question": {**BUYERS, "serie": 1}})
    assert (answer.status_code, answer.json()["path"]) == (400, "$.question.serie")
    assert "series" in answer.json()["message"]
    tiles = [{"text": "a", "report": "b"}, {}]
    answer = await app.admin.put("/v1/analytics/dashboards/one", json={"tiles": tiles})
    assert (answer.status_code, answer.json()["path"]) == (400, "$.tiles[0]")
    assert "`report` and `text`" in answer.json()["message"]


async def test_what_is_named_exists_and_stays(app: Application) -> None:
    question = {**BUYERS, "series": [{"event": {"derived": "activation"}}, {"metric": "revenue"}]}
    answer = await app.admin.put("/v1/analytics/reports/weekly", json={"question": question})
    assert (answer.status_code, answer.json()["path"]) == (400, "$.question.series[0].event.derived")

    await put(app, "event", "activation", **EXAMPLES["event"])
    await put(app, "metric", "revenue", **EXAMPLES["metric"])
    misspelt = {**question, "series": [{"metric": "revenu"}]}
    answer = await app.admin.put("/v1/analytics/reports/weekly", json={"question": misspelt})
    assert "'revenue'" in answer.json()["message"]

    await put(app, "report", "weekly", question=question)
    await put(app, "dashboard", "home", tiles=[{"report": "weekly"}])
    for path, users in (
        ("events/activation", [{"kind": "report", "key": "weekly"}]),
        ("metrics/revenue", [{"kind": "report", "key": "weekly"}]),
        ("reports/weekly", [{"kind": "dashboard", "key": "home"}]),
    ):
        refused = await app.admin.delete(f"/v1/analytics/{path}")
        assert (refused.status_code, refused.json()["code"], refused.json()["usedBy"]) == (409, "REFERENCED", users)
        assert (await app.read.get(f"/v1/analytics/{path}")).json()["usedBy"] == users

    renamed = (await app.admin.post("/v1/analytics/metrics/revenue/rename", json={"key": "income"})).json()
    assert [(c["action"], c["key"]) for c in renamed["changes"]] == [("rename", "income"), ("update", "weekly")]
    weekly = (await app.read.get("/v1/analytics/reports/weekly")).json()["document"]
    assert weekly["question"]["series"] == [{"event": {"derived": "activation"}}, {"metric": "income"}]


async def test_a_derived_event_is_not_made_of_itself(app: Application) -> None:
    await put(app, "event", "a", any=[{"event": "purchase"}])
    await put(app, "event", "b", any=[{"event": {"derived": "a"}}])
    answer = await app.admin.put("/v1/analytics/events/a", json={"any": [{"event": {"derived": "b"}}]})
    assert (answer.status_code, answer.json()["message"].endswith("made of itself: a -> b -> a.")) == (400, True)


async def test_saved_definitions_are_published_with_all_others_or_not_at_all(app: Application) -> None:
    segment = {"kind": "segment", "key": "vip", "document": {"rule": "profile.plan == 'pro'"}}
    metric = {"kind": "metric", "key": "revenue", "document": EXAMPLES["metric"]}
    report = {"kind": "report", "key": "r", "document": {"question": {**BUYERS, "series": [{"metric": "revenue"}]}}}
    wrong = {"kind": "report", "key": "s", "document": {"question": {**BUYERS, "series": [{"metric": "missing"}]}}}
    refused = await app.admin.post("/v1/admin/publish", json={"changes": [segment, metric, report, wrong]})
    assert (refused.status_code, refused.json()["findings"][0]["key"]) == (400, "s")
    assert (await app.admin.get("/v1/admin/segments")).json()["segments"] == []
    assert (await app.read.get("/v1/analytics/metrics")).json() == {"metrics": []}
    published = await app.admin.post("/v1/admin/publish", json={"changes": [segment, metric, report]})
    assert [(c["kind"], c["action"]) for c in published.json()["changes"]] == [
        ("segment", "create"),
        ("metric", "create"),
        ("report", "create"),
    ]
    assert (await app.read.get("/v1/analytics/reports/r")).json()["version"] == 1


async def test_saves_at_once_are_one_after_another(app: Application) -> None:
    answers = await asyncio.gather(*(put(app, "report", f"r{n}", question=BUYERS) for n in range(6)))
    assert [answer["version"] for answer in answers] == [1] * 6
    created = await asyncio.gather(
        *(
            app.admin.put("/v1/analytics/reports/one", json={"question": BUYERS}, headers={"If-Match": '"0"'})
            for _ in "ab"
        )
    )
    assert sorted(answer.status_code for answer in created) == [201, 409]


async def test_keys_read_and_only_admins_change(app: Application) -> None:
    await put(app, "report", "buyers", question=BUYERS)
    path = "/v1/analytics/reports/buyers"
    assert (await app.read.get(path)).status_code == 200
    assert (await app.write.get(path)).status_code == 403
    assert (await app.keyless.get(path)).status_code == 401
    assert (await app.read.put(path, json={"question": BUYERS})).status_code == 403
    assert (await app.read.delete(path)).status_code == 403
    assert (await app.stranger.get(path)).status_code == 404
    assert (await app.stranger.get("/v1/analytics/reports")).json() == {"reports": []}


async def test_filters_are_checked_in_their_place(app: Application) -> None:
    question = {**BUYERS, "people": "segments.vip", "breakdown": {"segment": "vips"}}
    wrong = await app.admin.put("/v1/analytics/reports/r", json={"question": question})
    assert wrong.status_code == 400, wrong.text
    paths = {one["path"] for one in wrong.json()["findings"]}
    assert paths == {"$.question.people", "$.question.breakdown.segment"}
    series = [{"event": {"any": [{"event": "purchase", "where": "amount >"}]}}]
    wrong = await app.admin.put("/v1/analytics/reports/r", json={"question": {**BUYERS, "series": series}})
    assert wrong.json()["path"] == "$.question.series[0].event.any[0].where"


async def test_a_segment_or_flag_that_is_named_is_not_deleted(app: Application) -> None:
    await app.define("segment", key="vip", rule="profile.plan == 'pro'")
    await app.define("segment", key="other", rule="profile.plan == 'free'")
    await app.define("flag", key="price", rule="true")
    await put(app, "report", "pros", question={**BUYERS, "people": "segments.vip"})
    experiment = {"kind": "experiment", "flag": "price", "last": "7d", "metrics": [{"event": "purchase"}]}
    await put(app, "report", "prices", question=experiment)
    for path, user in (("segments/vip", "pros"), ("flags/price", "prices")):
        refused = await app.admin.delete(f"/v1/admin/{path}")
        assert (refused.status_code, refused.json()["code"]) == (409, "REFERENCED")
        assert refused.json()["usedBy"] == [{"kind": "report", "key": user}]
    assert (await app.admin.delete("/v1/admin/segments/other")).status_code == 200


#: Every place in which a saved definition can name a segment `vip` or a flag `price`.
NAMING: dict[str, tuple[str, dict[str, Any]]] = {
    "people": ("report", {"question": {**BUYERS, "people": "segments.vip && !segments.old"}}),
    "breakdown": ("report", {"question": {**BUYERS, "breakdown": {"segment": "vip"}}}),
    "flag": (
        "report",
        {
            "question": {
                "kind": "experiment",
                "flag": "price",
                "last": "7d",
                "metrics": [{"event": "purchase", "where": "segments.vip"}],
            }
        },
    ),
    "metric": ("metric", {"event": "purchase", "where": "vip > 3 && segments.vip  // vip"}),
    "event": ("event", {"any": [{"event": "purchase", "where": 'segment("vip") || price > 3'}]}),
    "tile": ("dashboard", {"tiles": [{"text": "segments.vip"}, {"question": {**BUYERS, "people": "segments.vip"}}]}),
}
RENAMED = {
    "people": "segments.`top-10` && !segments.old",
    "breakdown": "top-10",
    "metric": "vip > 3 && segments.`top-10`  // vip",
    "event": 'segment("top-10") || price > 3',
    "tile": "segments.`top-10`",
}


async def test_renaming_a_segment_or_a_flag_renames_it_in_all_that_names_it(app: Application) -> None:
    for key in ("vip", "old"):
        await app.define("segment", key=key, rule="profile.plan == 'pro'")
    await app.define("flag", key="price", rule="segments.vip")
    for key, (kind, document) in NAMING.items():
        await put(app, kind, key, **document)

    async def saved() -> dict[str, Any]:
        return {
            key: (await app.read.get(f"/v1/analytics/{kind}s/{key}")).json()["document"]
            for key, (kind, _) in NAMING.items()
        }

    before = await saved()
    rename = {"key": "top-10", "note": "ten of them"}
    dry = (await app.admin.post("/v1/admin/segments/vip/rename", json={**rename, "dryRun": True})).json()
    assert await saved() == before
    renamed = (await app.admin.post("/v1/admin/segments/vip/rename", json=rename)).json()
    expected = {("segment", "top-10", "rename"), ("flag", "price", "update")}
    expected |= {(kind, key, "update") for key, (kind, _) in NAMING.items()}
    for answer in (dry, renamed):
        assert {(c["kind"], c["key"], c["action"]) for c in answer["changes"]} == expected
    now = await saved()
    assert now["people"]["question"]["people"] == RENAMED["people"]
    assert now["breakdown"]["question"]["breakdown"] == {"segment": RENAMED["breakdown"]}
    assert now["metric"]["where"] == RENAMED["metric"]
    assert now["event"]["any"][0]["where"] == RENAMED["event"]
    assert now["tile"]["tiles"][0] == {"text": "segments.vip"}
    assert now["tile"]["tiles"][1]["question"]["people"] == RENAMED["tile"]
    versions = (await app.read.get("/v1/analytics/reports/people/versions")).json()["versions"]
    assert [(v["version"], v["note"]) for v in versions] == [(2, "ten of them"), (1, "")]

    assert (await app.admin.post("/v1/admin/flags/price/rename", json={"key": "fee"})).status_code == 200
    assert (await saved())["flag"]["question"]["flag"] == "fee"
    revision = (await app.admin.get("/v1/admin/revisions")).json()["revisions"][2]["revision"]
    undone = await app.admin.post(f"/v1/admin/revisions/{revision}/restore")
    assert undone.status_code == 200, undone.text
    assert await saved() == before, "undoing the renames undoes what they rewrote"


async def test_two_segments_can_change_their_keys_with_each_other(app: Application) -> None:
    for key in ("a", "b"):
        await app.define("segment", key=key, rule=f"profile.plan == '{key}'")
    await put(app, "report", "r", question={**BUYERS, "people": "segments.a && !segments.b"})
    swapped = [
        {"kind": "segment", "key": new, "was": old, "document": {"rule": f"profile.plan == '{old}'"}}
        for old, new in ("ab", "ba")
    ]
    answer = await app.admin.post("/v1/admin/publish", json={"changes": swapped})
    assert answer.status_code == 200, answer.text
    document = (await app.read.get("/v1/analytics/reports/r")).json()["document"]
    assert document["question"]["people"] == "segments.b && !segments.a"


async def test_metrics_that_change_their_keys_with_each_other_are_named_as_a_new_document_says(
    app: Application,
) -> None:
    for key in ("a", "b"):
        await put(app, "metric", key, event=key)
    series = {"question": {**BUYERS, "series": [{"metric": "a"}]}}
    await put(app, "report", "old", **series)
    changes = [
        {"kind": "metric", "key": "b", "was": "a", "document": {"event": "a"}},
        {"kind": "metric", "key": "a", "was": "b", "document": {"event": "b"}},
        {"kind": "report", "key": "new", "document": series},
    ]
    answer = await app.admin.post("/v1/admin/publish", json={"changes": changes})
    assert answer.status_code == 200, answer.text
    for key, metric in (("old", "b"), ("new", "a")):
        found = (await app.read.get(f"/v1/analytics/reports/{key}")).json()["document"]
        assert found["question"]["series"] == [{"metric": metric}]


async def test_names_that_were_never_seen_are_warnings(app: Application) -> None:
    await app.track({"event": "purchase", "userId": "a", "properties": {"amount": 1}})
    await app.service.registry.flush()
    saved = await put(app, "metric", "revenue", event="purchse", measure="sum", property="amount")
    (warning,) = saved["warnings"]
    assert (warning["path"], "purchase" in warning["message"]) == ("$.event", True)
    dry = await app.admin.put("/v1/analytics/metrics/m?dryRun=true", json={"event": "purchse"})
    assert dry.json()["warnings"][0]["diagnostics"][0]["path"] == "$.event"


@pytest.mark.parametrize(
    ("kind", "document", "path"),
    [
        ("report", {"question": {**BUYERS, "last": "", "from": "2026-03-02", "to": "2026-03-01"}}, "$.question.to"),
        ("report", {"question": {**BUYERS, "formula": "A / C"}}, "$.question.formula"),
        (
            "report",
            {"question": {**BUYERS, "series": [{"event": "x", "measure": "p101"}]}},
            "$.question.series[0].measure",
        ),
        ("metric", {"event": "purchase", "measure": "sum"}, "$.property"),
        ("metric", {"event": "purchase", "within": "7 days"}, "$.within"),
        ("dashboard", {"tiles": [{"text": "x"}, {"question": {**BUYERS, "last": "soon"}}]}, "$.tiles[1].question.last"),
    ],
)
async def test_a_question_that_cannot_be_answered_is_not_saved(
    app: Application, kind: str, document: dict[str, Any], path: str
) -> None:
    answer = await app.admin.put(f"/v1/analytics/{kind}s/one", json=document)
    assert (answer.status_code, answer.json()["code"], answer.json()["path"]) == (400, "INVALID_QUESTION", path)
    assert answer.json()["message"].startswith(f"The {kind} 'one', {path}: ")


async def test_an_experiment_reads_what_it_can_of_metrics(app: Application) -> None:
    await app.define("flag", key="price", rule="true")
    await put(app, "metric", "buyers", event="purchase", measure="people")
    await put(app, "metric", "basket", event="purchase", measure="avg", property="amount")
    question = {"kind": "experiment", "flag": "price", "last": "7d", "metrics": [{"metric": "buyers"}]}
    await put(app, "report", "price", question=question)
    wrong = {**question, "metrics": [{"metric": "basket"}]}
    answer = await app.admin.put("/v1/analytics/reports/price", json={"question": wrong})
    assert answer.json()["path"] == "$.question.metrics[0].metric"
    assert "only for trends" in answer.json()["message"]
