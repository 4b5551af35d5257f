"""Filters as ClickHouse SQL: what the text looks like, and what stays out of it."""

from decimal import Decimal
from math import inf, nextafter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinycdp.dsl import ir
from tinycdp.dsl.check.expressions import Scope
from tinycdp.dsl.check.filters import check_event_filter
from tinycdp.dsl.sql.clickhouse import Filters, FilterSource, JsonPath, JsonText, JsonValue, Parameters
from tinycdp.dsl.sql.clickhouse.values import at_least
from tinycdp.dsl.values.numbers import nanos


class Source:
    def event_property(self, path: tuple[str, ...]) -> JsonValue:
        return JsonPath("e.properties", path)

    def context(self, path: tuple[str, ...]) -> JsonValue:
        return JsonPath("e.context", path)

    def profile_property(self, path: tuple[str, ...]) -> JsonValue:
        return JsonText("said.value", path[1:])

    def group_trait(self, path: tuple[str, ...]) -> JsonValue:
        return JsonPath("g.traits", path)

    def segment(self, key: str) -> str:
        return f"has(e.segments, {key!r})"

    def seen(self, which: str) -> str:
        return f"p.{which}_seen"

    def now(self) -> str:
        return "e.now"


SOURCE: FilterSource = Source()


def node(source: str) -> ir.Node:
    found = check_event_filter(source, Scope(segments={"vip"}), None)
    assert found.node is not None, found.diagnostics
    return found.node


def condition(source: str) -> tuple[str, dict[str, object]]:
    parameters = Parameters()
    return Filters(SOURCE, parameters, "UTC").condition(node(source)), parameters.values


def test_a_text_is_one_subcolumn_and_one_parameter() -> None:
    sql, values = condition('country == "DE"')
    assert sql == "ifNull((e.properties.`country`.:String = {p1:String}), false)"
    assert values == {"p1": "DE"}


def test_a_number_is_compared_as_it_is_stored() -> None:
    sql, values = condition("amount >= 50")
    assert sql.count("e.properties.`amount`.:") == 4
    assert "Decimal" not in sql
    assert values == {"p1": 49.9999999995, "p2": 50}
    assert "UInt64" not in condition("amount == 50")[0]  # what is stored unsigned is larger


def test_equal_values_of_one_type_share_a_parameter() -> None:
    assert condition('a == "x" || b == "x" || c in ["x", "y"]')[1] == {"p1": "x", "p2": ["x", "y"]}
    parameters = Parameters()
    assert parameters.number(1) != parameters.whole(1)
    assert parameters.whole(2**63) == "{p3:Int128}"


EVIL = "x' OR 1=1 -- \\ ` } {p1:String}"


@pytest.mark.parametrize("form", ["a == {}", "a in [{}]", "contains(a, {})", "lower(a) != {}", "profile.a == {}"])
def test_no_text_of_a_user_is_in_the_statement(form: str) -> None:
    sql, values = condition(form.format('"' + EVIL.replace("\\", "\\\\") + '"'))
    assert "OR 1=1" not in sql
    assert EVIL in values.values() or [EVIL] in values.values()


def test_names_are_quoted() -> None:
    assert JsonPath("c", ("a.b", "it's", "back\\slash", "tick`")).text() == (
        "c.`a%2Eb`.`it's`.`back\\\\slash`.`tick\\``.:String"
    )
    assert JsonText("v", ("it's", "b\\")).text().count("'it\\'s', 'b\\\\'") == 2


@pytest.mark.parametrize(
    "shape", ["({} + n)", "min2({}, n)", "round({} * 2)", "({} ?? n)", "if(b, {}, n)", "(0 - abs({}))", "({} / n)"]
)
def test_the_statement_grows_with_the_filter(shape: str) -> None:
    sizes = []
    for depth in (2, 4, 8):
        source = "n"
        for _ in range(depth):
            source = shape.format(source)
        sizes.append(len(condition(f"{source} > 1")[0]))
    assert sizes[2] - sizes[1] <= 2.2 * (sizes[1] - sizes[0])


def test_conditions_in_many_levels_stay_linear() -> None:
    source = 'a == "x"'
    for _ in range(8):
        source = f"if({source}, b, !c)"
    assert len(condition(source)[0]) < 4_000


@given(st.integers(-(10**38) + 1, 10**38 - 1) | st.integers(-(10**18), 10**18))
def test_a_comparison_of_floats_is_a_comparison_of_their_numbers(bound: int) -> None:
    """`at_least` is the least float whose number is not below: the float before it is below."""

    def value(floating: float) -> int | None:
        return nanos(Decimal(repr(floating)))

    found = at_least(bound)
    reached, before = value(found), value(nextafter(found, -inf))
    assert reached is None or reached >= bound
    assert before is None or before < bound or abs(before) >= 10**38
