"""Compile typed expressions into evaluators: one closure per node, made once per change.

Shape   Compiler.compile(node) -> evaluator; predicate(node) -> test of an event's properties
Laws    an evaluator parses nothing and looks nothing up by text when it runs
Source  docs/decisions/0007-evaluators-not-trees.md
"""

import operator
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from tinycdp.dsl import evaluators, ir, window_ops
from tinycdp.dsl.check.signatures import DURATION_UNITS_MS
from tinycdp.dsl.evaluators import Activation, Evaluator, EventActivation, Result
from tinycdp.dsl.ir import Type
from tinycdp.dsl.values.numbers import SCALE, bounded, nanos, rounded
from tinycdp.dsl.values.scalars import parse_instant, semver_key
from tinycdp.model import Instant

_TESTS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ROOTS = {ir.Property: ("profile",), ir.GroupTrait: ("group",), ir.Context: ("context",)}
_MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


class Compiler:
    """Compiles the definitions of one catalog.

    ready             whether the state of a read is complete; a read that is not ready is unknown (BACKFILLING)
    resolve           returns the typed node of another definition, so that a comparison can see through a reference
    on_type_mismatch  called with the name of a field, as written, each time its value has another type than the
                      expression needs and therefore counts as unknown"""

    def __init__(
        self,
        ready: Callable[[ir.AggregateRead], bool] = lambda _: True,
        resolve: Callable[[tuple[str, str]], ir.Node | None] = lambda _: None,
        on_type_mismatch: Callable[[str], None] = lambda field: None,
    ) -> None:
        self._ready = ready
        self.resolve = resolve
        self._on_type_mismatch = on_type_mismatch

    def compile(self, node: ir.Node) -> Evaluator:
        """The evaluator of a node."""
        match node:
            case ir.Const():
                return evaluators.constant(node.value if node.type is not Type.NUMBER else nanos(node.value))
            case ir.LocalMidnight():
                return evaluators.local_midnight(node.date)
            case ir.Property():
                return evaluators.property_of(node.path, node.type, self._listener(node))
            case ir.GroupTrait():
                return evaluators.group_trait(node.path, node.type, self._listener(node))
            case ir.Context():
                return evaluators.context_of(node.path, node.type, self._listener(node))
            case ir.EventProperty():
                return evaluators.event_property(node.path, node.type, self._listener(node))
            case ir.Reference():
                return self._reference(node)
            case ir.Seen():
                return evaluators.seen(node.which)
            case ir.Listed():
                return evaluators.listed(node.list_id)
            case ir.AggregateRead():
                return (
                    window_ops.aggregate(node, self._listener(node)) if self._ready(node) else evaluators.constant(None)
                )
            case ir.Ago():
                return window_ops.ago(self.compile(node.operand), node.unit_ms)
            case ir.Clock():
                return window_ops.clock(node.function, self.compile(node.operand))
            case ir.Compare():
                return self._compare(node)
            case ir.In():
                return self._in(node)
            case ir.Logic():
                return self._logic(node)
            case ir.Not():
                return evaluators.negated(self.compile(node.operand))
            case ir.Exists():
                return evaluators.settled(evaluators.exists(self.compile(node.operand)))
            case ir.Coalesce():
                evaluate = evaluators.coalesce(self._typed(node.left, node.type), self._typed(node.right, node.type))
                return evaluators.settled(evaluate) if node.type is Type.BOOL else evaluate
            case ir.Arith():
                return evaluators.arithmetic(node.op, self._operand(node.left), self._operand(node.right))
            case ir.Negate():
                return evaluators.mapped(self._operand(node.operand), operator.neg)
            case ir.Call():
                evaluate = self._call(node)
                return evaluators.settled(evaluate) if node.type is Type.BOOL else evaluate
        raise AssertionError(f"no evaluator for {type(node).__name__}")

    def _listener(self, node: ir.Node) -> Callable[[], None]:
        return partial(self._on_type_mismatch, field_of(node))

    def _typed(self, node: ir.Node, want: Type) -> Evaluator:
        """The node's evaluator.

        If its type is known only at run time, values of any other type become unknown."""
        evaluate = self.compile(node)
        if want is Type.DYN or node.type is not Type.DYN:
            return evaluate
        return evaluators.mapped(evaluate, partial(evaluators.typed, want=want, on_type_mismatch=self._listener(node)))

    def _number(self, node: ir.Node) -> Evaluator:
        return self._typed(node, Type.NUMBER)

    def _operand(self, node: ir.Node) -> Evaluator:
        """An operand of arithmetic: a number, unless its type is datetime or duration."""
        return self._typed(node, node.type if node.type is not Type.DYN else Type.NUMBER)

    def _reference(self, node: ir.Reference) -> Evaluator:
        """The evaluator of another definition, whose values have the node's type: if the definition's own is known
        only at run time, others become unknown."""
        name = (node.kind, node.key)

        if node.kind == "flag":
            # A flag may read the request's context, so its answer is not kept with the profile's values.
            def flag(activation: Activation, now: Instant) -> Result:
                return activation.evaluators[name](activation, now)

            # Its values have the language's form, except those of an object flag, which have no other type.
            return flag if node.type is Type.DYN else evaluators.mapped(flag, partial(_scalar, self._listener(node)))

        def reference(activation: Activation, now: Instant) -> Result:
            return activation.result(name, now)

        target = self.resolve(name) if node.kind == "trait" else None
        if node.type is not Type.DYN and target is not None and target.type is Type.DYN:
            return evaluators.mapped(
                reference, partial(evaluators.typed, want=node.type, on_type_mismatch=self._listener(node))
            )
        return reference

    def _see_through(self, node: ir.Node) -> ir.Node:
        """Follow references to traits to the final node.

        A segment is a boundary, where unknown becomes false."""
        while (
            isinstance(node, ir.Reference)
            and node.kind == "trait"
            and (target := self.resolve((node.kind, node.key))) is not None
        ):
            node = target
        return node

    # Truth

    def _logic(self, node: ir.Logic) -> Evaluator:
        # Operands that do not depend on time come first: if one decides, no window is read. The order is free.
        operands = sorted(node.operands, key=depends_on_time)
        return evaluators.connective(tuple(self._typed(operand, Type.BOOL) for operand in operands), node.op == "or")

    def _compare(self, node: ir.Compare) -> Evaluator:
        test = _TESTS[node.op]
        left, right = self._see_through(node.left), node.right
        if not depends_on_time(right):
            trailing = isinstance(left, ir.AggregateRead) and window_ops.is_trailing(left) and self._ready(left)
            match left:
                case ir.AggregateRead(function="count" | "unique") if trailing:
                    return window_ops.compare_count(left, test, node.op, self._number(right))
                case ir.AggregateRead(function="sum" | "avg" | "min" | "max") if trailing:
                    return window_ops.compare_numbers(left, test, self._number(right))
                case ir.Ago():
                    return window_ops.compare_ago(self.compile(left.operand), left.unit_ms, test, self._number(right))
                case ir.Clock():
                    return window_ops.compare_clock(
                        left.function, self.compile(left.operand), test, self.compile(right)
                    )
                case ir.Call(function=unit) if unit in DURATION_UNITS_MS:
                    if isinstance(clock := self._see_through(left.arguments[0]), ir.Clock):
                        return window_ops.compare_clock_units(
                            clock.function,
                            self.compile(clock.operand),
                            DURATION_UNITS_MS[unit],
                            test,
                            self._number(right),
                        )
        elif not depends_on_time(node.left) and node.op in _MIRRORED:
            return self._compare(ir.Compare(node.type, _MIRRORED[node.op], node.right, node.left))
        want = node.left.type if node.left.type is not Type.DYN else node.right.type
        if want is Type.DYN:
            test = _same(node.op == "==", self._listener(node.left))
        evaluate = evaluators.binary(self._typed(node.left, want), self._typed(node.right, want), test)
        return evaluate if not depends_on_time(node) else evaluators.settled(evaluate)

    def _in(self, node: ir.In) -> Evaluator:
        want = node.operand.type
        options = frozenset(map(nanos, node.options) if want is Type.NUMBER else node.options)
        negated = node.negated

        def contained(value: Any) -> bool:
            return (value in options) is not negated

        return evaluators.settled(evaluators.mapped(self._typed(node.operand, want), contained))

    # Functions

    def _call(self, node: ir.Call) -> Evaluator:
        arguments = node.arguments
        match node.function:
            case "if":
                condition = self._typed(arguments[0], Type.BOOL)
                return evaluators.choose(
                    condition, self._typed(arguments[1], node.type), self._typed(arguments[2], node.type)
                )
            case "between":
                value, low, high = arguments
                bounds = (ir.Compare(Type.BOOL, ">=", value, low), ir.Compare(Type.BOOL, "<=", value, high))
                return self._logic(ir.Logic(Type.BOOL, "and", bounds))
            case "abs":
                return evaluators.mapped(self._number(arguments[0]), abs)
            case "round":
                return evaluators.mapped(
                    self._number(arguments[0]), lambda value: bounded(rounded(value, SCALE) * SCALE)
                )
            case "min2" | "max2":
                pick: Callable[[Any, Any], Any] = min if node.function == "min2" else max
                return evaluators.binary(
                    self._typed(arguments[0], node.type), self._typed(arguments[1], node.type), pick
                )
            case unit if unit in DURATION_UNITS_MS:
                return self._units(arguments[0], DURATION_UNITS_MS[unit])
            case name:
                texts = [self._typed(argument, Type.STRING) for argument in arguments]
                if len(texts) == 1:
                    return evaluators.mapped(texts[0], _OF_TEXT[name])
                return evaluators.binary(texts[0], texts[1], _OF_TWO_TEXTS[name])

    def _units(self, node: ir.Node, unit_ms: int) -> Evaluator:
        """How many whole units a duration has, rounded down."""
        clock = self._see_through(node)
        if isinstance(clock, ir.Clock):
            return window_ops.clock_units(clock.function, self.compile(clock.operand), unit_ms)
        return evaluators.mapped(self._typed(node, Type.DURATION), lambda ms: ms // unit_ms * SCALE)


def membership(evaluate: Evaluator) -> Evaluator:
    """A segment's evaluator: a profile is a member only if the rule is true.

    Unknown means not a member."""

    def member(activation: Activation, now: Instant) -> Result:
        value, until = evaluate(activation, now)
        return value is True, until

    return member


def field_of(node: ir.Node) -> str:
    """The field that a value comes from, as written; the first if there are several."""
    for part in ir.walk(node):
        match part:
            case ir.Property() | ir.GroupTrait() | ir.Context() | ir.EventProperty():
                return ".".join((*_ROOTS.get(type(part), ()), *part.path))
            case ir.AggregateRead() if part.spec.path:
                return ".".join(part.spec.path)
            case ir.Reference():
                return part.key
    return ""


def predicate(
    node: ir.Node | None, on_type_mismatch: Callable[[str], None] = lambda field: None
) -> Callable[[Mapping[str, Any]], bool] | None:
    """A `where` as a test of an event's properties; None if absent. Unknown is not a match."""
    if node is None:
        return None
    evaluate: Any = Compiler(on_type_mismatch=on_type_mismatch).compile(node)

    def matches(properties: Mapping[str, Any]) -> bool:
        return evaluate(EventActivation(properties), 0)[0] is True

    return matches


def depends_on_time(node: ir.Node) -> bool:
    """Whether the value can change with time alone. A reference may."""
    return any(isinstance(n, ir.AggregateRead | ir.Ago | ir.Clock | ir.Reference) for n in ir.walk(node))


# Values whose type is known only at run time


def _scalar(on_type_mismatch: Callable[[], None], value: Any) -> Any:
    """The value unless it is an object or an array; then unknown."""
    if type(value) in {dict, list}:
        on_type_mismatch()
        return None
    return value


def _kind(value: Any) -> type:
    """The JSON type of a value: an int and a Decimal are both numbers, a list and a tuple both arrays."""
    kind = type(value)
    return int if kind is Decimal else list if kind is tuple else kind


def _equal(left: Any, right: Any) -> bool:
    """Whether two JSON values are equal, to any depth. Without recursion, because data may be nested deeply."""
    pending = [(left, right)]
    while pending:
        a, b = pending.pop()
        kind = _kind(a)
        if kind is not _kind(b):
            return False
        if kind is dict:
            if a.keys() != b.keys():
                return False
            pending.extend((value, b[name]) for name, value in a.items())
        elif kind is list:
            if len(a) != len(b):
                return False
            pending.extend(zip(a, b, strict=True))
        elif a != b:
            return False
    return True


def _same(equal: bool, on_type_mismatch: Callable[[], None]) -> Callable[[Any, Any], bool | None]:
    """`==`, or `!=`, of two values whose types are known only at run time. Different types are unknown."""

    def same(left: Any, right: Any) -> bool | None:
        if _kind(left) is not _kind(right):
            on_type_mismatch()
            return None
        return _equal(left, right) is equal

    return same


_UPPER = {c: c - 32 for c in range(ord("a"), ord("z") + 1)}
_LOWER = {c: c + 32 for c in range(ord("A"), ord("Z") + 1)}
_OF_TEXT: dict[str, Callable[[str], Any]] = {
    "lower": lambda text: text.translate(_LOWER),
    "upper": lambda text: text.translate(_UPPER),
    "len": lambda text: len(text) * SCALE,
    "semver": semver_key,
    "datetime": parse_instant,
}
_OF_TWO_TEXTS: dict[str, Callable[[str, str], bool]] = {
    "starts_with": str.startswith,
    "ends_with": str.endswith,
    "contains": operator.contains,
}
