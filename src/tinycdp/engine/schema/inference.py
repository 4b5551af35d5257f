"""Count what messages look like: their events, properties, types and SDKs.

Shape   MessageShapes.count_message(message) counts one, count_rejected(…) counts a rejected one; rows(known) → Rows for
        the registry's tables, with only the names that KnownNames has room for. state_of(…) returns a property's state
Units   days and hours are whole ones since 1970, by arrival; nested properties are joined by dots, DEPTH levels deep
Laws    counting is by shape: events with one name and the same properties of the same types share an entry, so counting
        one takes a microsecond, however many properties it has. The rows() of two processes add up, in any order.
        Values are never kept.
        At most `shapes` entries are kept; beyond that only the event's volume is counted
Source  docs/decisions/0023-registry.md
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tinycdp.engine.schema.tracking_plan import KINDS, event_of
from tinycdp.model import DAY_MS, HOUR_MS, Instant, Message

SHAPES = 5_000
DEPTH = 3
LONGEST_NAME = 200
#: The places of an environment's registry; properties are those of one event.
MOST_EVENTS, MOST_PROPERTIES, MOST_SDKS = 1_000, 200, 200
_LONGEST_LABEL = 60
#: The name under which counts without room are kept.
OTHER = "$other"

State = Literal["active", "deprecated", "type_changed", "unstable"]

#: (event, property, type); property and type are "" for the event itself.
Typed = tuple[str, str, str]


@dataclass(slots=True)
class SeenCount:
    """A count, with the first and last instant."""

    n: int
    first: Instant
    last: Instant

    def add(self, n: int, first: Instant, last: Instant) -> None:
        self.n += n
        self.first = min(self.first, first)
        self.last = max(self.last, last)


@dataclass(slots=True)
class Rows:
    """Rows for the registry's tables.

    types: by event, property and type · days: by (event, day, property, type, sdk) · hours: by (event, hour) ·
    sdks: by (library, version, platform) · violations: by (event, day, code, path, rejected)"""

    types: dict[Typed, SeenCount] = field(default_factory=dict)
    days: dict[tuple[str, int, str, str, str], int] = field(default_factory=dict)
    hours: dict[tuple[str, int], int] = field(default_factory=dict)
    sdks: dict[tuple[str, str, str], SeenCount] = field(default_factory=dict)
    violations: dict[tuple[str, int, str, str, bool], SeenCount] = field(default_factory=dict)


#: event, hour, library, version, platform, names of properties, types of their values
_Shape = tuple[str, int, Any, Any, Any, tuple[str, ...], tuple[type, ...]]


class MessageShapes:
    """The shapes of one environment's messages since this object was made."""

    def __init__(self, shapes: int = SHAPES) -> None:
        self._most = shapes
        self._shapes: dict[_Shape, SeenCount] = {}
        self._violations: dict[tuple[str, int, str, str, bool], SeenCount] = {}

    def __bool__(self) -> bool:
        return bool(self._shapes or self._violations)

    def count_message(self, message: Message) -> None:
        """Count an accepted message."""
        event = event_of(message)
        if event is None:
            return
        at, properties, context = message.received_at, message.properties, message.context
        kinds = tuple(map(type, properties.values()))
        if dict in kinds:
            properties = dict(_leaves(properties, DEPTH))
            kinds = tuple(map(type, properties.values()))
        library = context.get("library")
        name, version = (library.get("name"), library.get("version")) if type(library) is dict else ("", "")
        shape = (event, at // HOUR_MS, name, version, _platform(context), tuple(properties), kinds)
        try:
            known = self._shapes.get(shape)
        except TypeError:  # a list for a library's name
            shape = (*shape[:2], "", "", *shape[4:])
            known = self._shapes.get(shape)
        if known is None:
            known = self._begin(shape, at)
        known.n += 1
        if at > known.last:
            known.last = at
        elif at < known.first:
            known.first = at
        for warned in message.warnings:
            self._note(event, at, warned.code, warned.path, rejected=False)

    def _begin(self, shape: _Shape, at: Instant) -> SeenCount:
        """Add an entry.

        If there is no room, use the one for the rest of the event, or for all events."""
        if len(self._shapes) >= self._most:
            shape = (shape[0], shape[1], "", "", "", (OTHER,), (str,))
            if shape not in self._shapes and len(self._shapes) >= 2 * self._most:
                shape = (OTHER, shape[1], "", "", "", (), ())
        return self._shapes.setdefault(shape, SeenCount(0, at, at))

    def count_rejected(self, message: Message, code: str, path: str) -> None:
        """Count a message that the tracking plan or the policy `validation` rejected."""
        self._note(event_of(message) or "", message.received_at, code, path, rejected=True)

    def _note(self, event: str, at: Instant, code: str, path: str, *, rejected: bool) -> None:
        key = (event, at // DAY_MS, code, path[:LONGEST_NAME], rejected)
        known = self._violations.get(key)
        if known is None and len(self._violations) >= self._most:
            key = (OTHER, at // DAY_MS, code, "$", rejected)
            known = self._violations.get(key)
        if known is None:
            self._violations[key] = SeenCount(1, at, at)
        else:
            known.add(1, at, at)

    def _volumes(self) -> dict[str, int]:
        """How often each event came."""
        found: dict[str, int] = {}
        for shape, span in self._shapes.items():
            found[shape[0]] = found.get(shape[0], 0) + span.n
        return found

    def rows(self, known: "KnownNames") -> Rows:
        """The counts so far, under the names that there is room for: of new ones, those that came most often."""
        found = Rows()
        known.admit(self._volumes())
        for (seen_event, hour, library, version, platform, names, kinds), span in self._shapes.items():
            event, day = known.event(seen_event), hour // 24
            from_ = known.sdk(*(text if type(text) is str else "" for text in (library, version, platform)))
            sdk = " ".join(filter(None, from_[:2]))
            _span(found.types, (event, "", ""), span)
            _count(found.days, (event, day, "", "", sdk), span.n)
            _count(found.hours, (event, hour), span.n)
            _span(found.sdks, from_, span)
            for name, kind in zip(names, kinds, strict=True):
                property = known.property(event, name)
                typed = KINDS.get(kind, "object") if property != OTHER else ""
                _span(found.types, (event, property, typed), span)
                _count(found.days, (event, day, property, typed, sdk), span.n)
        for (seen_event, *rest), span in self._violations.items():
            _span(found.violations, (known.event(seen_event), *rest), span)
        return found


class KnownNames:
    """The names in an environment's registry, and whether there is room for more.

    A full registry takes no new names: they come from clients, and some clients put an id into each name. Events of the
    tracking plan always have a place; and names that came rarely lose theirs, see store/sql/registry.sql."""

    def __init__(
        self,
        names: Iterable[tuple[str, str]] = (),
        sdks: Iterable[tuple[str, str, str]] = (),
        planned: Iterable[str] = (),
        *,
        events: int = MOST_EVENTS,
        properties: int = MOST_PROPERTIES,
        most_sdks: int = MOST_SDKS,
    ) -> None:
        self._most_events, self._most_properties, self._most_sdks = events, properties, most_sdks
        self._events: dict[str, set[str]] = {}
        self._sdks = set(sdks)
        self._planned = frozenset(planned)
        for event, property in names:
            self._events.setdefault(event, set()).add(property)

    def admit(self, volumes: Mapping[str, int]) -> None:
        """Give new events the places that are left, the most frequent first."""
        for name in sorted(volumes.keys() - self._events.keys(), key=lambda name: (-volumes[name], name)):
            self.event(name)

    def event(self, name: str) -> str:
        if name not in self._events:
            is_full = len(self._events) >= self._most_events and name not in self._planned
            if is_full or len(name) > LONGEST_NAME:
                return OTHER
            self._events[name] = set()
        return name

    def property(self, event: str, name: str) -> str:
        known = self._events.setdefault(event, set())
        if name not in known:
            if len(known) >= self._most_properties or len(name) > LONGEST_NAME or not name or event == OTHER:
                return OTHER
            known.add(name)
        return name

    def sdk(self, library: str, version: str, platform: str) -> tuple[str, str, str]:
        found = (library[:_LONGEST_LABEL], version[:_LONGEST_LABEL], platform[:_LONGEST_LABEL])
        if found not in self._sdks:
            if len(self._sdks) >= self._most_sdks:
                return (OTHER, "", "")
            self._sdks.add(found)
        return found


def _span(spans: dict[Any, SeenCount], key: Any, span: SeenCount) -> None:
    known = spans.get(key)
    if known is None:
        spans[key] = SeenCount(span.n, span.first, span.last)
    else:
        known.add(span.n, span.first, span.last)


def _count(counts: dict[Any, int], key: Any, n: int) -> None:
    counts[key] = counts.get(key, 0) + n


def _leaves(properties: Mapping[str, Any], depth: int, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every property, and nested properties by their path; objects are included too."""
    for name, value in properties.items():
        yield prefix + name, value
        if type(value) is dict and depth > 1:
            yield from _leaves(value, depth - 1, f"{prefix}{name}.")


def _platform(context: Mapping[str, Any]) -> str:
    """The platform that sent the message.

    It is the operating system's name, otherwise what the client reports."""
    os = context.get("os")
    name = os.get("name") if type(os) is dict else None
    if name is None:
        name = context.get("platform") or context.get("channel")
    return name if type(name) is str else ""


# The state of a property

LATELY_DAYS = 7
GONE_MS = 30 * DAY_MS
#: If more than this share of the last days' values has another type, the type counts as unstable.
UNSTABLE_SHARE = 0.01


def state_of(
    days: Iterable[tuple[int, str, int]], totals: Mapping[str, int], today: int, last: Instant, event_last: Instant
) -> tuple[State, str]:
    """A property's state and the reason for it.

    days    how many values of each type were received on each day
    totals  how many of each type were ever received

    last, event_last  when the property, and its event, were last seen"""
    if event_last - last > GONE_MS:
        gone = (event_last - last) // DAY_MS
        return "deprecated", f"Its event was received without it for {gone} days."
    lately: dict[str, int] = {}
    before: dict[str, int] = {}
    for day, kind, n in days:
        if kind and kind != "null":
            _count(lately if day > today - LATELY_DAYS else before, kind, n)
    if len(lately) > 1:
        most, *others = _by_number(lately)
        share = 1 - lately[most] / sum(lately.values())
        if share >= UNSTABLE_SHARE:
            listed = " and ".join(others)
            return "unstable", f"{share:.0%} of the values of the last {LATELY_DAYS} days are not {most}, but {listed}."
    if lately and before:
        now, then = _by_number(lately)[0], _by_number(before)[0]
        if now != then:
            return "type_changed", f"The type was {then} until {LATELY_DAYS} days ago and is {now} since."
    most, *others = _by_number({kind: n for kind, n in totals.items() if kind and kind != "null"}) or ("null",)
    if not others:
        return "active", "Received regularly, always with the same type."
    share = 1 - totals[most] / sum(n for kind, n in totals.items() if kind != "null")
    return "active", f"Received regularly as {most}; {_percent(share)} of all values are {' and '.join(others)}."


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= UNSTABLE_SHARE else "less than 1%"


def main_type(counts: Mapping[str, int]) -> str | None:
    """The most frequent type; None if there were only nulls."""
    found = {kind: n for kind, n in counts.items() if kind and kind != "null"}
    return _by_number(found)[0] if found else None


def _by_number(counts: Mapping[str, int]) -> Sequence[str]:
    return sorted(counts, key=lambda kind: (-counts[kind], kind))
