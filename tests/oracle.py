"""The language by brute force: what an expression is worth, read from raw messages with no state and no cleverness.

Shape   Oracle(messages, zone, properties, definitions, context): .value(node, now) · .breakpoints(node, now)
Units   instants in milliseconds UTC. Numbers are Decimals, datetimes and durations ints, versions tuples: so two values
        have equal types exactly when they have equal Python types. None is unknown.
Laws    the history at `now` is the set of messages with received_at <= now, each message id once;
        every answer is a function of that set; slow is fine, unclear is not; the server never imports this
Source  dsl/SPEC.md
"""

import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from tinycdp.dsl import ir
from tinycdp.model import Message

NEWEST = 256
MOST_VALUES = 1_000
LONGEST_TEXT = 1_024
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
UNIT_MS = {"seconds": SECOND, "minutes": MINUTE, "hours": HOUR, "days": DAY}
BUCKET_WIDTHS = (DAY, 6 * HOUR, HOUR, 15 * MINUTE, 5 * MINUTE, MINUTE, 10 * SECOND, SECOND)

WIDE = Context(prec=200, rounding=ROUND_HALF_UP)
BILLIONTH = Decimal("0.000000001")
TOO_BIG = Decimal(10) ** 29  # 38 digits, 9 of them fractional


class Oracle:
    """One profile's whole history and everything an expression may read beside it.

    properties   profile properties known before any message, as if set at the beginning of time
    definitions  (kind, key) -> typed expression, for traits and segments that are referred to
    flags        flag key -> value, for `flag("key")`
    """

    def __init__(
        self,
        messages: Iterable[Message],
        *,
        zone: str = "UTC",
        properties: Mapping[str, Any] | None = None,
        definitions: Mapping[tuple[str, str], ir.Node] | None = None,
        context: Mapping[str, Any] | None = None,
        flags: Mapping[str, Any] | None = None,
    ) -> None:
        self.messages = list(messages)
        self.zone = ZoneInfo(zone)
        self.properties = properties or {}
        self.definitions = definitions or {}
        self.context = context or {}
        self.flags = flags or {}

    def value(self, node: ir.Node, now: int) -> Any:
        """What the expression is worth at `now`; None is unknown."""
        match node:
            case ir.Const():
                return number(node.value) if node.type is ir.Type.NUMBER else node.value
            case ir.LocalMidnight():
                return self.midnight(date.fromisoformat(node.date))
            case ir.Property():
                return typed(dig(self.profile(now), node.path), node.type)
            case ir.GroupTrait():
                return typed(dig(self.group(now), node.path), node.type)
            case ir.Context():
                return typed(dig(self.context, node.path), node.type)
            case ir.Reference(kind="segment"):
                return self.value(self.definitions["segment", node.key], now) is True
            case ir.Reference(kind="trait"):
                read = self.definitions["trait", node.key]
                value = self.value(read, now)
                return typed(value, node.type) if read.type is ir.Type.DYN else value
            case ir.Reference(kind="flag"):
                return typed(self.flags.get(node.key), node.type)
            case ir.Seen():
                seen = [m.occurred_at for m in self.history(now) if m.active]
                return (min(seen) if node.which == "first" else max(seen)) if seen else None
            case ir.AggregateRead():
                return self.aggregate(node, now)
            case _:
                return operate(node, [self.value(child, now) for child in ir.children(node)], now)

    def history(self, now: int) -> list[Message]:
        """The messages that have arrived by `now`, each id once, oldest first by (occurred_at, message id)."""
        once: dict[str, Message] = {}
        for message in sorted(self.messages, key=lambda m: m.received_at):
            if message.received_at <= now:
                once.setdefault(message.message_id, message)
        return sorted(once.values(), key=lambda m: (m.occurred_at, m.message_id))

    def profile(self, now: int) -> dict[str, Any]:
        """Profile properties: each is what the latest identify that named it said."""
        properties = dict(self.properties)
        for message in self.history(now):
            if message.kind == "identify":
                properties.update(message.properties)
        return properties

    def group(self, now: int) -> dict[str, Any]:
        """Traits of the group that the latest group call named: each is what the latest call about that group said."""
        calls = [m for m in self.history(now) if m.kind == "group" and m.group_id is not None]
        traits: dict[str, Any] = {}
        for call in calls:
            if call.group_id == calls[-1].group_id:
                traits.update(call.properties)
        return traits

    def matching(self, spec: ir.AggregateSpec, now: int) -> list[tuple[int, str, Any]]:
        """(occurred_at, id, value) of the events the aggregate counts, oldest first.

        Where the aggregate reads a property, an event without a usable one is not among them.
        """
        found = []
        for m in self.history(now):
            if m.kind not in ("track", "page", "screen") or spec.event not in (None, m.name):
                continue
            if spec.where is not None and predicate(spec.where, m, now) is not True:
                continue
            value = typed(dig(m.properties, spec.path), ir.Type.DYN) if spec.path else None
            if spec.family in (ir.Family.NUMBER, ir.Family.HISTOGRAM) and not isinstance(value, Decimal):
                continue
            if spec.path and not (isinstance(value, bool | Decimal | str) and len(str(value)) <= LONGEST_TEXT):
                continue
            found.append((m.occurred_at, m.message_id, value))
        return found

    def aggregate(self, node: ir.AggregateRead, now: int) -> Any:
        entries = self.matching(node.spec, now)
        every = [ts for ts, _, _ in entries]
        match node.function:
            case "first_at":
                return min(every, default=None)
            case "last_at":
                return max(every, default=None)
            case "unique_days":
                today = self.local_date(now)
                days = {self.local_date(ts) for ts in every}
                assert node.days is not None
                return Decimal(sum(today - timedelta(days=node.days) < day <= today for day in days))
            case "streak_days":
                return Decimal(self.streak({self.local_date(ts) for ts in every}, self.local_date(now)))
            case "unique":
                latest = {(type(value), value): ts for ts, _, value in entries}
                start = node.window.start_ms
                inside = [ts for ts in latest.values() if start is None or now - start < ts]
                return Decimal(min(len(inside), MOST_VALUES))
        inside = between_edges if node.function in ("min", "max") and node.window.end_ms else inside_window
        chosen = [entry for rank, entry in enumerate(reversed(entries)) if inside(rank, entry, node.window, now)]
        chosen.reverse()
        return summary(node, [value for _, _, value in chosen])

    def streak(self, days: set[date], today: date) -> int:
        """Consecutive days with an event, ending today, or yesterday when today has none yet."""
        day = today if today in days else today - timedelta(days=1)
        length = 0
        while day in days:
            length, day = length + 1, day - timedelta(days=1)
        return length

    def local_date(self, instant: int) -> date:
        return (datetime.fromtimestamp(instant // SECOND, UTC)).astimezone(self.zone).date()

    def midnight(self, day: date) -> int:
        """The instant at which the local day begins."""
        return int(datetime(day.year, day.month, day.day, tzinfo=self.zone).timestamp()) * SECOND

    def breakpoints(self, node: ir.Node, now: int) -> set[int]:
        """A superset of the instants after `now` at which the value may change if nothing more arrives.

        Every instant the expression can see plus every duration it names, and the local midnights that days end at.
        """
        nodes = self.reachable(node)
        instants = {m.occurred_at for m in self.history(now)}
        offsets = {0}
        found: set[int] = set()
        days = 0
        numbers = {n.value for n in nodes if isinstance(n, ir.Const) and n.type is ir.Type.NUMBER}
        for n in nodes:
            match n:
                case ir.Const(type=ir.Type.DURATION):
                    offsets |= {int(n.value), -int(n.value)}  # type: ignore[arg-type]
                case ir.Const(type=ir.Type.DATETIME):
                    instants.add(int(n.value))  # type: ignore[arg-type]
                case ir.LocalMidnight() | ir.Property() | ir.Context() if n.type is ir.Type.DATETIME:
                    instants |= {self.value(n, now)} - {None}
                case ir.Ago():
                    offsets |= {math.ceil(k) * n.unit_ms + j * n.unit_ms for k in numbers for j in (-1, 0, 1)}
                    offsets |= {j * n.unit_ms for j in (1, 2)}
                case ir.Call(function=unit) if unit in UNIT_MS:
                    steps = {(math.ceil(k) + j) * UNIT_MS[unit] for k in numbers for j in (-1, 0, 1)} | {0}
                    offsets |= {sign * step + late for step in steps for sign in (1, -1) for late in (0, 1)}
                case ir.AggregateRead():
                    days = max(days, n.days or (2 if n.function == "streak_days" else 0))
                    edges = {n.window.start_ms, n.window.end_ms} - {None, 0}
                    for edge, width in itertools.product(edges, map(bucket_width, edges)):
                        for ts, _, _ in self.matching(n.spec, now):
                            found |= {ts + edge, floor(ts, width) + width + edge}
        found |= {instant + offset for instant in instants for offset in offsets}
        if days:
            today = self.local_date(now)
            found |= {self.midnight(today + timedelta(days=k)) for k in range(1, days + 2)}
        return {instant for instant in found if instant > now}

    def reachable(self, node: ir.Node) -> list[ir.Node]:
        """The expression's nodes and those of every definition it refers to."""
        found = ir.walk(node)
        for n in found:
            if isinstance(n, ir.Reference) and n.kind != "flag":
                found.extend(ir.walk(self.definitions[n.kind, n.key]))
        return found


def inside_window(rank: int, entry: tuple[int, str, Any], window: ir.Window, now: int) -> bool:
    """A range a..b holds what the trailing window a holds and the trailing window b does not."""
    return trailing(rank, entry[0], window.start_ms, now) and not (
        window.end_ms > 0 and trailing(rank, entry[0], window.end_ms, now)
    )


def between_edges(rank: int, entry: tuple[int, str, Any], window: ir.Window, now: int) -> bool:
    """The range of a least or greatest value, which cannot be had by subtraction: both edges round what is in buckets
    by the width of the older edge."""
    assert window.start_ms is not None
    edges = [now - window.start_ms, now - window.end_ms]
    if rank < NEWEST:
        return edges[0] < entry[0] <= edges[1]
    older, newer = (floor(edge, bucket_width(window.start_ms)) for edge in edges)
    return older <= entry[0] < newer


def trailing(rank: int, ts: int, window_ms: int | None, now: int) -> bool:
    """Whether the event with `rank` newer ones is in the window: exact for the newest 256, by bucket for the others."""
    if window_ms is None:
        return True
    if rank < NEWEST:
        return now - window_ms < ts <= now
    return floor(now - window_ms, bucket_width(window_ms)) <= ts


def bucket_width(window_ms: int) -> int:
    return next(h for h in BUCKET_WIDTHS if 60 * h <= window_ms)


def floor(instant: int, width: int) -> int:
    return instant // width * width


def summary(node: ir.AggregateRead, values: list[Any]) -> Any:
    """The aggregate of the values inside the window, oldest first."""
    match node.function:
        case "count":
            return Decimal(len(values))
        case "exists":
            return bool(values)
        case "rate":
            assert node.window.start_ms is not None
            return quantised(Fraction(len(values) * DAY, node.window.start_ms - node.window.end_ms))
        case "sum":
            return quantised(sum(map(Fraction, values), Fraction(0)))
        case "avg":
            return quantised(sum(map(Fraction, values), Fraction(0)) / len(values)) if values else None
        case "min" | "max":
            return (min(values) if node.function == "min" else max(values)) if values else None
        case "first" | "last":
            return typed(values[0 if node.function == "first" else -1], node.type) if values else None
        case "percentile":
            ordered = sorted(three_digits(value) for value in values)
            assert node.quantile is not None
            rank = math.ceil(Fraction(node.quantile) * len(ordered))
            return quantised(Fraction(ordered[max(rank, 1) - 1])) if ordered else None
        case "top":
            kinds = (Decimal, bool, str)
            counts = Counter((kinds.index(type(value)), value) for value in values)
            if not 0 < len(counts) <= MOST_VALUES:
                return None
            (_, value), _ = min(counts.items(), key=lambda counted: (-counted[1], counted[0]))
            return typed(value, node.type)
    raise NotImplementedError(node.function)


def predicate(node: ir.Node, message: Message, now: int) -> Any:
    """A `where` on one event: its only names are the event's properties."""
    if isinstance(node, ir.EventProperty):
        return typed(dig(message.properties, node.path), node.type)
    if isinstance(node, ir.Const):
        return number(node.value) if node.type is ir.Type.NUMBER else node.value
    return operate(node, [predicate(child, message, now) for child in ir.children(node)], now)


def operate(node: ir.Node, operands: list[Any], now: int) -> Any:
    """The operators and functions, on values that may be unknown."""
    match node:
        case ir.Exists():
            return operands[0] is not None
        case ir.Coalesce():
            return operands[0] if operands[0] is not None else operands[1]
        case ir.Logic(op="and"):
            return False if False in operands else None if None in operands else True
        case ir.Logic(op="or"):
            return True if True in operands else None if None in operands else False
        case ir.Call(function="if"):
            return operands[1] if operands[0] is True else operands[2] if operands[0] is False else None
        case ir.Call(function="between"):
            above, below = compare(">=", operands[0], operands[1]), compare("<=", operands[0], operands[2])
            return False if False in (above, below) else None if None in (above, below) else True
    if any(operand is None for operand in operands):
        return None
    match node:
        case ir.Not():
            return not operands[0]
        case ir.Compare():
            return compare(node.op, operands[0], operands[1])
        case ir.In():
            options = [number(o) if type(o) in (int, Decimal) else o for o in node.options]
            same_type = [o for o in options if type(o) is type(operands[0])]
            return (operands[0] in same_type) != node.negated if same_type or not node.options else None
        case ir.Ago():
            return Decimal((now - operands[0]) // node.unit_ms)
        case ir.Clock():
            return now - operands[0] if node.function == "ago" else operands[0] - now
        case ir.Negate():
            return negated(operands[0])
        case ir.Arith():
            return arithmetic(node.op, operands[0], operands[1])
        case ir.Call():
            return call(node.function, operands)
    raise NotImplementedError(node)


def compare(op: str, left: Any, right: Any) -> bool | None:
    if left is None or type(left) is not type(right):
        return None
    if isinstance(left, dict | list):
        same = sorted(leaves(left)) == sorted(leaves(right))
        return same == (op == "==") if op in ("==", "!=") else None
    if op in ("==", "!="):
        return (left == right) == (op == "==")
    if isinstance(left, bool | str):
        return None
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[op]


def leaves(value: Any, path: str = "$") -> list[tuple[str, str]]:
    """What a JSON value says, place by place: equal values say the same, in any order. No number is rounded."""
    match value:
        case dict():
            inner = [leaf for name, member in value.items() for leaf in leaves(member, f"{path}.{json.dumps(name)}")]
            return [(path, "object"), *inner]
        case list():
            inner = [leaf for place, item in enumerate(value) for leaf in leaves(item, f"{path}[{place}]")]
            return [(path, "array"), *inner]
        case bool() | None | str():
            return [(path, json.dumps(value))]
        case _:
            return [(path, str(Fraction(repr(value) if isinstance(value, float) else value)))]


def arithmetic(op: str, left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int):  # datetimes and durations
        return left + right if op == "+" else left - right
    if not (isinstance(left, Decimal) and isinstance(right, Decimal)):
        return None
    a, b = Fraction(left), Fraction(right)
    match op:
        case "+":
            return quantised(a + b)
        case "-":
            return quantised(a - b)
        case "*":
            return quantised(a * b)
        case _:
            return quantised(a / b) if b else None


def call(function: str, arguments: list[Any]) -> Any:
    first = arguments[0]
    match function:
        case "lower":
            return re.sub("[A-Z]", lambda letter: chr(ord(letter[0]) + 32), first)
        case "upper":
            return re.sub("[a-z]", lambda letter: chr(ord(letter[0]) - 32), first)
        case "starts_with":
            return first[: len(arguments[1])] == arguments[1]
        case "ends_with":
            return len(first) >= len(arguments[1]) and first[len(first) - len(arguments[1]) :] == arguments[1]
        case "contains":
            return any(first[i : i + len(arguments[1])] == arguments[1] for i in range(len(first) + 1))
        case "len":
            return Decimal(len(first))
        case "semver":
            return version(first)
        case "datetime":
            return instant(first)
        case "abs":
            return first if first >= 0 else negated(first)
        case "round":
            places = int(arguments[1]) if len(arguments) > 1 else 0
            return quantised(Fraction(first.quantize(Decimal(1).scaleb(-places), context=WIDE)))
        case "seconds" | "minutes" | "hours" | "days":
            return Decimal(math.floor(Fraction(first, UNIT_MS[function])))
        case "min2":
            return min(arguments)
        case "max2":
            return max(arguments)
    raise NotImplementedError(function)


def negated(value: Any) -> Any:
    """Exactly: Decimal's own minus would round to the context's digits."""
    return value.copy_negate() if isinstance(value, Decimal) else -value


def dig(values: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(values, Mapping) or name not in values:
            return None
        values = values[name]
    return values


def typed(value: Any, wanted: ir.Type) -> Any:
    """The value if it has the wanted type, else None; DYN takes any scalar."""
    match wanted:
        case ir.Type.BOOL:
            return value if isinstance(value, bool) else None
        case ir.Type.NUMBER:
            return number(value)
        case ir.Type.STRING:
            return value if isinstance(value, str) else None
        case ir.Type.DATETIME:
            return instant(value) if isinstance(value, str) else None
        case ir.Type.VERSION:
            return version(value) if isinstance(value, str) else None
        case ir.Type.DYN:
            return value if isinstance(value, bool) or not isinstance(value, int | float | Decimal) else number(value)
    return None


def number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    return quantised(Fraction(exact)) if exact.is_finite() else None


def quantised(value: Fraction) -> Decimal | None:
    """To nine fractional digits, half away from zero; unknown beyond 38 digits in all."""
    billionths = math.floor(abs(value) * 10**9 + Fraction(1, 2))
    result = WIDE.divide(Decimal(billionths if value >= 0 else -billionths), Decimal(10**9))
    return result if result.copy_abs() < TOO_BIG else None


def three_digits(value: Decimal) -> Decimal:
    """Three significant digits, half away from zero."""
    return value if value == 0 else value.quantize(Decimal(1).scaleb(value.adjusted() - 2), context=WIDE)


def instant(text: str) -> int | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    if at.tzinfo is None:  # without a zone it names no instant
        return None
    if re.search("T24|[+-][0-9]{2}:?[6-9][0-9]$", text):  # what some versions of Python let pass
        return None
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def version(text: str) -> tuple[Any, ...] | None:
    """SemVer 2 precedence; a missing minor or patch is 0, and a pre-release comes before its release."""
    number, name = "(0|[1-9][0-9]{0,17})", "[0-9A-Za-z-]+"
    names = rf"{name}(?:\.{name})*"
    found = re.fullmatch(rf"[vV]?{number}(?:\.{number})?(?:\.{number})?(?:-({names}))?(?:\+{names})?", text)
    if not found or len(text) > 256:
        return None
    major, minor, patch, pre = found.groups()
    parts = pre.split(".") if pre else []
    if any(part.isdigit() and not re.fullmatch(number, part) for part in parts):
        return None
    labels = tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in parts) if pre else None
    return (int(major), int(minor or 0), int(patch or 0), labels is None, labels or ())
