"""What is left of an expression when all that does not read the context is evaluated.

Shape   LocalParts(compiler).part(node) -> Part, made once per catalog; part(residue) -> tree, once per snapshot.
        A Residue is one snapshot that is being made. MustAsk where a client cannot decide
Units   trees are JSON: texts, bools, None for unknown, and tuples (name, operand, …)
Laws    a tree has, for every context, the value and the `until` that the expression has. What never changes is folded
Source  dsl/SNAPSHOT.md
"""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from json import dumps
from typing import Any, Literal, Protocol

from tinycdp.dsl import ir
from tinycdp.dsl.check.signatures import DURATION_UNITS_MS
from tinycdp.dsl.compile import Compiler, depends_on_time
from tinycdp.dsl.evaluators import Evaluator
from tinycdp.dsl.ir import Type
from tinycdp.dsl.values.numbers import SCALE, nanos
from tinycdp.dsl.values.scalars import version_text
from tinycdp.model import NEVER, Instant

#: JSON: see dsl/SNAPSHOT.md "Values".
Tree = Any

#: Why a flag is asked from the server: dsl/SNAPSHOT.md "To be asked: ask".
Why = Literal["server", "sticky", "session", "flag", "name"]


class Residue(Protocol):
    """One snapshot that is being made."""

    def known(self, evaluate: Evaluator, literal: Callable[[Any], Tree], end: Instant = NEVER) -> Tree:
        """The values of an evaluator that reads no context, from now on, but not those after `end`."""

    def flag(self, key: str, evaluate: Evaluator, type_: Type) -> Tree:
        """The value of another flag. Raises MustAsk if that flag is asked from the server."""


Part = Callable[[Residue], Tree]


class MustAsk(Exception):
    """A client cannot decide the flag; `why` is the word for it in the snapshot."""

    def __init__(self, why: Why) -> None:
        super().__init__(why)
        self.why = why


class LocalParts:
    """Makes the parts of expressions."""

    def __init__(self, compiler: Compiler) -> None:
        self._compiler = compiler
        self._references: dict[tuple[str, str, Type], Evaluator] = {}

    def part(self, node: ir.Node) -> Part:
        """What makes the tree of a node."""
        if not self._is_open(node):
            evaluate, literal = self._evaluator(node), partial(literal_of, type_=node.type)
            return lambda residue: residue.known(evaluate, literal)
        match node:
            case ir.Context():
                tree = ("context", _CONTEXT_TYPES[node.type], *node.path)
                return lambda residue: tree
            case ir.Reference(kind="flag", key=key):
                evaluate = self._compiler.compile(node)
                return lambda residue: residue.flag(key, evaluate, node.type)
            case ir.Reference():
                target = self._compiler.resolve((node.kind, node.key))
                assert target is not None
                return self.part(target)
            case ir.Logic():
                operands = [self.part(operand) for operand in sorted(node.operands, key=depends_on_time)]
                decisive = node.op == "or"
                return lambda residue: joined([operand(residue) for operand in operands], decisive)
            case ir.Not():
                operand = self.part(node.operand)
                return lambda residue: negated(operand(residue))
            case ir.In():
                options = tuple(
                    literal_of(_value(option, node.operand.type), node.operand.type) for option in node.options
                )
                return self._unless(node.negated, "in", (node.operand,), options)
            case ir.Compare(op="==" | "!=" as op) if node.left.type is Type.DYN and node.right.type is Type.DYN:
                return self._unless(op == "!=", "same", (node.left, node.right))
            case ir.Compare() | ir.Arith():
                return self._node(node.op, (node.left, node.right))
            case ir.Coalesce():
                return self._node("else", (node.left, node.right))
            case ir.Exists():
                return self._node("exists", (node.operand,))
            case ir.Negate():
                return self._node("neg", (node.operand,))
            case ir.Ago():
                return self._node("ago", (node.operand,), (node.unit_ms,))
            case ir.Clock():
                return self._node(node.function, (node.operand,))
            case ir.Call(function=unit, arguments=(duration,)) if unit in DURATION_UNITS_MS:
                clock = self._see_through(duration)
                if isinstance(clock, ir.Clock):
                    return self._node(clock.function, (clock.operand,), (DURATION_UNITS_MS[unit],))
                return self._node("units", (duration,), (DURATION_UNITS_MS[unit],))
            case ir.Call():
                return self._node(_FUNCTIONS.get(node.function, node.function), node.arguments)
        raise AssertionError(f"no part for {type(node).__name__}")

    def _evaluator(self, node: ir.Node) -> Evaluator:
        """The node's evaluator: one and the same for all that read a definition, whose values are listed once."""
        if not isinstance(node, ir.Reference):
            return self._compiler.compile(node)
        name = (node.kind, node.key, node.type)
        if name not in self._references:
            self._references[name] = self._compiler.compile(node)
        return self._references[name]

    def _node(self, name: str, operands: tuple[ir.Node, ...], more: tuple[Tree, ...] = ()) -> Part:
        parts = [self.part(operand) for operand in operands]
        return lambda residue: (name, *[part(residue) for part in parts], *more)

    def _unless(self, negative: bool, name: str, operands: tuple[ir.Node, ...], more: tuple[Tree, ...] = ()) -> Part:
        made = self._node(name, operands, more)
        return (lambda residue: ("not", made(residue))) if negative else made

    def _is_open(self, node: ir.Node) -> bool:
        """Whether the client has to evaluate the node: it reads the context, or moves with the clock."""
        return reads_request(node) or self._moves(node)

    def _moves(self, node: ir.Node) -> bool:
        """Whether the value changes with the clock alone, so that its values ahead cannot be listed."""
        if node.type is Type.BOOL:
            return False  # it changes where the truth does, which is rarely
        if isinstance(node, ir.Ago | ir.Clock):
            return True
        if isinstance(node, ir.Reference):
            target = self._compiler.resolve((node.kind, node.key)) if node.kind == "trait" else None
            return target is not None and target.type is node.type and self._moves(target)
        return any(map(self._moves, ir.children(node)))

    def _see_through(self, node: ir.Node) -> ir.Node:
        while isinstance(node, ir.Reference) and (target := self._compiler.resolve((node.kind, node.key))) is not None:
            node = target
        return node


