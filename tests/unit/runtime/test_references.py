"""What definitions name of each other, wherever it stands in a flag, and the same under other names."""

from typing import Any

from tinycdp.engine.catalog import Definition
from tinycdp.engine.flags.document import read_flag, to_document
from tinycdp.runtime.definitions.references import closure, references_of, rewritten

WHOLE: dict[str, Any] = {
    "key": "checkout",
    "variants": {"on": True, "off": False},
    "prerequisites": [{"flag": "billing", "variants": ["on"]}],
    "holdouts": ["control"],
    "overrides": [{"segment": "staff", "serve": "on"}, {"profile": "staff", "serve": "off"}],
    "rules": [
        {"id": "beta", "when": "segments.staff // staff first\n || spent > 3", "serve": "on"},
        {"id": "staff", "when": 'flag("billing") && profile.spent == "spent"', "serve": "on"},
    ],
    "schedule": [
        {"at": "2026-12-01T00:00:00Z", "set": {"/rules/staff/when": "segments.staff", "/rules/0/serve": "off"}},
        {"at": "2026-12-02T00:00:00Z", "set": {"/overrides": [{"segment": "late", "serve": "on"}]}},
        {"at": "2026-12-03T00:00:00Z", "set": {"/overrides/0/segment": "staff", "/holdouts/0": "billing"}},
        {"at": "2026-12-04T00:00:00Z", "set": {"/prerequisites/0": {"flag": "control", "variants": ["on"]}}},
        {"at": "2026-12-05T00:00:00Z", "set": {"/description": "staff"}},
    ],
    "metadata": {"flag": "billing"},
    "description": "spent",
}


def flag(document: dict[str, Any], **changes: Any) -> Definition:
    found = read_flag({**document, **changes}, "salt")
    return Definition(id=1, version=1, kind="flag", key=found.key, flag=found)


def test_a_flag_names_things_in_every_part_of_it() -> None:
    assert references_of(flag(WHOLE)) == {
        ("flag", "billing"), ("flag", "control"), ("segment", "staff"), ("segment", "late"), ("trait", "spent"),
    }  # fmt: skip
    assert references_of(flag({"key": "plain", "rule": "true"})) == set()
    assert references_of(flag(WHOLE, archived=True)) == set()


def test_every_part_is_rewritten_and_nothing_else() -> None:
    names = {("segment", "staff"): "team.all", ("trait", "spent"): "paid", ("flag", "billing"): "money"}
    found = rewritten(flag(WHOLE, archived=True), names).flag
    assert found is not None
    document = to_document(found)
    assert document["prerequisites"][0]["flag"] == "money"
    assert document["holdouts"] == ("control",)
    assert [o.get("segment", o.get("profile")) for o in document["overrides"]] == ["team.all", "staff"]
    assert [rule["when"] for rule in document["rules"]] == [
        "segments.`team.all` // staff first\n || paid > 3",
        'flag("money") && profile.spent == "spent"',
    ]
    assert [step["set"] for step in document["schedule"]] == [
        {"/rules/staff/when": "segments.`team.all`", "/rules/0/serve": "off"},
        {"/overrides": [{"segment": "late", "serve": "on"}]},
        {"/overrides/0/segment": "team.all", "/holdouts/0": "money"},
        {"/prerequisites/0": {"flag": "control", "variants": ["on"]}},
        {"/description": "staff"},
    ]
    assert (document["metadata"], document["description"], document["salt"]) == ({"flag": "billing"}, "spent", "salt")


def test_what_names_none_of_them_is_the_very_same() -> None:
    definition = flag(WHOLE)
    assert rewritten(definition, {("trait", "staff"): "other"}) is definition
    assert rewritten(definition, {}) is definition


def test_a_closure_has_the_nearest_first_and_ends_in_a_circle() -> None:
    edges = {"a": ["b", "c"], "b": ["d"], "c": ["d", "a"], "d": ["e"], "e": ["b"]}
    assert closure(["a"], edges) == ["b", "c", "d", "e"]
    assert closure(["a", "d"], edges) == ["b", "c", "e"]
    assert closure(["nowhere"], edges) == []
