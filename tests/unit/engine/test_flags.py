"""Flag documents that are no flags are refused, and flags that lean on flags are decided in bounded time and depth."""

import socket
from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinycdp.dsl.check.workspace import MAX_LEVELS
from tinycdp.engine.catalog import Catalog, Definition, build_catalog
from tinycdp.engine.flags.decide import Decision, FlagActivation, decide
from tinycdp.engine.flags.document import problems_of, read_flag
from tinycdp.engine.flags.trail import RuleUnknown
from tinycdp.engine.profile import Profile
from tinycdp.errors import InvalidInput
from tinycdp.runtime.definitions.change_set import read_change

NOW = 1_772_366_400_000
TEXT = {"key": "f", "type": "string", "variants": {"a": "a"}}
RULE = {"key": "f", "rules": [{"id": "r", "when": "true", "serve": "on"}]}


def scheduled(pointer: str, value: Any) -> dict[str, Any]:
    return {**RULE, "schedule": [{"at": "2026-12-01T00:00:00Z", "set": {pointer: value}}]}


def nested(levels: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(levels):
        found = {"not": found}
    return found


def catalog_of(documents: list[dict[str, Any]]) -> Catalog:
    flags = [read_flag(document, "salt") for document in documents]
    listed = [Definition(id=n, version=1, kind="flag", key=flag.key, flag=flag) for n, flag in enumerate(flags)]
    return build_catalog(1, "UTC", listed, listed, live_revision=1, head_revision=1)


def decided(catalog: Catalog, key: str, context: dict[str, Any] | None = None) -> Decision:
    profile = Profile(1, "ada", 0)
    activation = FlagActivation(
        NOW,
        calendar=catalog.calendar,
        properties={},
        state=profile.state,
        first_seen=None,
        last_seen=None,
        evaluators=catalog.live.evaluators,
        context=context,
    )
    activation.unit, activation.names, activation.killed = "ada", (), {}
    return decide(catalog.live.flags[key], activation, NOW)


#: A flag without a mistake, and mistakes that can be made in it: where, and what is there then.
ABSENT: Any = object()
WHOLE: dict[str, Any] = {
    "key": "f",
    "type": "string",
    "variants": {"a": "x", "b": "y"},
    "offVariant": "a",
    "default": {"serve": "a"},
    "holdouts": [],
    "prerequisites": [{"flag": "g", "variants": ["on"]}],
    "overrides": [{"serve": "a", "profile": "ada"}, {"serve": "a", "segment": "s"}],
    "rules": [
        {"id": "r1", "when": "true", "serve": "a", "rollout": 10},
        {
            "id": "r2", "when": "true", "split": {"a": 50_000, "b": 50_000},
            "exclusion": {"group": "g", "from": 0, "to": 9},
        },
        {"id": "r3", "when": "true", "serve": "b", "exposure": 5},
    ],
    "schedule": [{"at": "2026-12-01T00:00:00Z", "set": {"/enabled": False}}],
    "metadata": {"team": "growth"},
    "stickyFor": "30m",
    "description": "",
}  # fmt: skip
MISTAKES: dict[str, tuple[tuple[str | int, ...], Any]] = {
    "$.colour": (("colour",), "red"),
    "$.enabled": (("enabled",), "on"),
    "$.offVariant": (("offVariant",), "c"),
    "$.default.serve": (("default", "serve"), "c"),
    "$.holdouts": (("holdouts",), ["f"]),
    "$.prerequisites[0].flag": (("prerequisites", 0, "flag"), "f"),
    "$.prerequisites[0].variants": (("prerequisites", 0, "variants"), []),
    "$.overrides[0].serve": (("overrides", 0, "serve"), ABSENT),
    "$.overrides[1]": (("overrides", 1, "segment"), ABSENT),
    "$.rules[0].when": (("rules", 0, "when"), True),
    "$.rules[0].serve": (("rules", 0, "serve"), "c"),
    "$.rules[0].rollout": (("rules", 0, "rollout"), 101),
    "$.rules[1].split": (("rules", 1, "split"), {"a": 1, "b": 2}),
    "$.rules[1].exclusion.to": (("rules", 1, "exclusion", "to"), "ten"),
    "$.rules[2].id": (("rules", 2, "id"), "r1"),
    "$.rules[2].serve": (("rules", 2, "serve"), 5),
    "$.rules[2].exposure": (("rules", 2, "exposure"), True),
    "$.schedule[0].at": (("schedule", 0, "at"), "tomorrow"),
    "$.schedule[0].set": (("schedule", 0, "set"), {}),
    "$.metadata.team": (("metadata", "team"), {}),
    "$.stickyFor": (("stickyFor",), "1y"),
    "$.description": (("description",), 7),
}


def with_mistakes(paths: set[str]) -> dict[str, Any]:
    document = deepcopy(WHOLE)
    for path in paths:
        (*way, last), value = MISTAKES[path]
        here: Any = document
        for step in way:
            here = here[step]
        if value is ABSENT:
            del here[last]
        else:
            here[last] = value
    return document


@given(st.sets(st.sampled_from(sorted(MISTAKES)), min_size=1))
def test_all_mistakes_of_a_flag_are_reported_at_once(paths: set[str]) -> None:
    """Whichever are made together: each where it is, and nothing else."""
    with pytest.raises(InvalidInput) as refused:
        read_flag(with_mistakes(paths), "salt")
    found = problems_of(refused.value)
    assert sorted(one["path"] for one in found) == sorted(paths)
    assert all(one["message"].startswith(f"{one['path']}: ") for one in found)
    assert refused.value.message == found[0]["message"]
    with pytest.raises(InvalidInput) as of_file:
        read_change("flag", with_mistakes(paths), "$.flags[3]")
    listed = problems_of(of_file.value)
    assert sorted(one["path"] for one in listed) == sorted(f"$.flags[3]{path[1:]}" for path in paths)


def test_all_mistakes_of_a_schedule_are_reported_at_once() -> None:
    steps = [
        {"at": "2026-12-01T00:00:00Z", "set": {"/rules/r9/serve": "a", "/key": "g"}},
        {"at": "2026-12-02T00:00:00Z", "set": {"/rules/r1/serve": "c", "/offVariant": "d"}},
        {"at": "2026-12-03T00:00:00Z", "set": {"/enabled": False}},
    ]
    with pytest.raises(InvalidInput) as refused:
        read_flag({**WHOLE, "schedule": steps}, "salt")
    assert [one["path"] for one in problems_of(refused.value)] == [
        "$.schedule[0].set['/rules/r9/serve']",
        "$.schedule[0].set['/key']",
        "$.schedule[1]",
        "$.schedule[1]",
    ]


@pytest.mark.parametrize(
    ("document", "paths"),
    [
        ({"type": "string", "rules": [{"when": "true", "serve": "on"}]}, ["$.variants"]),
        ({"type": "bolean", "rules": [{"when": "true", "serve": "on"}]}, ["$.type"]),
        ({"type": "bolean", "variants": []}, ["$.type", "$.variants"]),
        ({"type": "string", "variants": {"a": "x"}, "offVariant": "z"}, ["$.offVariant"]),
        (
            {"type": "string", "variants": {"a": "x"}, "offVariant": "z", "default": {"serve": "z"}},
            ["$.offVariant", "$.default.serve"],
        ),
    ],
)
def test_what_follows_from_another_mistake_is_not_reported(document: dict[str, Any], paths: list[str]) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_flag({"key": "f", **document}, "salt")
    assert [one["path"] for one in problems_of(refused.value)] == paths


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({**TEXT, "schema": {"$ref": "#"}}, id="a $ref to itself"),
        pytest.param({**TEXT, "schema": {"$ref": "#/a", "a": {"$ref": "#/b"}, "b": {"$ref": "#/a"}}}, id="a circle"),
        pytest.param(scheduled("/schema", {"$ref": "#"}), id="a circle to come"),
        pytest.param({"key": "f", "rules": [{"when": "true", "serve": "on", "rollout": float("nan")}]}, id="NaN"),
        pytest.param({**TEXT, "type": "object", "variants": {"a": nested(100)}}, id="a value that nests deeply"),
        pytest.param({**TEXT, "schema": nested(100)}, id="a schema that nests deeply"),
        pytest.param(scheduled("/metadata", nested(100)), id="a step that nests deeply"),
        pytest.param({"key": "f", "type": "float", "variants": {"a": float("nan")}}, id="a variant that is NaN"),
        pytest.param(scheduled("/rules/" + "9" * 5_000 + "/rollout", 1), id="a place of 5,000 digits"),
        pytest.param(scheduled("/rules/00/rollout", 1), id="a place with a leading zero"),
        pytest.param(
            {
                **RULE,
                "schedule": [{"at": "2026-12-01T00:00:00Z", "set": {"/rules": [{"id": {}}], "/rules/x/when": "true"}}],
            },
            id="an impossible id",
        ),
    ],
)
def test_what_is_no_flag_is_refused_in_words(document: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_flag(document, "salt")
    assert refused.value.code == "INVALID_FLAG"


def twice(keyword: str, depth: int) -> dict[str, Any]:
    """A schema whose every level asks the next one twice."""
    levels = {f"d{n}": {keyword: [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(depth)}
    return {"$ref": "#/$defs/d0", "$defs": levels | {f"d{depth}": {"type": "number"}}}


def twice_below(depth: int) -> dict[str, Any]:
    """The same in what only `unevaluatedProperties` looks at."""
    levels = {f"d{n}": {"dependentSchemas": {key: {"$ref": f"#/$defs/d{n + 1}"} for key in "ab"}} for n in range(depth)}
    defs = levels | {f"d{depth}": {"type": "object"}}
    return {"$ref": "#/$defs/d0", "$defs": defs, "unevaluatedProperties": False}


EVIL, LONG = "^(a+)+$", "a" * 60 + "b"
#: A schema and a value whose check would take from minutes to ages, or gigabytes.
ENDLESS: dict[str, tuple[Any, Any]] = {
    **{keyword: (twice(keyword, 40), {}) for keyword in ("anyOf", "oneOf", "allOf")},
    "dependentSchemas": (twice_below(40), {"a": 1, "b": 2}),
    "pattern": ({"properties": {"x": {"pattern": EVIL}}}, {"x": LONG}),
    "patternProperties": ({"patternProperties": {EVIL: False}, "required": ["x"]}, {LONG: 1}),
    "additionalProperties": ({"patternProperties": {EVIL: True}, "additionalProperties": False}, {LONG: 1}),
    "unevaluatedProperties": ({"patternProperties": {EVIL: True}, "unevaluatedProperties": False}, {LONG: 1}),
    "propertyNames": ({"propertyNames": {"pattern": EVIL}}, {LONG: 1}),
    "a part of another draft": (
        {"properties": {"x": {"$schema": "http://json-schema.org/draft-07/schema#", "pattern": EVIL}}},
        {"x": LONG},
    ),
    "unevaluatedItems": ({"prefixItems": [True], "unevaluatedItems": False}, [[n] for n in range(200_000)]),
    "enum": ({"items": {"enum": [{"n": n} for n in range(2_000)]}}, [{"n": -1}] * 200_000),
    "messages": ({"anyOf": [{"type": "string"}] * 2_000}, {str(n): [n] for n in range(200_000)}),
    "many parts": ({"properties": {str(n): {} for n in range(200_000)}}, {}),
    "a division": ({"items": {"multipleOf": Decimal("1e-9")}}, [Decimal("1e28")]),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_a_schema_is_checked_by_bounded_work(what: str) -> None:
    schema, value = ENDLESS[what]
    with pytest.raises(InvalidInput) as refused:
        read_flag({"key": "f", "type": "object", "variants": {"v": value}, "schema": schema}, "salt")
    assert refused.value.code == "INVALID_FLAG"
    assert len(refused.value.message) < 700


DIFFERENT: list[Any] = [
    1,
    True,
    "1",
    [1],
    ["1"],
    {"1": 1},
    {"1": True},
    0,
    False,
    None,
    "null",
    "",
    [],
    {},
    10,
    -1,
    0.5,
]


@pytest.mark.parametrize(
    "unique",
    [
        DIFFERENT,
        [f"name{n}" for n in range(900)],
        [n * (2**61 - 1) for n in range(5_000)],
        [{"n": n} for n in range(9_000)],
    ],
)
def test_elements_are_compared_as_json_in_linear_time(unique: list[Any]) -> None:
    def saved(value: list[Any]) -> None:
        read_flag({"key": "f", "type": "object", "variants": {"v": value}, "schema": {"uniqueItems": True}}, "salt")

    saved(unique)
    for first, second in [(1, Decimal("1.00")), (-0.0, 0), ({"a": 100, "b": [2]}, {"b": [2], "a": Decimal("1e2")})]:
        others = [one for one in unique if one not in (0, 1)]
        with pytest.raises(InvalidInput, match=r"variants\.v: .* more than once"):
            saved([first, *others, second])


def test_the_keyword_that_takes_too_long_is_named() -> None:
    schema = {"prefixItems": [True], "unevaluatedItems": {"type": "string"}}
    with pytest.raises(InvalidInput, match=r"too long .* at `unevaluatedItems`"):
        read_flag({"key": "f", "type": "object", "variants": {"v": ["x"] * 2_000}, "schema": schema}, "salt")


def test_a_schema_of_a_large_configuration_is_checked() -> None:
    field = {"type": "string", "pattern": r"^\w+$", "maxLength": 9, "enum": ["xy", "z"]}
    names = [f"f{n}" for n in range(500)]
    schema = {"properties": dict.fromkeys(names, field), "required": names, "additionalProperties": False}
    variants = {variant: dict.fromkeys(names, "xy") for variant in "ab"}
    document = {"key": "f", "type": "object", "schema": schema, "variants": variants}
    read_flag(document, "salt")
    variants["b"]["f9"] = "z-"
    with pytest.raises(InvalidInput, match=r"variants\.b\.f9: .* does not match"):
        read_flag(document, "salt")


@pytest.mark.parametrize("pattern", ["^(?!x)y", r"^(a)\1$", "(", "((a{0,100}){0,100}){0,100}"])
def test_a_pattern_without_a_linear_match_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidInput, match=r"schema: the pattern .* linear"):
        read_flag({**TEXT, "schema": {"pattern": pattern}}, "salt")


def test_a_schema_is_never_fetched() -> None:
    """Or a save would wait for all that it names, and the server with it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/schema.json"
        with pytest.raises(InvalidInput, match="leads nowhere"):
            read_flag({**TEXT, "schema": {"$ref": address}}, "salt")
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize("by", ["prerequisites", "when"])
def test_flags_that_share_what_they_depend_on_ask_for_it_once(by: str) -> None:
    """Of two flags a level, each on both of the one below, there are 2^30 ways down thirty levels."""

    def document(level: int, n: int) -> dict[str, Any]:
        key, below = f"f{level}_{n}", [f"f{level - 1}_0", f"f{level - 1}_1"]
        if level == 0:
            return {"key": key, "rule": 'context.plan == "pro"'}
        if by == "when":
            return {"key": key, "rule": " && ".join(f'flag("{other}")' for other in below)}
        needed = [{"flag": other, "variants": ["on"]} for other in below]
        return {"key": key, "prerequisites": needed, "rule": "true"}

    catalog = catalog_of([document(level, n) for level in range(31) for n in range(2)])
    assert decided(catalog, "f30_0", {"plan": "pro"}).value is True
    assert decided(catalog, "f30_0", {"plan": "free"}).value is False


def test_the_deepest_chain_of_flags_is_decided() -> None:
    documents = [{"key": "f0", "rule": "true"}]
    documents += [{"key": f"f{n}", "rule": f'flag("f{n - 1}")'} for n in range(1, MAX_LEVELS // 4)]
    assert decided(catalog_of(documents), documents[-1]["key"]).value is True
    with pytest.raises(InvalidInput) as refused:
        catalog_of([*documents, {"key": "f", "rule": f'flag("{documents[-1]["key"]}")'}])
    assert refused.value.code == "E709"


@pytest.mark.parametrize("text", ["!({})", "profile.age == 3 || {}", "if(profile.age == 3, true, {})"])
def test_the_deepest_chain_of_traits_is_computed(text: str) -> None:
    expressions = ["events.visit.count_7d >= 1"]
    expressions += [text.replace("{}", f"t{n}") for n in range((MAX_LEVELS - 4) // 3)]
    listed = [Definition(id=n, version=1, kind="trait", key=f"t{n}", expression=e) for n, e in enumerate(expressions)]
    catalog = build_catalog(1, "UTC", listed, listed, live_revision=1, head_revision=1)
    profile = Profile(1, "ada", 0)
    profile.properties["age"] = 4
    activation = catalog.activation(catalog.live, profile, NOW)
    assert activation.result(listed[-1].name, NOW)[0] in {True, False}


@pytest.mark.parametrize(
    ("when", "because"),
    [
        ('profile.plan == "pro"', ("profile.plan is unknown",)),
        (
            'profile.plan == "pro" && context.platform == "ios"',
            ("profile.plan is unknown", "context.platform is unknown"),
        ),
        ('context.platform == "ios" && context.n > 1', ("context.platform is unknown", "context.n is not a number")),
        ('!(context.amount == "a" || context.amount == "b")', ("context.amount is not a string",)),
        ('if(context.amount == "x", true, profile.plan == "pro")', ("context.amount is not a string",)),
        ('if(exists(context.n), profile.plan == "pro", context.platform == "ios")', ("profile.plan is unknown",)),
        ('(profile.plan ?? profile.tier) == "pro"', ("profile.plan is unknown", "profile.tier is unknown")),
        ('semver(context.n ?? "x") > semver("1")', ('context.n ?? "x" is not a version',)),
        ("context.amount / context.zero > 1", ("context.zero is 0",)),
        ("last_seen_days_ago > 1", ("last_seen_days_ago is unknown",)),
        ("events.a.last(sku) == 1", ("events.a.last(sku) is unknown",)),
        ("level > 1", ("level is unknown because profile.seats is unknown",)),
        ("context.amount == context.n", ("context.amount == context.n compares different types",)),
    ],
)
def test_an_unknown_rule_names_what_is_unknown(when: str, because: tuple[str, ...]) -> None:
    level = Definition(id=9, version=1, kind="trait", key="level", expression="profile.seats + 1")
    flag = read_flag({"key": "f", "rule": when}, "salt")
    listed = [level, Definition(id=1, version=1, kind="flag", key="f", flag=flag)]
    catalog = build_catalog(1, "UTC", listed, listed, live_revision=1, head_revision=1)
    context = {"n": "three", "amount": 5, "zero": 0}
    unknown = decided(catalog, "f", context).trail[0]
    assert isinstance(unknown, RuleUnknown)
    assert unknown.because == because
    assert decided(catalog, "f", context).trail[0] is unknown, "its text is formatted once"
