"""Explanations of the example shop's people, and of windows at their edges."""

from collections.abc import Mapping
from typing import Any

import pytest
from test_examples import NOW, definitions, messages, profile

from builders import make_message
from tinycdp.engine import recompute
from tinycdp.engine.catalog import Catalog, Definition, build_catalog
from tinycdp.engine.flags import explanation_text
from tinycdp.engine.flags.decide import FlagActivation, decide
from tinycdp.engine.flags.document import read_flag
from tinycdp.engine.flags.explain import DEEPEST, ExplainedDefinition, Explanation, explain_definition, explain_flag
from tinycdp.engine.profile import Profile
from tinycdp.model import DAY_MS, HOUR_MS, MINUTE_MS, NEVER

ZONE = "Europe/Berlin"
WEB = {"platform": "web"}

DEFINITIONS = {
    ("ada", "power_user"): "power_user is true: app_open on 14 days (needs 5), until 2026-06-07 00:00 Europe/Berlin",
    ("linus", "power_user"): "power_user is false: app_open on 3 days (needs 5)",
    ("ada", "revenue_90d"): (
        "revenue_90d is 939: sum of purchase amount in 90d is 939, until 2026-07-30 21:30:30 Europe/Berlin"
    ),
    ("linus", "average_order"): "average_order is 0: events.purchase.avg(amount, 90d) is unknown",
    ("grace", "favourite_category"): (
        "favourite_category is unknown: events.product_viewed.last(category, 30d) is unknown"
    ),
    ("ada", "power_users"): "in power_users: power_user is true, until 2026-06-07 00:00 Europe/Berlin",
    ("linus", "abandoned_carts"): (
        "in abandoned_carts: cart_open is true and last cart 178 minutes ago (needs 60), "
        "until 2026-05-31 19:27:50 Europe/Berlin"
    ),
    ("linus", "newcomers"): (
        "in newcomers: first seen 2 days ago (needs less than 7) and purchase 0 times in 7d (needs at most 1), "
        "until 2026-06-02 19:26:40 Europe/Berlin"
    ),
    ("grace", "lapsed"): (
        "in lapsed: purchase between 180d and 30d ago and no event in 30d, until 2026-10-15 19:30:30 Europe/Berlin"
    ),
    ("grace", "newcomers"): "not in newcomers: first seen 60 days ago (needs less than 7)",
}

FLAGS = {
    ("ada", "premium"): 'premium is "on": the rule matched, in power_users, until 2026-06-07 00:00 Europe/Berlin',
    ("linus", "premium"): 'premium is "off": no rule matched',
    ("linus", "cart_reminder"): (
        'cart_reminder is "banner": rule "web" matched, in abandoned_carts and context.platform is "web" '
        '(needs exactly "web"), until 2026-05-31 19:27:50 Europe/Berlin'
    ),
}


@pytest.fixture(scope="module")
def shop() -> Catalog:
    found = definitions()
    return build_catalog(1, ZONE, found, found, live_revision=1, head_revision=1)


def activation_of(person: Profile, catalog: Catalog, now: int, context: Mapping[str, Any] = WEB) -> FlagActivation:
    activation = FlagActivation(
        now,
        calendar=catalog.calendar,
        properties=person.properties,
        state=person.state,
        first_seen=person.first_seen,
        last_seen=person.last_seen,
        evaluators=catalog.live.evaluators,
        context=context,
    )
    activation.unit, activation.names, activation.killed = person.bucketing_key or None, (), {}
    return activation


@pytest.mark.parametrize(("person", "key"), DEFINITIONS)
def test_a_sentence_says_why_and_until_when(shop: Catalog, person: str, key: str) -> None:
    name = next(name for name in shop.live.nodes if name[1] == key)
    found = explain_definition(shop, name, activation_of(profile(person, NOW, shop), shop, NOW))
    assert explanation_text.of_definition(found, ZONE) == DEFINITIONS[person, key]


