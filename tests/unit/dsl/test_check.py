"""What check makes of a source, beyond the vectors: the shape of the nodes that the engine computes with."""

from decimal import Decimal

import pytest

from tinycdp.dsl import ir
from tinycdp.dsl.check.expressions import Checked, Scope, check, possible_references
from tinycdp.dsl.ir import Family, Type, Window
from tinycdp.dsl.parser import parse
from tinycdp.dsl.values.scalars import semver_key
from tinycdp.model import DAY_MS, HOUR_MS, MINUTE_MS

SCOPE = Scope(
    traits={"spend": Type.NUMBER, "raw": Type.DYN},
    segments={"vip"},
    properties={"country": Type.STRING},
    events={"purchase": {"amount": Type.NUMBER, "sku": Type.STRING}},
)


def node(source: str, scope: Scope = SCOPE) -> ir.Node:
    found = check(source, scope)
    assert found.node is not None, found.diagnostics
    return found.node


def read(source: str) -> ir.AggregateRead:
    found = node(source)
    assert isinstance(found, ir.AggregateRead)
    return found


def test_undeclared_values_take_the_other_sides_type() -> None:
    compared = node('profile.x == "a"')
    assert isinstance(compared, ir.Compare)
    assert compared.left.type is Type.STRING
    within = node("(profile.x ?? raw) in [1, 2]")
    assert isinstance(within, ir.In)
    assert isinstance(within.operand, ir.Coalesce)
    assert {within.operand.type, within.operand.left.type, within.operand.right.type} == {Type.NUMBER}
    chosen = node('if(profile.beta, profile.x, raw) == "a"')
    assert isinstance(chosen, ir.Compare)
    assert isinstance(chosen.left, ir.Call)
    assert [a.type for a in chosen.left.arguments] == [Type.BOOL, Type.STRING, Type.STRING]
    ordered = node("profile.x < profile.y")
    assert isinstance(ordered, ir.Compare)
    assert ordered.left.type is ordered.right.type is Type.NUMBER
    equal = node("profile.x == profile.y")
    assert isinstance(equal, ir.Compare)
    assert equal.left.type is equal.right.type is Type.DYN


def test_literals_are_folded() -> None:
    for source, value in [
        ('datetime("1970-01-01T00:00:01Z")', 1_000),
        ("30d", 30 * DAY_MS),
        ('semver("1.2")', semver_key("1.2.0")),
        ("2.50", Decimal("2.5")),
        ("2.0", 2),
        ("-3", -3),
    ]:
        constant = node(source)
        assert isinstance(constant, ir.Const)
        assert constant.value == value
        assert type(constant.value) is type(value)
    assert isinstance(node('date("2026-01-01")'), ir.LocalMidnight)
    assert isinstance(node("datetime(profile.at)"), ir.Call)


def test_windows() -> None:
    assert read("events.purchase.count").window == ir.LIFETIME
    assert read("events.purchase.count_30d").window == Window(30 * DAY_MS)
    assert read("events.purchase.count(90d..30d)").window == Window(90 * DAY_MS, 30 * DAY_MS)
    assert read("events.purchase.unique_days_2w").days == 14
    assert read("events.purchase.streak_days()").spec.family is Family.DAYS
    for edge in ("1m", "400d"):
        read(f"events.purchase.count({edge})")
    for beyond in ("59s", "401d", "0d"):
        assert [d.code for d in check(f"events.purchase.count({beyond})", SCOPE).errors] == ["E504"]


def test_one_state_serves_every_window_and_function_of_a_family() -> None:
    sources = ["sum(amount, 30d)", "avg(amount)", "min(amount, 7d)", "max(amount, 90d..30d)"]
    assert len({read(f"events.purchase.{source}").spec for source in sources}) == 1
    assert read("events.any.count").spec.event is None
    assert read("events.`any`.count").spec.event == "any"


