"""The syntax tree: an expression as it was written, without types.

Shape   Expr and its kinds; operands(expr) → the parts of one. The typed tree is in ir.py
Laws    sources with the same meaning give equal trees: sugar, quotes, redundant parentheses and spellings of operators
        are normalised, and spans do not count in ==
Source  dsl/grammar.lark; dsl/SPEC.md "Grammar", "Names"
"""

from dataclasses import dataclass, field
from decimal import Decimal

from tinycdp.dsl.ir import NOWHERE, Span, Type

#: Aggregates that take no property. Their window may be part of the name: `count_30d`.
SUGARED = ("count", "exists", "rate", "unique_days")


@dataclass(frozen=True, slots=True)
class Expr:
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Literal(Expr):
    """A value as written.

    A number is an int if whole, otherwise a Decimal; a duration is in milliseconds."""

    type: Type
    value: bool | int | Decimal | str


@dataclass(frozen=True, slots=True)
class ListLiteral(Expr):
    items: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Name(Expr):
    """A single name.

    It is a trait, a built-in such as `last_seen_days_ago`, or in `where` an event property."""

    name: str


@dataclass(frozen=True, slots=True)
class Path(Expr):
    """Two or more names joined by dots: `profile.address.city`."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ref(Expr):
    """`traits.x`, `segment("x")`, `flag("x")`: kind is "trait", "segment" or "flag"."""

    kind: str
    key: str


@dataclass(frozen=True, slots=True)
class EventSelection(Expr):
    """`events.purchase` or `events.purchase.where(…)`, before its aggregate.

    An event of None means every event."""

    event: str | None
    where: Expr | None = None
    event_span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Range(Expr):
    """`90d..30d`, as an argument."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Aggregate(Expr):
    """`events.purchase.sum(amount, 30d)`: the events, the function and its arguments.

    Sugar is expanded: `count_30d` is `count` with one argument."""

    events: EventSelection
    function: str
    arguments: tuple[Expr, ...] = ()
    function_span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Call(Expr):
    function: str
    arguments: tuple[Expr, ...]
    function_span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Compare(Expr):
    op: str
    left: Expr
    right: Expr
    op_span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class In(Expr):
    operand: Expr
    options: ListLiteral
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Logic(Expr):
    """`&&` and `||`, flattened: op is "and" or "or"."""

    op: str
    operands: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Not(Expr):
    operand: Expr


@dataclass(frozen=True, slots=True)
class Coalesce(Expr):
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Arith(Expr):
    op: str
    left: Expr
    right: Expr
    op_span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Negate(Expr):
    operand: Expr


def operands(expr: Expr) -> tuple[Expr, ...]:
    """The direct parts of a tree, in source order. A list literal is one part."""
    match expr:
        case Compare() | Coalesce() | Arith():
            return (expr.left, expr.right)
        case Logic():
            return expr.operands
        case Not() | Negate():
            return (expr.operand,)
        case In():
            return (expr.operand, expr.options)
        case Call():
            return expr.arguments
        case Aggregate():
            return (expr.events, *expr.arguments)
        case EventSelection(where=Expr() as where):
            return (where,)
        case _:
            return ()