@pytest.mark.parametrize(("person", "key"), FLAGS)
def test_a_flag_says_which_rule_and_why(shop: Catalog, person: str, key: str) -> None:
    found = explain_flag(shop, key, activation_of(profile(person, NOW, shop), shop, NOW))
    assert explanation_text.of_flag(found, ZONE) == FLAGS[person, key]


@pytest.mark.parametrize("person", ["ada", "grace", "linus"])
def test_what_is_explained_is_what_is_decided(shop: Catalog, person: str) -> None:
    known = profile(person, NOW, shop)
    for key, program in shop.live.flags.items():
        found = explain_flag(shop, key, activation_of(known, shop, NOW))
        assert found.decision == decide(program, activation_of(known, shop, NOW), NOW)
        served = [rule.rule.id for rule in found.rules if rule.outcome == "served"]
        assert served == ([found.decision.rule] if found.decision.rule is not None else [])
        assert all((rule.tree.value is True) for rule in found.rules if rule.outcome in {"served", "outside"})


def test_a_reference_is_explained_once_with_its_windows(shop: Catalog) -> None:
    linus = profile("linus", NOW, shop)
    found = explain_flag(shop, "cart_reminder", activation_of(linus, shop, NOW))
    first, second = (rule.tree.parts[0] for rule in found.rules)
    assert first.inside is not None and second.inside is None
    assert (first.inside.name, first.inside.value) == (("segment", "abandoned_carts"), True)
    cart_open = first.inside.tree.parts[0]
    assert cart_open.inside is not None
    exists = cart_open.inside.tree.parts[0]
    cart = max(message.occurred_at for message in messages("linus", NOW) if message.name == "cart")
    assert exists.contents is not None
    assert (exists.text, exists.contents.events, exists.contents.oldest_at, exists.contents.leaves_at) == (
        "events.cart.exists(3d)", 1, cart, cart + 3 * DAY_MS,
    )  # fmt: skip


def test_days_are_listed_in_the_workspace_zone(shop: Catalog) -> None:
    linus = profile("linus", NOW, shop)
    found = explain_definition(shop, ("trait", "power_user"), activation_of(linus, shop, NOW))
    contents = found.tree.parts[0].contents
    assert contents is not None
    assert contents.days == ("2026-05-26", "2026-05-27", "2026-05-28")


# Definitions of one's own


def explained(
    expression: str, messages: int = 0, *, every: int = MINUTE_MS, at: int | None = None
) -> ExplainedDefinition:
    """One trait over that many events `a`, the last of them at NOW."""
    definitions = [Definition(id=1, version=1, kind="trait", key="t", expression=expression)]
    catalog = build_catalog(1, "UTC", definitions, definitions, live_revision=1, head_revision=1)
    person = Profile(1, "u-1", 0, backfilled=1)
    for n in range(messages):
        message = make_message("a", NOW - (messages - 1 - n) * every, id=f"m{n:04}", properties={"x": n})
        recompute.apply(person, [message], catalog, message.occurred_at)
    return explain_definition(catalog, ("trait", "t"), activation_of(person, catalog, NOW if at is None else at))


@pytest.mark.parametrize(("later", "events"), [(-1, 3), (0, 2)])
def test_an_event_counts_for_exactly_its_window(later: int, events: int) -> None:
    tree = explained("events.a.count(1h)", 3, at=NOW - 2 * MINUTE_MS + HOUR_MS + later).tree
    assert tree.contents is not None
    assert (tree.contents.events, tree.contents.exact) == (events, True)
    assert tree.contents.leaves_at == tree.until == NOW - events * MINUTE_MS + MINUTE_MS + HOUR_MS


def test_a_crowd_is_tiled_and_says_so() -> None:
    """300 events a minute apart: 44 are in buckets of five minutes, which serve a window of five hours and more."""
    tree = explained("events.a.count(5h)", 300).tree
    assert tree.contents is not None and tree.value == 300 * 10**9
    oldest = NOW - 299 * MINUTE_MS
    assert (tree.contents.events, tree.contents.exact) == (300, False)
    assert tree.contents.oldest_at == oldest // (5 * MINUTE_MS) * 5 * MINUTE_MS
    assert tree.contents.leaves_at == tree.until
    at_the_edge = tree.contents.oldest_at + 5 * HOUR_MS
    for later, events in ((5 * MINUTE_MS - 1, True), (5 * MINUTE_MS, False)):
        found = explained("events.a.count(5h)", 300, at=at_the_edge + later).tree
        assert found.contents is not None and found.contents.events is not None
        assert found.contents.events * 10**9 == found.value
        assert (found.contents.oldest_at == tree.contents.oldest_at) is events