def test_equal_predicates_are_one_however_they_are_written() -> None:
    specs = {
        read(f"events.purchase.where({predicate}).count").spec
        for predicate in [
            'amount > 5 && (sku == "a" || sku == "b")',
            "(sku == 'b' or sku == 'a') and amount > 5",
            '(sku == "b" || sku == "a" || sku == "a") && amount > 5.0 && amount > 5',
        ]
    }
    [spec] = specs
    assert spec.where_text == 'amount > 5 && (sku == "a" || sku == "b")'
    assert {n.path for n in ir.walk(spec.where) if isinstance(n, ir.EventProperty)} == {("amount",), ("sku",)}  # type: ignore[arg-type]
    assert read("events.purchase.where(true).count").spec == read("events.purchase.count").spec


def test_time_since_is_an_ago_over_an_instant() -> None:
    since = node("events.purchase.last_hours_ago")
    assert isinstance(since, ir.Ago)
    assert isinstance(since.operand, ir.AggregateRead)
    assert (since.unit_ms, since.operand.function, since.operand.type) == (HOUR_MS, "last_at", Type.DATETIME)
    seen = node("first_seen_minutes_ago")
    assert isinstance(seen, ir.Ago)
    assert isinstance(seen.operand, ir.Seen)
    assert (seen.unit_ms, seen.operand.which) == (MINUTE_MS, "first")


def test_what_is_read_is_reported() -> None:
    found = check('spend > 1 && segments.vip && profile.address.city == "x" && events.purchase.count_7d > 1', SCOPE)
    assert found.references == {("trait", "spend"), ("segment", "vip")}
    assert found.properties == {("address", "city")}
    assert [r.function for r in found.reads] == ["count"]
    assert possible_references(parse("a && last_seen_at == x && events.e.where(p == 1).sum(q) > 1 && flag('f')")) == {
        ("trait", "a"),
        ("trait", "x"),
        ("flag", "f"),
    }


def test_a_tree_is_checked_as_its_canonical_text() -> None:
    found = check(parse("spend>1 or profile.contry == 'x'"), SCOPE)
    assert found.source == found.canonical == 'spend > 1 || profile.contry == "x"'
    [warning] = found.diagnostics
    assert found.source[warning.span.start : warning.span.end] == "profile.contry"


def test_a_refused_source_has_no_node_and_keeps_its_canonical_text() -> None:
    found = check("spend  >  'a'", SCOPE)
    assert (found.node, found.canonical) == (None, 'spend > "a"')
    assert check("spend >", SCOPE).canonical == ""
    assert check(b"\xff", SCOPE).errors[0].code == "E201"


def test_one_mistake_is_reported_once() -> None:
    assert [d.code for d in check("nope + 1 > 2 && !nope2 && if(nope3, 1, 2) == 1", SCOPE).errors] == ["E302"] * 3


def cost(source: str) -> Checked:
    return check(source, SCOPE)


def test_costs_grow_with_what_is_kept_and_how_often_time_matters() -> None:
    assert cost('profile.country == "x"').cost.state_bytes == 0
    lifetime, month = cost("events.purchase.count > 1").cost, cost("events.purchase.count_30d > 1").cost
    assert 0 < lifetime.state_bytes < month.state_bytes
    assert (lifetime.wakeups_per_day, month.wakeups_per_day) == (0, 0.033)
    both = cost("events.purchase.count_30d > 1 && events.purchase.count_7d > 1").cost
    assert month.state_bytes < both.state_bytes < 1.25 * month.state_bytes
    assert cost("last_seen_minutes_ago < 1440").cost.wakeups_per_day == 1
    assert cost("last_seen_minutes_ago").cost.wakeups_per_day == 0
    assert cost("last_seen_minutes_ago < 0.5").cost.wakeups_per_day <= 1440


@pytest.mark.parametrize("guard", ["exists(profile.x) && {}", "!exists(profile.x) || {}"])
def test_a_guard_silences_the_lint_of_what_it_guards_only(guard: str) -> None:
    assert check(guard.format("(spend > 1 && profile.x != 1)"), SCOPE).diagnostics == ()
    assert [d.code for d in check(guard.format("profile.y != 1"), SCOPE).diagnostics] == ["W-NULL"]
    swapped = guard.replace("&&", "##").replace("||", "&&").replace("##", "||")
    assert [d.code for d in check(swapped.format("profile.x != 1"), SCOPE).diagnostics] == ["W-NULL"]