_CONTEXT_TYPES = {
    Type.STRING: "string",
    Type.BOOL: "bool",
    Type.NUMBER: "number",
    Type.DATETIME: "instant",
    Type.DYN: "json",
    Type.LIST: "list",
}
_FUNCTIONS = {"min2": "min", "max2": "max"}


def reads_context(node: ir.Node) -> bool:
    """Whether an expression reads the context of a request itself."""
    return any(isinstance(n, ir.Context) for n in ir.walk(node))


def reads_request(node: ir.Node) -> bool:
    """Whether it does, or reads a flag, which may."""
    return any(isinstance(n, ir.Context) or (isinstance(n, ir.Reference) and n.kind == "flag") for n in ir.walk(node))


def joined(operands: list[Tree], decisive: bool) -> Tree:
    """`||` of trees if decisive is True, `&&` if it is False."""
    left = []
    for operand in operands:
        if operand is decisive:
            return decisive
        if operand is not (not decisive):
            left.append(operand)
    if len(left) > 1:
        return ("or" if decisive else "and", *left)
    return left[0] if left else not decisive


def negated(operand: Tree) -> Tree:
    """The opposite of a tree."""
    return (not operand) if type(operand) is bool else None if operand is None else ("not", operand)


# Literals


def literal_of(value: Any, type_: Type) -> Tree:
    """A value as evaluators have it, in the form of a tree."""
    if value is None:
        return None
    match type_:
        case Type.BOOL | Type.STRING:
            return value
        case Type.NUMBER:
            return ("number", decimal_text(value))
        case Type.DATETIME | Type.DURATION:
            return ("ms", str(value))
        case Type.VERSION:
            return ("version", version_text(value))
        case Type.DYN | Type.LIST:
            return ("json", json_text(value))


def _value(plain: Any, type_: Type) -> Any:
    """A literal of the language as evaluators have it."""
    return nanos(plain) if type_ is Type.NUMBER else plain


def decimal_text(scaled: int) -> str:
    """The decimal digits of nanos, without trailing zeros after the point.

    >>> decimal_text(-49_900_000_000)
    '-49.9'
    """
    whole, rest = divmod(abs(scaled), SCALE)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{'-' if scaled < 0 else ''}{whole}{fraction}"


def json_text(value: Any) -> str:
    """The canonical text of JSON: equal values have equal texts. Raises MustAsk if it is nested too deeply.

    >>> json_text({"b": [Decimal("1.50"), 100], "a": None})
    '{"a":null,"b":[15e-1,1e2]}'
    """
    try:
        return _json_text(value)
    except RecursionError:
        raise MustAsk("server") from None


def _json_text(value: Any) -> str:
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{_text(name)}:{_json_text(value[name])}" for name in names) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_json_text, value)) + "]"
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return _number_text(Decimal(value))
    return _text(value)


_text = partial(dumps, ensure_ascii=False)


def _number_text(value: Decimal) -> str:
    sign, digits, exponent = value.as_tuple()
    plain = "".join(map(str, digits)).lstrip("0")
    significant = plain.rstrip("0")
    if not significant:
        return "0"
    assert isinstance(exponent, int)
    return f"{'-' if sign else ''}{significant}e{exponent + len(plain) - len(significant)}"
