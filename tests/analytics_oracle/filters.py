"""Which events a question means, and whether a condition is true: a small reading of the language, by its tree.

Shape   matches(event, meant, where, world) · is_person(profile, condition, world) · and what was known as of an event
Laws    only *true* counts. As of an event: the latest value that any identifier of the person set at or before it, ties
        by message id; the last transition at or before it of the profile that the identifier belonged to when the event
        arrived. A group has no history: it is the person's group now, with its traits now
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any

from analytics_oracle.values import Value, exact, identity, value_at, value_of
from analytics_oracle.world import RawEvent, World
from tinycdp.dsl import ast
from tinycdp.dsl.parser import parse
from tinycdp.products.analytics.questions.schemas import DerivedEvent, Event

Lookup = Callable[[str, str], Value]


def matches(event: RawEvent, meant: Event, where: str, world: World) -> bool:
    """Whether an event is one that a question means."""
    if isinstance(meant, DerivedEvent):
        if meant.derived:
            meant = world.derived[meant.derived]
        named = any(matches(event, one.event, one.where, world) for one in meant.any)
    else:
        named = meant in {"*", event.name}
    return named and (not where or _truth(_tree(where), _as_of(event, world)) is True)


def is_person(profile: int, condition: str, world: World) -> bool:
    """Whether a condition on people is true of a profile as of now."""
    return not condition or _truth(_tree(condition), _now(profile, world)) is True


def profile_value(event: RawEvent, path: str, world: World) -> Value:
    """What was known of a property of the profile as of an event."""
    name, _, rest = path.partition(".")
    identifiers = world.identifiers[world.owner(event)]
    known = [
        said
        for said in world.said
        if said.identifier_id in identifiers and said.property == name and said.at <= event.occurred_at
    ]
    latest = max(known, key=lambda said: (said.at, said.message_id), default=None)
    if latest is None:
        return None
    return value_at({name: latest.value}, path) if rest else value_of(latest.value)


def in_segment(event: RawEvent, segment: str, world: World) -> bool:
    """Whether the profile was in a segment as of an event."""
    moves = [
        moved
        for moved in world.moved
        if moved.profile_id == event.stored_profile_id and moved.segment == segment and moved.at <= event.occurred_at
    ]
    latest = max(moves, key=lambda moved: (moved.at, moved.id), default=None)
    return latest is not None and latest.entered


def _as_of(event: RawEvent, world: World) -> Lookup:
    person = world.person(world.owner(event))

    def look(root: str, path: str) -> Value:
        match root:
            case "profile":
                return profile_value(event, path, world)
            case "segment":
                return in_segment(event, path, world)
            case "group":
                return _held_at(person.group_traits, path)
            case "context":
                return _held_at(event.context, path)
        return _held_at(event.properties, path)

    return look


def _now(profile: int, world: World) -> Lookup:
    person = world.person(profile)

    def look(root: str, path: str) -> Value:
        match root:
            case "profile":
                return _held_at(person.properties, path)
            case "segment":
                return path in person.segments
            case "group":
                return _held_at(person.group_traits, path)
        raise AssertionError(f"{root}.{path} is not of a person")

    return look


def _held_at(properties: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path; a list or an object as it is, of which a filter knows only that it exists."""
    found: Any = properties
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if found and isinstance(found, list | Mapping) else value_of(found)


# The language, three-valued: None is unknown


@lru_cache(maxsize=4_096)
def _tree(source: str) -> ast.Expr:
    return parse(source)


def _truth(expr: ast.Expr, look: Lookup) -> bool | None:
    value = _value(expr, look)
    return value if isinstance(value, bool) else None


def _value(expr: ast.Expr, look: Lookup) -> Any:
    match expr:
        case ast.Literal():
            return value_of(expr.value)
        case ast.Name():
            return look("event", expr.name)
        case ast.Path():
            root, *rest = expr.names
            if root in {"profile", "group", "context"}:
                return look(root, ".".join(rest))
            return look("event", ".".join(expr.names))
        case ast.Ref(kind="segment"):
            return look("segment", expr.key)
        case ast.Logic():
            truths = {_truth(part, look) for part in expr.operands}
            decisive = expr.op == "or"
            return decisive if decisive in truths else None if None in truths else not decisive
        case ast.Not():
            truth = _truth(expr.operand, look)
            return None if truth is None else not truth
        case ast.Compare():
            return _compared(expr.op, _value(expr.left, look), _value(expr.right, look))
        case ast.In():
            found = [_compared("==", _value(expr.operand, look), value_of(item.value)) for item in expr.options.items]
            inside = True if True in found else None if not found or found[0] is None else False
            return None if inside is None else inside is not expr.negated
        case ast.Coalesce():
            left = _value(expr.left, look)
            return left if left is not None else _value(expr.right, look)
        case ast.Call(function="exists"):
            return _value(expr.arguments[0], look) is not None
        case ast.Negate():
            value = _value(expr.operand, look)
            return value.copy_negate() if isinstance(value, Decimal) else None
        case ast.Arith():
            return _arithmetic(expr.op, _value(expr.left, look), _value(expr.right, look))
    raise AssertionError(f"the oracle does not read {type(expr).__name__}")


def _compared(op: str, left: Any, right: Any) -> bool | None:
    """A value of another type than the other's is unknown, and only numbers have an order."""
    if left is None or right is None or type(left) is not type(right):
        return None
    if op in {"==", "!="}:
        return (identity(left) == identity(right)) is (op == "==")
    if not isinstance(left, Decimal):
        return None
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[op]


def _arithmetic(op: str, left: Any, right: Any) -> Decimal | None:
    if not (isinstance(left, Decimal) and isinstance(right, Decimal)) or (op == "/" and right == 0):
        return None
    a, b = Fraction(left), Fraction(right)
    return exact({"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else a}[op])
