"""Compile the typed nodes of a filter to ClickHouse SQL over one row.

Shape   Filters(source, parameters, zone).condition(node) → UInt8, never NULL: whether the node is true
        .value(node) → the node's value, NULL if unknown
Laws    the SQL is as long as the expression, however nested; it never fails; SQL's three-valued logic is the language's
        a condition need not tell false from unknown, so it compares values as they are stored wherever it can
Source  dsl/SPEC.md "Truth", "Functions", "Types"
"""

from collections.abc import Callable
from datetime import date
from typing import Protocol

from tinycdp.dsl import ir
from tinycdp.dsl.check.signatures import DURATION_UNITS_MS
from tinycdp.dsl.ir import Type
from tinycdp.dsl.sql.clickhouse.reads import LEAST_UNSIGNED, JsonValue, StoredNumber
from tinycdp.dsl.sql.clickhouse.values import (
    FLOAT_LIMIT,
    Parameters,
    arithmetic,
    at_least,
    decimal_of_float,
    decimal_of_whole,
    instant,
    let,
    version,
    whole_number,
    whole_units,
)
from tinycdp.dsl.values.calendar import days_in
from tinycdp.dsl.values.numbers import SCALE, nanos, number

_OPERATORS = {"==": "=", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
#: In so many numbers a float is looked for by comparing it with each.
_FEW = 16
_READS = (ir.EventProperty, ir.Context, ir.Property, ir.GroupTrait)


class FilterSource(Protocol):
    """What the names of a filter read, as SQL over the current row.

    The question decides as of when: `profile_property` may be a column of the people as they are now, or a join with
    what was said by the event. What the SQL refers to is in scope wherever the question uses the filter."""

    def event_property(self, path: tuple[str, ...]) -> JsonValue: ...
    def context(self, path: tuple[str, ...]) -> JsonValue: ...
    def profile_property(self, path: tuple[str, ...]) -> JsonValue: ...
    def group_trait(self, path: tuple[str, ...]) -> JsonValue: ...

    def segment(self, key: str) -> str:
        """Bool or UInt8, never NULL: whether the profile is a member."""
        ...

    def seen(self, which: str) -> str:
        """The instant of the profile's first or last message in milliseconds; NULL if it has none."""
        ...

    def now(self) -> str:
        """The instant that `ago` and `until` count from, in milliseconds."""
        ...


class Filters:
    """Compiles filters over one kind of row.

    parameters  collects the values of the whole statement
    zone        the environment's time zone, for `date(…)`"""

    def __init__(self, source: FilterSource, parameters: Parameters, zone: str) -> None:
        self._source = source
        self._parameters = parameters
        self._zone = zone

    def condition(self, node: ir.Node) -> str:
        """Whether a condition is true: UInt8, never NULL."""
        return f"ifNull({self._decided(node, True)}, false)"

    def value(self, node: ir.Node) -> str:
        """The value of a node, in parentheses wherever it may stand beside something else."""
        match node:
            case ir.Const():
                return self._parameters.of(node.value, node.type)
            case ir.LocalMidnight():
                day = date.fromisoformat(node.date).toordinal()
                return self._parameters.whole(days_in(self._zone).first_instant(day))
            case ir.EventProperty() | ir.Context() | ir.Property() | ir.GroupTrait():
                return self._typed(self._read(node), node.type)
            case ir.Reference(kind="segment"):
                return self._source.segment(node.key)
            case ir.Seen():
                return self._source.seen(node.which)
            case ir.Ago():
                return whole_units(f"({self._source.now()} - {self.value(node.operand)})", node.unit_ms)
            case ir.Clock():
                return self._clock(node)
            case ir.Compare():
                return self._compare(node.op, node.left, node.right)
            case ir.In():
                return self._in(node)
            case ir.Logic():
                return _joined(node.op, [self.value(operand) for operand in node.operands])
            case ir.Not():
                return f"(NOT {self.value(node.operand)})"
            case ir.Exists():
                return self._exists(node.operand)
            case ir.Coalesce():
                return f"coalesce({self.value(node.left)}, {self.value(node.right)})"
            case ir.Arith():
                return self._arithmetic(node)
            case ir.Negate():
                operand = self.value(node.operand)
                return f"(-{operand})" if node.type is Type.NUMBER else f"(-toInt128({operand}))"
            case ir.Call():
                return self._call(node)
        raise AssertionError(f"no SQL for {type(node).__name__} in a filter")

    # Reads

    def _read(self, node: ir.Node) -> JsonValue:
        match node:
            case ir.EventProperty():
                return self._source.event_property(node.path)
            case ir.Context():
                return self._source.context(node.path)
            case ir.Property():
                return self._source.profile_property(node.path)
            case ir.GroupTrait():
                return self._source.group_trait(node.path)
        raise AssertionError(f"{type(node).__name__} reads no JSON value")

    def _typed(self, value: JsonValue, type_: Type) -> str:
        match type_:
            case Type.NUMBER:
                return value.number()
            case Type.STRING:
                return value.text()
            case Type.BOOL:
                return value.bool()
            case Type.DATETIME:
                return instant(value.text(), self._parameters)
            case Type.LIST:
                return value.array()
            case _:
                return value.tagged()

    def _exists(self, node: ir.Node) -> str:
        if isinstance(node, _READS) and node.type is Type.DYN:
            return self._read(node).present()
        return f"({self.value(node)} IS NOT NULL)"

    def _clock(self, node: ir.Clock) -> str:
        now, at = f"toInt128({self._source.now()})", self.value(node.operand)
        return f"({now} - {at})" if node.function == "ago" else f"({at} - {now})"

    # Truth

    def _decided(self, node: ir.Node, want: bool) -> str:
        """Whether the node has this truth value: true if it has, otherwise false or NULL."""
        match node:
            case ir.Logic():
                op = node.op if want else {"and": "or", "or": "and"}[node.op]
                return _joined(op, [self._decided(operand, want) for operand in node.operands])
            case ir.Not():
                return self._decided(node.operand, not want)
            case ir.Compare():
                op = node.op if want else _OPPOSITE[node.op]
                return self._compare(op, node.left, node.right, settled=False)
            case ir.In():
                return self._in(node, negated=node.negated is want, settled=False)
            case ir.Call(function="between", arguments=(value, low, high)) if isinstance(value, _READS):
                bounds = ir.Compare(Type.BOOL, ">=", value, low), ir.Compare(Type.BOOL, "<=", value, high)
                return self._decided(ir.Logic(Type.BOOL, "and", bounds), want)
        return self.value(node) if want else f"(NOT {self.value(node)})"

    def _compare(self, op: str, left: ir.Node, right: ir.Node, *, settled: bool = True) -> str:
        """A comparison. If it need not be settled, false may stand for unknown."""
        if left.type is Type.DYN:
            return self._bind(
                lambda a, b: f"if(substring({a}, 1, 1) = substring({b}, 1, 1), {a} {_OPERATORS[op]} {b}, NULL)",
                left,
                right,
            )
        if left.type is Type.NUMBER:
            for value, constant, as_written in ((left, right, op), (right, left, _MIRRORED[op])):
                if isinstance(value, _READS) and isinstance(constant, ir.Const):
                    stored = self._read(value).stored_number()
                    scaled = nanos(constant.value)
                    if stored is not None and scaled is not None:
                        return self._compare_stored(as_written, stored, scaled, settled)
        return f"({self.value(left)} {_OPERATORS[op]} {self.value(right)})"

    def _compare_stored(self, op: str, stored: StoredNumber, constant: int, settled: bool) -> str:
        """A number as it is stored, against a constant.

        Each order is `>=` or `<` of the least stored value that has at least so many nanos."""
        signed, unsigned, floating = stored
        if op in {"==", "!="}:
            whole = constant // SCALE if constant % SCALE == 0 else None
            exact = self._parameters.whole(whole) if whole is not None else self._parameters.number(number(constant))
            tests = [f"{sql} {_OPERATORS[op]} {exact}" for sql in (signed, unsigned)]
            test, fits = self._float_is(floating, constant), f"abs({floating}) < {FLOAT_LIMIT}"
            test = test if op == "==" else f"NOT {test}"
        else:
            least = constant + 1 if op in {"<=", ">"} else constant
            order = ">=" if op in {">=", ">"} else "<"
            whole, real = -(-least // SCALE), self._parameters.add(at_least(least), "Float64")
            tests = [f"{sql} {order} {self._parameters.whole(whole)}" for sql in (signed, unsigned)]
            test = f"{floating} {order} {real}"
            fits = f"{floating} < {FLOAT_LIMIT}" if order == ">=" else f"{floating} > -{FLOAT_LIMIT}"
        if settled:
            return f"coalesce({', '.join(tests)}, if({fits}, {test}, NULL))"
        if op in {"==", "<", "<="} and whole is not None and whole <= LEAST_UNSIGNED:
            tests.pop()  # what is stored unsigned is larger
        return _joined("or", [*tests, test if op == "==" else f"({test} AND {fits})"])

    def _float_is(self, floating: str, constant: int) -> str:
        """Whether a float's number is this one: a range of floats, the more of them the nearer to zero."""
        least, above = at_least(constant), at_least(constant + 1)
        low, high = self._parameters.add(least, "Float64"), self._parameters.add(above, "Float64")
        return f"({floating} >= {low} AND {floating} < {high})"

    def _in(self, node: ir.In, *, negated: bool | None = None, settled: bool = True) -> str:
        negated = node.negated if negated is None else negated
        type_ = node.operand.type
        match type_:
            case Type.NUMBER:
                options = self._parameters.numbers(node.options)
            case Type.STRING:
                options = self._parameters.texts(node.options)
            case Type.BOOL:
                options = f"({', '.join('true' if option else 'false' for option in node.options)})"
            case _:
                options = self._parameters.wholes(node.options)
        if not settled and not negated:
            fast = self._in_stored(node)
            return fast if fast is not None else f"({self.value(node.operand)} IN {options})"
        test = "NOT IN" if negated else "IN"
        return self._bind(lambda a: f"if({a} IS NULL, NULL, {a} {test} {options})", node.operand)

    def _in_stored(self, node: ir.In) -> str | None:
        """Whether a number as it is stored is in the list; None if it is not at hand."""
        if node.operand.type is not Type.NUMBER or not isinstance(node.operand, _READS):
            return None
        stored = self._read(node.operand).stored_number()
        if stored is None:
            return None
        signed, unsigned, floating = stored
        scaled = [nanos(option) or 0 for option in node.options]
        integers = [option // SCALE for option in scaled if option % SCALE == 0]
        tests = [f"{signed} IN {self._parameters.wholes(integers)}"] if integers else []
        if any(integer >= LEAST_UNSIGNED for integer in integers):
            tests.append(f"{unsigned} IN {self._parameters.wholes(integers)}")
        if len(scaled) <= _FEW:
            return _joined("or", [*tests, *(self._float_is(floating, option) for option in scaled)])
        return _joined("or", [*tests, f"{decimal_of_float(floating)} IN {self._parameters.numbers(node.options)}"])

    def _bind(self, body: Callable[..., str], *nodes: ir.Node) -> str:
        """The body over the values of nodes. A value that takes work to compute gets a name."""
        names, bound = [], []
        for node in nodes:
            sql = self.value(node)
            if isinstance(node, ir.Const) or (isinstance(node, _READS) and node.type in {Type.STRING, Type.BOOL}):
                names.append(sql)
            else:
                names.append(self._parameters.fresh())
                bound.append((names[-1], sql))
        return let(body(*names), *bound) if bound else body(*names)

    # Functions

    def _arithmetic(self, node: ir.Arith) -> str:
        left, right = self.value(node.left), self.value(node.right)
        if node.type is Type.NUMBER:
            return arithmetic(node.op, left, right)
        return f"(toInt128({left}) {node.op} toInt128({right}))"

    def _call(self, node: ir.Call) -> str:
        match node.function, node.arguments:
            case "between", (value, low, high) if isinstance(value, _READS):
                return _joined("and", [self._compare(">=", value, low), self._compare("<=", value, high)])
            case "between", (value, low, high):
                return self._bind(lambda x, a, b: f"({x} >= {a} AND {x} <= {b})", value, low, high)
            case "min2" | "max2", (left, right):
                op = "<=" if node.function == "min2" else ">="
                return self._bind(
                    lambda a, b: f"CASE {a} {op} {b} WHEN true THEN {a} WHEN false THEN {b} END", left, right
                )
        arguments = [self.value(argument) for argument in node.arguments]
        match node.function, arguments:
            case "if", [condition, then, otherwise]:
                return f"CASE {condition} WHEN true THEN {then} WHEN false THEN {otherwise} END"
            case "lower" | "upper", [text]:
                return f"{node.function}({text})"
            case "len", [text]:
                return decimal_of_whole(f"lengthUTF8({text})")
            case "starts_with", [text, part]:
                return f"startsWith({text}, {part})"
            case "ends_with", [text, part]:
                return f"endsWith({text}, {part})"
            case "contains", [text, part]:
                return f"(position({text}, {part}) > 0)"
            case "abs", [number]:
                return f"abs({number})"
            case "round", [number]:
                return whole_number(number)
            case "semver", [text]:
                return version(text, self._parameters)
            case "datetime", [text]:
                return instant(text, self._parameters)
            case unit, [duration] if unit in DURATION_UNITS_MS:
                return whole_units(duration, DURATION_UNITS_MS[unit])
        raise AssertionError(f"no SQL for {node.function}")


def _joined(op: str, parts: list[str]) -> str:
    return "(" + f" {op.upper()} ".join(parts) + ")"
