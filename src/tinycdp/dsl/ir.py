"""The typed, resolved form of an expression.

`check` produces it; `compile` and the SQL oracle consume it.

Shape   a tree of frozen nodes; every node has a `type`, and a `span` into the source it came from
Laws    every name is resolved; every aggregate has a canonical AggregateSpec; types are sound except `dyn`:
        its values are tested at run time, and are unknown if they do not fit
Units   windows and durations in milliseconds, spans in characters of the source (half-open)
Source  dsl/SPEC.md
"""

from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b

from tinycdp.model import SECOND_MS, Value


class Type(StrEnum):
    BOOL = "bool"
    NUMBER = "number"
    STRING = "string"
    DATETIME = "datetime"
    DURATION = "duration"
    VERSION = "version"
    LIST = "list"
    DYN = "dyn"


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, end) of the source."""

    start: int
    end: int


NOWHERE = Span(0, 0)


class Family(StrEnum):
    """The kind of state that an aggregate keeps. Several functions may read one family."""

    COUNT = "count"  # count, exists, rate
    NUMBER = "number"  # sum, avg, min, max
    FIRST = "first"  # first
    LAST = "last"  # last
    DAYS = "days"  # unique_days, streak_days
    SPAN = "span"  # first_at, last_at and the *_ago of an event
    UNIQUE = "unique"  # unique
    HISTOGRAM = "histogram"  # percentile, p50 …
    TOP = "top"  # top


@dataclass(frozen=True, slots=True)
class Window:
    """The events with now − start_ms < occurred_at <= now − end_ms.

    A start_ms of None means no lower bound."""

    start_ms: int | None
    end_ms: int = 0


LIFETIME = Window(None)


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    type: Type
    span: Span = field(default=NOWHERE, kw_only=True)
    #: whether the value can be unknown although every definition is ready
    nullable: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, slots=True, eq=False)
class Const(Node):
    """A literal. LIST holds a tuple of values; a datetime or duration holds milliseconds."""

    value: Value | tuple[Value, ...]


@dataclass(frozen=True, slots=True, eq=False)
class LocalMidnight(Node):
    """`date("2026-01-01")`: the instant at which that local day begins.

    Local means in the workspace's time zone."""

    date: str


@dataclass(frozen=True, slots=True, eq=False)
class Property(Node):
    """`profile.a.b`: path ("a", "b")."""

    path: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class GroupTrait(Node):
    """`group.a.b`: a trait of the profile's group."""

    path: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Context(Node):
    """`context.a`, in flag rules only."""

    path: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class EventProperty(Node):
    """A bare (or dotted) name inside `where(…)`: a property of the event."""

    path: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Reference(Node):
    """Another definition's value: kind is "trait", "segment" or "flag"."""

    kind: str
    key: str


@dataclass(frozen=True, slots=True, eq=False)
class Seen(Node):
    """The instant of the profile's first or last message; `which` is "first" or "last"."""

    which: str


@dataclass(frozen=True, slots=True, eq=False)
class Listed(Node):
    """The rule of a static segment: whether the profile has an identifier on the segment's list.

    `list_id` is the id of the definition. No text of the language compiles to it."""

    list_id: int


@dataclass(frozen=True, slots=True)
class AggregateSpec:
    """The state to keep for one aggregate.

    There is one per (event, where, family, property) of a workspace, shared by all windows.

    event       the event's name, or None for every event
    where_text  the canonical text of the predicate, "" if absent; equal predicates have equal text
    where       the same predicate, typed; the only names in it are EventProperty
    path        the event property to aggregate; () for families without one
    """

    event: str | None
    family: Family
    path: tuple[str, ...] = ()
    where_text: str = ""
    where: Node | None = field(default=None, compare=False)

    @property
    def key(self) -> str:
        """16 hexadecimal digits that identify the aggregate, on every machine and in every release."""
        parts = ("*" if self.event is None else "=" + self.event, self.where_text, self.family, *self.path)
        return blake2b("\x1f".join(parts).encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class AggregateRead(Node):
    """One function read from one aggregate's state.

    function  count exists rate · sum avg min max · first last · unique_days streak_days · first_at last_at ·
              unique · percentile · top
    days      unique_days only: how many local days, today included
    quantile  percentile only, as text of a decimal in (0, 1)
    """

    spec: AggregateSpec
    function: str
    window: Window = LIFETIME
    days: int | None = None
    quantile: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Ago(Node):
    """`…_minutes_ago`: floor((now − instant) / unit_ms), a number.

    The operand is Seen or a read of first_at or last_at."""

    operand: Node
    unit_ms: int


@dataclass(frozen=True, slots=True, eq=False)
class Clock(Node):
    """`ago(t)` = now − t and `until(t)` = t − now, durations: function is "ago" or "until"."""

    function: str
    operand: Node


@dataclass(frozen=True, slots=True, eq=False)
class Compare(Node):
    """op is one of == != < <= > >=."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True, eq=False)
class In(Node):
    """`operand in [..]`; `options` are literal values of the operand's type."""

    operand: Node
    options: tuple[Value, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Logic(Node):
    """`&&` and `||`, flattened: op is "and" or "or", two or more operands in source order."""

    op: str
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Not(Node):
    operand: Node


@dataclass(frozen=True, slots=True, eq=False)
class Coalesce(Node):
    left: Node
    right: Node


@dataclass(frozen=True, slots=True, eq=False)
class Exists(Node):
    operand: Node


@dataclass(frozen=True, slots=True, eq=False)
class Arith(Node):
    """op is + - * /, on numbers (and + - on durations, and a datetime ± a duration)."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True, eq=False)
class Negate(Node):
    operand: Node


@dataclass(frozen=True, slots=True, eq=False)
class Call(Node):
    """A pure scalar function.

    One of: if lower upper starts_with ends_with contains len semver datetime abs round
    min2 max2 between seconds minutes hours days."""

    function: str
    arguments: tuple[Node, ...]


def children(node: Node) -> tuple[Node, ...]:
    """The node's direct operands, in source order.

    A `where` predicate is not one: it is evaluated on arrival."""
    match node:
        case Compare() | Coalesce() | Arith():
            return (node.left, node.right)
        case Logic():
            return node.operands
        case Not() | Exists() | Negate() | In() | Ago() | Clock():
            return (node.operand,)
        case Call():
            return node.arguments
        case _:
            return ()


def walk(node: Node) -> "list[Node]":
    """The node and all its descendants, parents first."""
    found = [node]
    for child in found:
        found.extend(children(child))
    return found


def depth(node: Node) -> int:
    """How deep nodes are nested, at the deepest place."""
    levels = 0
    row: tuple[Node, ...] = (node,)
    while row:
        levels, row = levels + 1, tuple(child for parent in row for child in children(parent))
    return levels


#: Tile widths. Each divides the next, so that a wider bucket is a union of narrower ones.
BUCKET_WIDTHS_MS = tuple(s * SECOND_MS for s in (1, 10, 60, 300, 900, 3_600, 21_600, 86_400))


def bucket_width_ms(window_ms: int) -> int:
    """The width of the buckets that serve a window: the largest bucket width h with 60·h <= window."""
    return max(h for h in BUCKET_WIDTHS_MS if 60 * h <= window_ms)


def bucket_widths_of(read: AggregateRead) -> tuple[int, ...]:
    """The bucket widths that one read needs: none for a lifetime, two for a range."""
    window = read.window
    return tuple(bucket_width_ms(edge) for edge in (window.start_ms, window.end_ms) if edge)
