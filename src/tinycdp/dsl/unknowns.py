"""Why a value is unknown: the parts of an expression that have no value.

Shape   finder_of(node, source, compiler) → finder; finder(activation, now) → "profile.plan is unknown", …
Laws    a finder is asked only while the value is unknown, and then gives at least one reason.
        Only parts that the value needs are named: the branch that `if` leaves out is not, nor an operand of `&&` that
        is known
Source  dsl/SPEC.md "What is not known"
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from tinycdp.dsl import ir
from tinycdp.dsl.check.signatures import SPOKEN
from tinycdp.dsl.compile import Compiler, field_of
from tinycdp.dsl.evaluators import Activation, Evaluator
from tinycdp.dsl.ir import Type
from tinycdp.model import Instant

Finder = Callable[[Activation, Instant], tuple[str, ...]]

#: How many traits a reason follows, from one to the one that it reads.
_DEEPEST = 4


def finder_of(node: ir.Node, source: str, compiler: Compiler) -> Finder:
    """The finder of an expression, whose text is `source`."""
    return _Finders(source, compiler).of(node)


class _Finders:
    def __init__(self, source: str, compiler: Compiler, depth: int = 0) -> None:
        self._source = source
        self._compiler = compiler
        self._depth = depth

    def of(self, node: ir.Node) -> Finder:
        match node:
            case ir.Property() | ir.GroupTrait() | ir.Context():
                return self._field(node)
            case ir.Reference(kind="trait"):
                return self._trait(node)
            case ir.Call(function="if", arguments=(condition, then, otherwise)):
                return _choice(self._part(condition), self._part(then), self._part(otherwise))
        parts = [self._part(child) for child in ir.children(node) if child.nullable]
        return _operands(parts, self._itself(node))

    def _part(self, node: ir.Node) -> tuple[Evaluator, Finder]:
        return self._compiler.compile(node), self.of(node)

    def _field(self, node: ir.Property | ir.GroupTrait | ir.Context) -> Finder:
        name = field_of(node)
        missing = (f"{name} is unknown",)
        if node.type is Type.DYN:
            return lambda activation, now: missing
        other = (f"{name} is not {SPOKEN[node.type]}",)
        sent = self._compiler.compile(replace(node, type=Type.DYN))
        return lambda activation, now: missing if sent(activation, now)[0] is None else other

    def _trait(self, node: ir.Reference) -> Finder:
        target = self._compiler.resolve((node.kind, node.key))
        if target is None or self._depth == _DEEPEST:
            return lambda activation, now: (f"{node.key} is unknown",)
        inside = _Finders("", self._compiler, self._depth + 1).of(target)
        evaluate = self._compiler.compile(target)

        def find(activation: Activation, now: Instant) -> tuple[str, ...]:
            if evaluate(activation, now)[0] is not None:
                return (f"{node.key} is not {SPOKEN[node.type]}",)
            why = ", ".join(filter(None, inside(activation, now)))
            return (f"{node.key} is unknown" + (f" because {why}" if why else ""),)

        return find

    def _itself(self, node: ir.Node) -> str:
        """The reason if all operands are known; "" for a part of a trait, whose text is not at hand."""
        if not self._source:
            name = field_of(node)
            return f"{name} is unknown" if name and not isinstance(node, ir.AggregateRead) else ""
        text = self._source[node.span.start : node.span.end]
        match node:
            case ir.Call(function="semver" | "datetime", arguments=(argument,)):
                return f"{self._source[argument.span.start : argument.span.end]} is not {SPOKEN[node.type]}"
            case ir.Arith(op="/", right=right):
                return f"{self._source[right.span.start : right.span.end]} is 0"
            case ir.Compare(op="==" | "!=", left=left):
                return f"{text} compares different types" if left.type is Type.DYN else f"{text} is unknown"
        return f"{text} is unknown"


def _operands(parts: Sequence[tuple[Evaluator, Finder]], itself: str) -> Finder:
    own = (itself,)
    if not parts:
        return lambda activation, now: own
    if len(parts) == 1:
        # The most common form, a field beside a constant: a decision pays for every step here.
        evaluate, find_part = parts[0]
        return lambda activation, now: find_part(activation, now) if evaluate(activation, now)[0] is None else own

    def find(activation: Activation, now: Instant) -> tuple[str, ...]:
        found: tuple[str, ...] = ()
        for evaluate, find_part in parts:
            if evaluate(activation, now)[0] is None:
                reasons = find_part(activation, now)
                found = tuple(dict.fromkeys(found + reasons)) if found else reasons
        return found or own

    return find


def _choice(
    condition: tuple[Evaluator, Finder], then: tuple[Evaluator, Finder], otherwise: tuple[Evaluator, Finder]
) -> Finder:
    def find(activation: Activation, now: Instant) -> tuple[str, ...]:
        truth = condition[0](activation, now)[0]
        if truth is None:
            return condition[1](activation, now)
        return (then if truth else otherwise)[1](activation, now)

    return find