@pytest.mark.parametrize(
    ("expression", "events", "bucketed"),
    [
        ("events.a.sum(x, 5h)", 300, True),
        ("events.a.sum(x)", 300, False),
        ("events.a.p50(x, 5h)", 300, True),
        ("events.a.top(x, 5h)", 300, True),
        ("events.a.first(x, 5h)", None, True),
        ("events.a.last(x, 5h)", None, False),
        ("events.a.unique(x, 5h)", None, False),
        ("events.a.count(5h..1h)", 240, True),
        ("events.b.count(5h)", 0, False),
    ],
)
def test_every_kind_of_state_shows_what_it_knows(expression: str, events: int | None, bucketed: bool) -> None:
    contents = explained(expression, 300).tree.contents
    assert contents is not None
    assert (contents.events, contents.exact) == (events, not bucketed)


@pytest.mark.parametrize(
    ("expression", "value", "deciding"),
    [
        ("profile.a == 1 && events.a.exists(1h) && events.a.count(1h) > 9", False, [False, False, True]),
        ("profile.a == 1 && events.a.exists(1h)", None, [True, False]),
        ("events.a.count(1h) > 9 || events.b.exists(1h)", False, [True, True]),
        ("events.a.exists(1h) || profile.a == 1", True, [True, False]),
        ("profile.a ?? false", False, [False, True]),
        ("if(events.a.exists(1h), true, profile.a)", True, [True, True, False]),
        ("if(profile.a, true, true)", None, [True, False, False]),
    ],
)
def test_the_operands_that_decide_are_marked(expression: str, value: bool | None, deciding: list[bool]) -> None:
    tree = explained(expression, 3).tree
    assert tree.value is value
    assert [part.decides for part in tree.parts] == deciding


@pytest.mark.parametrize(
    ("expression", "because"),
    [
        ("!(events.a.count(1h) >= 3)", "a 3 times in 1h (needs less than 3)"),
        ("!(events.a.exists(1h) && 2 < events.a.count(1h))", "a in 1h and a 3 times in 1h (needs at most 2)"),
        ('profile.plan not in ["a", "b"]', 'profile.plan is unknown (needs none of "a", "b")'),
        ("between(events.a.count(1h), 1, 2)", "a 3 times in 1h (needs from 1 to 2)"),
        ("events.a.where(x > 1).exists(1h)", "a where x > 1 in 1h"),
        ("events.any.count(1h) == 3", "any event 3 times in 1h (needs exactly 3)"),
        ("last_seen_minutes_ago < 5", "last seen 0 minutes ago (needs less than 5)"),
        ("exists(profile.plan)", "profile.plan is unknown"),
        ("ago(last_seen_at) < 3d", "ago(last_seen_at) is 0 seconds (needs less than 3 days)"),
        ("until(last_seen_at) > 1h", "until(last_seen_at) is 0 seconds (needs more than 1 hour)"),
        ("ago(last_seen_at) + 51h > 2d", "ago(last_seen_at) + 51h is 2 days 3 hours (needs more than 2 days)"),
        ("days(ago(last_seen_at)) < 3", "days(ago(last_seen_at)) is 0 (needs less than 3)"),
        (
            "events.a.exists(1h) && events.b.exists(1h) || events.c.exists(1h) || events.d.exists(1h) "
            "|| events.e.exists(1h)",
            "no b in 1h and no c in 1h and no d in 1h and 1 more",
        ),
    ],
)
def test_reasons_say_what_was_needed(expression: str, because: str) -> None:
    sentence = explanation_text.of_definition(explained(expression, 3), "UTC")
    assert sentence.partition(": ")[2].split(", until ")[0] == because


