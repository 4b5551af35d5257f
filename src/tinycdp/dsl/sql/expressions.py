"""Compile typed nodes to scalar SQL over one row.

Shape   Expressions(reader).sql(node) → SQL, in parentheses wherever it may stand beside something else
Laws    the SQL is as long as the expression, however nested; it never fails; NULL means unknown, and SQL's three-valued
        logic is the language's
Errors  Unsupported for values that only a decision knows
Source  dsl/SPEC.md "Truth", "Functions", "Types"
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, Protocol

from tinycdp.dsl import ir
from tinycdp.dsl.check.signatures import DURATION_UNITS_MS
from tinycdp.dsl.evaluators import lookup
from tinycdp.dsl.ir import Type
from tinycdp.dsl.sql.values import (
    Unsupported,
    bounded,
    datetime,
    divided,
    json,
    let,
    literal,
    member,
    typed,
    version,
    whole_units,
)
from tinycdp.dsl.values.calendar import days_in

_COMPARISONS = {"==": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_SMALL, _LARGE = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class SqlSource(Protocol):
    """What an expression reads, as SQL over the current row.

    SQL of JSON values is short and may be repeated."""

    def instant(self) -> str: ...
    def property(self, path: tuple[str, ...]) -> str: ...
    def group_trait(self, path: tuple[str, ...]) -> str: ...
    def seen(self, which: str) -> str: ...
    def listed(self, list_id: int) -> str: ...
    def read(self, read: ir.AggregateRead) -> str: ...


class Expressions:
    """Compiles expressions. `known` maps each definition they may refer to, to SQL and type.

    A definition without SQL maps to None, and is unknown."""

    def __init__(
        self,
        reader: SqlSource | None,
        zone: str,
        context: Mapping[str, Any],
        known: Mapping[tuple[str, str], tuple[str, Type] | None],
    ) -> None:
        self._reader = reader
        self._zone = zone
        self._context = context
        self._known = known

    def sql(self, node: ir.Node) -> str:
        match node:
            case ir.Const():
                return literal(node.value, node.type)
            case ir.LocalMidnight():
                day = date.fromisoformat(node.date).toordinal()
                return literal(days_in(self._zone).first_instant(day), Type.DATETIME)
            case ir.EventProperty():
                return f"({typed(member('e.properties', node.path), node.type)})"
            case ir.Context():
                return f"({typed(json(lookup(self._context, node.path)), node.type)})"
            case ir.Compare():
                return self._compare(node)
            case ir.In():
                return self._in(node)
            case ir.Logic():
                return "(" + f" {node.op.upper()} ".join(map(self.sql, node.operands)) + ")"
            case ir.Not():
                return f"(NOT {self.sql(node.operand)})"
            case ir.Exists():
                return f"({self.sql(node.operand)} IS NOT NULL)"
            case ir.Coalesce():
                return f"coalesce({self.sql(node.left)}, {self.sql(node.right)})"
            case ir.Arith():
                return self._arithmetic(node)
            case ir.Negate():
                return f"(- {self.sql(node.operand)})"
            case ir.Call():
                return self._call(node)
        assert self._reader is not None, f"{type(node).__name__} in where"
        match node:
            case ir.Property():
                return f"({typed(self._reader.property(node.path), node.type)})"
            case ir.GroupTrait():
                return f"({typed(self._reader.group_trait(node.path), node.type)})"
            case ir.Reference():
                return self._reference(node)
            case ir.Seen():
                return self._reader.seen(node.which)
            case ir.Listed():
                return self._reader.listed(node.list_id)
            case ir.AggregateRead():
                return f"({self._reader.read(node)})"
            case ir.Ago():
                return f"div({self._reader.instant()} - {self.sql(node.operand)}, {node.unit_ms})"
            case ir.Clock():
                now, at = self._reader.instant(), self.sql(node.operand)
                return f"({now} - {at})" if node.function == "ago" else f"({at} - {now})"
        raise AssertionError(f"no SQL for {type(node).__name__}")

    def _reference(self, node: ir.Reference) -> str:
        if node.kind == "flag":
            raise Unsupported(f"flag({node.key!r}): a flag's value needs a decision, SQL cannot compute it")
        known = self._known[node.kind, node.key]
        if known is None:
            return literal(None, node.type)
        sql, type_ = known
        return f"({typed(sql, node.type)})" if type_ is Type.DYN and node.type is not Type.DYN else sql

    def _compare(self, node: ir.Compare) -> str:
        left, right, op = self.sql(node.left), self.sql(node.right), _COMPARISONS[node.op]
        match node.left.type:
            case Type.DYN:
                same = f"CASE WHEN jsonb_typeof(n.a) = jsonb_typeof(n.b) THEN n.a {op} n.b END"
                return let(same, a=left, b=right)
            case Type.VERSION:
                return f'({left} COLLATE "C" {op} {right} COLLATE "C")'
            case _:
                return f"({left} {op} {right})"

    def _in(self, node: ir.In) -> str:
        options = ", ".join(literal(option, node.operand.type) for option in node.options)
        return f"({'NOT ' if node.negated else ''}{self.sql(node.operand)} = ANY (ARRAY[{options}]))"

    def _arithmetic(self, node: ir.Arith) -> str:
        left, right = self.sql(node.left), self.sql(node.right)
        if node.type is not Type.NUMBER:  # an instant or a duration
            return f"({left} {node.op} {right})"
        match node.op:
            case "/":
                return divided(left, right)
            case "*":
                return bounded(f"round({left} * {right}, 9)")
            case _:
                return bounded(f"{left} {node.op} {right}")

    def _call(self, node: ir.Call) -> str:
        arguments = [self.sql(argument) for argument in node.arguments]
        first = arguments[0]
        match node.function, arguments:
            case "if", [condition, then, otherwise]:
                return f"(CASE {condition} WHEN true THEN {then} WHEN false THEN {otherwise} END)"
            case "between", [value, low, high]:
                return let("n.x >= n.low AND n.x <= n.high", x=value, low=low, high=high)
            case "min2" | "max2", [left, right]:
                op = "<=" if node.function == "min2" else ">="
                return let(f"CASE n.a {op} n.b WHEN true THEN n.a WHEN false THEN n.b END", a=left, b=right)
            case "lower", _:
                return f"translate({first}, '{_LARGE}', '{_SMALL}')"
            case "upper", _:
                return f"translate({first}, '{_SMALL}', '{_LARGE}')"
            case "len", _:
                return f"length({first})::numeric"
            case "starts_with", [text, part]:
                return f"starts_with({text}, {part})"
            case "ends_with", [text, part]:
                return let("right(n.a, length(n.b)) = n.b", a=text, b=part)
            case "contains", [text, part]:
                return f"(strpos({text}, {part}) > 0)"
            case "abs", _:
                return f"abs({first})"
            case "round", _:
                return bounded(f"round({first})")
            case "semver", _:
                return version(first)
            case "datetime", _:
                return datetime(first)
            case unit, _ if unit in DURATION_UNITS_MS:
                return whole_units(first, DURATION_UNITS_MS[unit])
        raise AssertionError(f"no SQL for {node.function}")
