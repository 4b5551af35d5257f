"""A value of another type than an expression needs is unknown, and counted once for every time it was read."""

from collections import Counter
from typing import Any

import pytest

from builders import make_message
from tinycdp.engine.catalog import Catalog, Definition, build_catalog
from tinycdp.engine.profile import Profile
from tinycdp.engine.recompute import apply_message

NOW = 1_772_366_400_000


def worth(expression: str, *, profile: dict[str, Any], event: dict[str, Any]) -> tuple[Any, Counter[tuple[str, str]]]:
    """What an expression is worth to someone with these properties and one purchase, and the mismatches reported."""
    reported: Counter[tuple[str, str]] = Counter()

    def hear(definition: str, field: str) -> None:
        reported[definition, field] += 1

    listed = [Definition(id=1, version=1, kind="trait", key="t", expression=expression)]
    catalog: Catalog = build_catalog(1, "UTC", listed, listed, live_revision=1, head_revision=1, on_type_mismatch=hear)
    person = Profile(1, "ada", 0)
    person.properties = profile
    apply_message(person, make_message("purchase", NOW - 1000, properties=event), catalog, complete=True)
    return catalog.activation(catalog.live, person, NOW).result(listed[0].name, NOW)[0], reported


@pytest.mark.parametrize(
    ("expression", "field", "wrong", "right"),
    [
        ('profile.plan == "pro"', "profile.plan", 3, "pro"),
        ("profile.vip == true", "profile.vip", "yes", False),
        ("profile.age >= 18", "profile.age", "20", 20),
        ("profile.size.cm > 1", "profile.size.cm", [], 2),
        ("profile.plan", "profile.plan", 10**40, 1),
        ("profile.one == profile.plan", "profile.one", 1, "pro"),
        ('lower(profile.plan) == "pro"', "profile.plan", {}, "PRO"),
    ],
)
def test_of_a_property(expression: str, field: str, wrong: Any, right: Any) -> None:
    def given(value: Any) -> dict[str, Any]:
        first, *rest = field.removeprefix("profile.").split(".")
        return {"plan": "pro", first: {rest[0]: value} if rest else value}

    assert worth(expression, profile=given(wrong), event={}) == (None, {("trait t", field): 1})
    value, reported = worth(expression, profile=given(right), event={})
    assert value is not None and not reported
    assert not worth(expression, profile={}, event={})[1], "what is missing is no mismatch"


@pytest.mark.parametrize(
    ("expression", "field", "definition"),
    [
        ("events.purchase.sum(amount)", "amount", "events.purchase"),
        ("events.purchase.p95(amount, 7d)", "amount", "events.purchase"),
        ("events.purchase.where(amount > 10).count", "amount", "events.purchase"),
        ("events.purchase.where(cart.items >= 2).sum(amount)", "cart.items", "events.purchase"),
        ("events.purchase.last(amount) > 5", "amount", "trait t"),
    ],
)
def test_of_what_events_carry(expression: str, field: str, definition: str) -> None:
    right = {"amount": 12, "cart": {"items": 2}}
    assert not worth(expression, profile={}, event=right)[1]
    assert not worth(expression, profile={}, event={})[1]
    assert (
        worth(expression, profile={}, event=right | {"amount": "12", "cart": {"items": "2"}})[1][definition, field] == 1
    )