def test_an_instant_beyond_the_calendar_is_described() -> None:
    found = explained('until(datetime("9999-12-31T00:00:00Z")) > 1d')
    assert "until 9999-12-30 00:00 UTC" in explanation_text.of_definition(found, "UTC")
    assert explanation_text.local_time(NEVER - 1, "UTC") == "the end of time"


def test_a_rollout_shows_the_bucket_against_its_threshold(shop: Catalog) -> None:
    linus = profile("linus", NOW, shop)
    found = explain_flag(shop, "new_checkout", activation_of(linus, shop, NOW))
    spenders, ramp = found.rules
    assert (spenders.outcome, spenders.admissions) == ("false", ())
    assert ramp.outcome == "outside"
    assert [(a.bucket, a.gate.to, a.granted) for a in ramp.admissions] == [(56477, 20000, False)]
    assert explanation_text.of_rule(ramp, ZONE).endswith("but bucket 56477 is not below 20000 of 100000")
    absent = activation_of(linus, shop, NOW)
    absent.unit = None
    assert [rule.outcome for rule in explain_flag(shop, "new_checkout", absent).rules] == ["false", "no unit"]


@pytest.mark.parametrize("document", [{"enabled": False}, {"overrides": [{"profile": "linus", "serve": "on"}]}])
def test_rules_that_were_not_reached_have_their_trees_too(document: dict[str, Any]) -> None:
    flag = read_flag({"key": "f", "rule": "events.cart.exists(3d)", **document}, "salt")
    definitions = [Definition(id=1, version=1, kind="flag", key="f", flag=flag)]
    catalog = build_catalog(1, "UTC", definitions, definitions, live_revision=1, head_revision=1)
    activation = activation_of(profile("linus", NOW, catalog), catalog, NOW)
    activation.names = ("userId linus",)
    found = explain_flag(catalog, "f", activation)
    [rule] = found.rules
    assert (rule.outcome, rule.tree.value) == ("not reached", True)
    assert found.decision.trail[0].text in explanation_text.of_flag(found, "UTC")


def test_what_backfills_is_unknown_and_says_so() -> None:
    live = [Definition(id=1, version=1, kind="trait", key="old", expression="profile.plan")]
    new = Definition(id=2, version=1, kind="trait", key="new", expression="events.a.count(1h)")
    flag = read_flag({"key": "f", "rule": "new > 1 && events.a.exists(1h)"}, "salt")
    head = [*live, new, Definition(id=3, version=1, kind="flag", key="f", flag=flag)]
    catalog = build_catalog(1, "UTC", live, head, live_revision=1, head_revision=2)
    activation = activation_of(Profile(1, "u-1", 0, backfilled=1), catalog, NOW)
    assert explanation_text.of_definition(explain_definition(catalog, ("trait", "new"), activation), "UTC") == (
        "new is unknown: it is still being computed"
    )
    [rule] = explain_flag(catalog, "f", activation).rules
    assert rule.outcome == "unknown"
    assert explanation_text.of_rule(rule, "UTC") == (
        "the rule is unknown, new is still being computed (needs more than 1) and "
        "events.a.exists(1h) is still being computed"
    )


def test_a_long_chain_of_definitions_is_cut_not_overflowed() -> None:
    chain = [Definition(id=1, version=1, kind="trait", key="t0", expression="events.a.count(1h)")]
    chain += [
        Definition(id=n + 1, version=1, kind="trait", key=f"t{n}", expression=f"t{n - 1} + 1") for n in range(1, 101)
    ]
    catalog = build_catalog(1, "UTC", chain, chain, live_revision=1, head_revision=1)
    found = explain_definition(
        catalog, ("trait", "t100"), activation_of(Profile(1, "u", 0, backfilled=1), catalog, NOW)
    )
    assert found.value == 100 * 10**9
    depth, tree = 0, found.tree
    while tree.parts and tree.parts[0].inside is not None:
        depth, tree = depth + 1, tree.parts[0].inside.tree
    assert 10 < depth <= DEEPEST
    assert isinstance(tree, Explanation) and tree.value is not None
