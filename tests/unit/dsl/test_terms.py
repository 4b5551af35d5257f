"""The terms of an expression: what each part says, and where."""

from decimal import Decimal
from typing import Any

import pytest

from tinycdp.dsl.editor.terms import SourceTerm, terms_of


def said(term: SourceTerm) -> dict[str, Any]:
    """What a term says, without where."""
    shape = term.shape
    if shape is None:
        return {}
    found: dict[str, Any] = {"subject": (shape.subject.kind, shape.subject.name)}
    if shape.where is not None:
        found["where"] = shape.where.text
    if shape.measure is not None:
        found["measure"] = shape.measure.function
        if shape.measure.property is not None:
            found["property"] = shape.measure.property.text
        if shape.measure.quantile is not None:
            found["quantile"] = shape.measure.quantile
    if shape.window is not None:
        found["window"] = shape.window.text
    if shape.comparison is not None:
        found["op"] = shape.comparison.op
    if shape.value is not None:
        found["value"] = (str(shape.value.type), shape.value.value)
    return found


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "events.purchase.where(amount > 5).sum(amount, 90d..30d) >= 1.5",
            {"subject": ("event", "purchase"), "where": "amount > 5", "measure": "sum", "property": "amount",
             "window": "90d..30d", "op": ">=", "value": ("number", Decimal("1.5"))},
        ),
        ("events.any.count_720h > 2",
         {"subject": ("any", None), "measure": "count", "window": "30d", "op": ">", "value": ("number", 2)}),
        ("events.open.exists", {"subject": ("event", "open"), "measure": "exists"}),
        ("events.open.p95(ms, 7d) < 300",
         {"subject": ("event", "open"), "measure": "p95", "property": "ms", "quantile": "0.95", "window": "7d",
          "op": "<", "value": ("number", 300)}),
        ("events.open.percentile(ms, 0.75) < 300",
         {"subject": ("event", "open"), "measure": "percentile", "property": "ms", "quantile": "0.75", "op": "<",
          "value": ("number", 300)}),
        ("last_seen_days_ago > 7",
         {"subject": ("seen", "last"), "measure": "days_ago", "op": ">", "value": ("number", 7)}),
        ("events.open.first_days_ago <= 2",
         {"subject": ("event", "open"), "measure": "first_days_ago", "op": "<=", "value": ("number", 2)}),
        ("spent == 3", {"subject": ("trait", "spent"), "op": "==", "value": ("number", 3)}),
        ("segments.vip", {"subject": ("segment", "vip")}),
        ('flag("on") != "b"', {"subject": ("flag", "on"), "op": "!=", "value": ("string", "b")}),
        ("profile.address.city not in ['a', 'b']",
         {"subject": ("property", "address.city"), "op": "not in", "value": ("list", ["a", "b"])}),
        ("group.tier == true", {"subject": ("group", "tier"), "op": "==", "value": ("bool", True)}),
        ("exists(context.platform)", {"subject": ("context", "platform"), "op": "exists"}),
        ("contains(lower(profile.plan), 'pro')",
         {"subject": ("property", "plan"), "measure": "lower", "op": "contains", "value": ("string", "pro")}),
        ("between(spent, 1, 5)", {"subject": ("trait", "spent"), "op": "between", "value": ("list", [1, 5])}),
        ("ago(profile.trial) < 72h",
         {"subject": ("property", "trial"), "measure": "ago", "op": "<", "value": ("duration", "3d")}),
        ("semver(profile.app) >= semver('2.1')",
         {"subject": ("property", "app"), "measure": "semver", "op": ">=", "value": ("version", "2.1")}),
        ("profile.born < date('2000-01-01')",
         {"subject": ("property", "born"), "op": "<", "value": ("datetime", "2000-01-01")}),
        ("spent ?? 0 > 3", {}),
        ("3 < spent", {}),
        ("(a && b)", {"subject": ("trait", "a")}),
        ("spent * 2 > 3", {}),
        ("spent > visits", {}),
        ("events.open.sum(30d) > 1", {}),
    ],
)  # fmt: skip
def test_a_term_is_taken_apart_if_its_form_is_known(source: str, expected: dict[str, Any]) -> None:
    assert said(terms_of(source)[0]) == expected


def test_terms_have_their_place_and_what_joins_them() -> None:
    source = "a > 1 or not (b and !c) || !!segments.d"
    found = [(source[t.start : t.end], t.join, t.negated, t.shape is not None) for t in terms_of(source)]
    assert found == [
        ("a > 1", None, False, True),
        ("not (b and !c)", "or", True, False),
        ("!!segments.d", "or", False, True),
    ]
    assert terms_of("a >") == []
