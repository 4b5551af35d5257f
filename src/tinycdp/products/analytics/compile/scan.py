"""One read of the events that a question needs, with a column for each thing it asks.

Shape   Scan(world, parameters, span, …): match(event, where) and column(sql) return column names;
        source() is a table with the columns person, at, and these
Units   at: milliseconds
Laws    events of a name are read by the table's key; an event that matches nothing is left out.
        a person is the profile that the event's identifier belongs to now.
        as of the event: a property is the latest value said at or before its instant by any identifier of the person; a
        segment is the last transition at or before it
Source  docs/reference/analytics-meanings.md
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tinycdp.dsl import ir
from tinycdp.dsl.check.filters import check_event_filter, check_event_name
from tinycdp.dsl.sql.clickhouse import Filters, JsonPath, JsonText, JsonValue, Parameters
from tinycdp.model import MINUTE_MS
from tinycdp.products.analytics.answers.scaling import MILLION
from tinycdp.products.analytics.answers.schemas import Notice
from tinycdp.products.analytics.compile.calendar import TimeRange, invalid
from tinycdp.products.analytics.compile.people import (
    in_sample,
    millionths_of,
    names_of,
    node_of,
    notice,
    people_reads,
    people_where,
    person_of,
    said_by_person,
    segment_id,
    unknown_key,
)
from tinycdp.products.analytics.compile.sql import indented, listed
from tinycdp.products.analytics.compile.world import Reads, World
from tinycdp.products.analytics.questions.schemas import Asked, DerivedEvent, Event, Matching

MOST_EVENTS_OF_ONE = 20
EVERY = "*"


@dataclass(frozen=True, slots=True)
class _Alternative:
    """Events of one name for which all filters hold. A filter is its text and its path in the question."""

    name: str
    path: str
    wheres: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Scan:
    """The events of a span, as a table with one row per event that matches.

    sample   the share of people to ask, in millionths
    people   a condition on people as of now
    in_sessions  add the column `session`: equal for the active events of one session"""

    world: World
    parameters: Parameters
    span: TimeRange
    people: str = ""
    sample: int = MILLION
    in_sessions: bool = False
    warnings: dict[tuple[str, str], Notice] = field(default_factory=dict)
    _columns: dict[str, str] = field(default_factory=dict)
    _matches: list[str] = field(default_factory=list)
    _names: set[str] | None = field(default_factory=set)
    _said: dict[str, str] = field(default_factory=dict)
    _moved: dict[int, str] = field(default_factory=dict)
    _now: dict[str, str] = field(default_factory=dict)
    _noted: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def of(cls, question: Asked, world: World, span: TimeRange, parameters: Parameters | None = None) -> "Scan":
        """The scan of a question over one span."""
        return cls(world, parameters or Parameters(), span, question.people, millionths_of(question))

    # What a question may ask of an event

    def match(self, event: Event, where: str, path: str) -> str:
        """A column that says whether the event is one of these."""
        wheres = ((where, f"{path}.where"),) if where else ()
        found = [self._matches_one(one) for one in self._alternatives(event, wheres, path, frozenset())]
        condition = found[0] if len(found) == 1 else "(" + " OR ".join(found) + ")"
        column = self.column(condition, "m")
        if column not in self._matches:
            self._matches.append(column)
        return column

    def names_of(self, event: Event) -> frozenset[str] | None:
        """The names of the events that may be one of these; None for every name."""
        names = frozenset(one.name for one in self._alternatives(event, (), "", frozenset()))
        return None if EVERY in names else names

    def column(self, sql: str, prefix: str = "c") -> str:
        """A column with this SQL over an event."""
        return self._columns.setdefault(sql, f"{prefix}{len(self._columns)}")

    def event_property(self, names: tuple[str, ...]) -> JsonValue:
        """A property of the event."""
        return JsonPath("e.properties", names)

    def context(self, names: tuple[str, ...]) -> JsonValue:
        """A field of the event's context."""
        return JsonPath("e.context", names)

    def number(self, dotted: str, path: str) -> str:
        """A column with the number of a property; NULL for anything else."""
        return self.column(self.event_property(names_of(dotted, path)).number())

    def scalar(self, value: JsonValue) -> str:
        """A column that is equal for equal values; NULL if unknown. `read_scalar` reads it."""
        return self.column(value.scalar())

    def condition(self, node: ir.Node) -> str:
        """Whether a checked event filter is true."""
        return Filters(_AsOfEvent(self), self.parameters, self.world.zone).condition(node)

    # People

    @property
    def person(self) -> str:
        """The profile that an event's identifier belongs to now."""
        return person_of(self.world, "e")

    def of_person(self, sql: str, what: str, name: str = "") -> str:
        """SQL over the row of the person in `people`, as of now. It has to be Nullable.

        what, name  what it depends on, as Reads has it"""
        self._noted.add((what, name))
        return "now." + self._now.setdefault(sql, f"n{len(self._now)}")

    def group_key(self) -> str:
        """A column with the key of the person's group, as of now; NULL without one."""
        return self.column(self.of_person("nullIf(group_key, '')", "group"))

    def said(self, path: tuple[str, ...]) -> JsonValue:
        """A profile property as of the event."""
        alias = self._said.setdefault(path[0], f"said{len(self._said)}")
        return JsonText(f"{alias}.value", path[1:])

    def property_now(self, names: tuple[str, ...]) -> JsonValue:
        """A property of the person, as of now."""
        return _OfPerson(self, JsonPath("properties", names), "property", names[0])

    def inside_now(self, segment: str, path: str) -> str:
        """Whether the person is in a segment now."""
        id_ = segment_id(self.world, segment, path)
        inside = self.of_person(f"toNullable(has(segments, {id_}))", "segment", str(id_))
        return f"ifNull({inside}, false)"

    def group_trait(self, names: tuple[str, ...]) -> JsonValue:
        """A trait of the person's group, as of now."""
        return _OfPerson(self, JsonText("group_traits", names), "group")

    def seen(self, which: str) -> str:
        """The instant of the person's first or last message, as of now."""
        return self.of_person(f"toNullable(toUnixTimestamp64Milli({which}_seen))", "seen")

    def inside(self, segment: str, path: str) -> str:
        """Whether the profile of the event was in a segment, at the event's instant."""
        id_ = segment_id(self.world, segment, path)
        alias = self._moved.setdefault(id_, f"moved{len(self._moved)}")
        return f"ifNull({alias}.entered, false)"

    # The table

    @property
    def notices(self) -> tuple[Notice, ...]:
        """The warnings of all filters."""
        return tuple(self.warnings.values())

    def source(self, span: TimeRange | None = None) -> str:
        """The events as a table, in parentheses; by default of the scan's span."""
        world, p, span = self.world, self.parameters, span or self.span
        environment = p.whole(world.environment_id)
        active = self.column("e.active") if self.in_sessions else ""
        columns = [
            f"{self.person} AS person",
            "toUnixTimestamp64Milli(e.occurred_at) AS at",
            *(f"{sql} AS {name}" for sql, name in self._columns.items()),
        ]
        conditions = [
            f"e.environment_id = {environment}",
            f"e.occurred_at >= fromUnixTimestamp64Milli({p.whole(span.since)}, 'UTC')",
            f"e.occurred_at < fromUnixTimestamp64Milli({p.whole(span.until)}, 'UTC')",
        ]
        matching = " OR ".join(self._matches)
        if self._names is not None and not self.in_sessions:
            conditions.append(f"e.name IN {p.texts(sorted(self._names))}")
        if matching and not self.in_sessions:
            conditions.append(f"({matching})")
        if self.sample < MILLION:
            conditions.append(in_sample("cityHash64(person)", self.sample, p))
        if self.people:
            conditions.append(f"person GLOBAL IN {people_where(world, p, self.people, self.warnings)}")
        joins = [*self._joins_said(), *self._joins_moved(environment)]
        if self._now:
            found = [f"{sql} AS {name}" for sql, name in self._now.items()]
            joins.append(
                f"GLOBAL ANY LEFT JOIN (SELECT profile_id, {', '.join(found)} FROM people FINAL "
                f"WHERE environment_id = {environment}) AS now ON now.profile_id = {self.person}"
            )
        joined = "".join(f"\n{join}" for join in joins)
        where = "\n  AND ".join(conditions)
        table = "(\n  " + indented(f"SELECT {listed(columns)}\nFROM events AS e{joined}\nWHERE {where}") + "\n)"
        return _with_sessions(table, active, matching) if self.in_sessions else table

    def reads(self) -> Reads:
        """What the answer depends on."""
        noted = {("property", name) for name in self._said} | {("segment", str(id_)) for id_ in self._moved}
        found = Reads(
            None if self._names is None or self.in_sessions else frozenset(self._names),
            self.span.since,
            self.span.until,
            frozenset(noted | self._noted),
        )
        return found | people_reads(self.world, self.people) if self.people else found

    def _joins_said(self) -> list[str]:
        return [
            f"GLOBAL ASOF LEFT JOIN ({said_by_person(self.world, self.parameters, name)}) AS {alias} "
            f"ON {alias}.person = {self.person} AND {alias}.at <= e.occurred_at"
            for name, alias in self._said.items()
        ]

    def _joins_moved(self, environment: str) -> list[str]:
        return [
            f"GLOBAL ASOF LEFT JOIN (SELECT profile_id, at, toNullable(argMax(entered, id)) AS entered FROM moved "
            f"WHERE environment_id = {environment} AND segment_id = {self.parameters.whole(id_)} "
            f"GROUP BY profile_id, at) AS {alias} "
            f"ON {alias}.profile_id = e.stored_profile_id AND {alias}.at <= e.occurred_at"
            for id_, alias in self._moved.items()
        ]

    # Events and their filters

    def _alternatives(
        self, event: Event, wheres: tuple[tuple[str, str], ...], path: str, seen: frozenset[str]
    ) -> list[_Alternative]:
        if isinstance(event, str):
            if not event:
                raise invalid(f"{path}.event", 'Name an event, or "*" for every event.')
            return [_Alternative(event, path, wheres)]
        parts = self._parts(event, path, seen)
        found: list[_Alternative] = []
        for n, part in enumerate(parts):
            inner = f"{path}.event.any[{n}]"
            more = ((part.where, f"{inner}.where"),) if part.where else ()
            found += self._alternatives(part.event, (*wheres, *more), inner, seen | {event.derived})
        if len(found) > MOST_EVENTS_OF_ONE:
            raise invalid(
                f"{path}.event", f"An event is made of at most {MOST_EVENTS_OF_ONE} others; this has {len(found)}."
            )
        return found

    def _parts(self, event: DerivedEvent, path: str, seen: frozenset[str]) -> Sequence[Matching]:
        if bool(event.any) == bool(event.derived):
            raise invalid(f"{path}.event", "Give either `any` or `derived`.")
        if not event.derived:
            return event.any
        if (definition := self.world.derived.get(event.derived)) is None:
            raise unknown_key(f"{path}.event.derived", "derived event", event.derived, self.world.derived)
        if event.derived in seen:
            raise invalid(f"{path}.event.derived", f"The derived event {event.derived!r} is made of itself.")
        return self._parts(definition, path, seen | {event.derived})

    def _matches_one(self, alternative: _Alternative) -> str:
        conditions = []
        if alternative.name == EVERY:
            self._names = None
        else:
            if self._names is not None:
                self._names.add(alternative.name)
            conditions.append(f"e.name = {self.parameters.text(alternative.name)}")
        for where, path in alternative.wheres:
            event = None if alternative.name == EVERY else alternative.name
            checked = check_event_filter(where, self.world.scope, event)
            conditions.append(self.condition(node_of(checked, path, self.warnings)))
        if alternative.name != EVERY and (found := check_event_name(alternative.name, self.world.scope)) is not None:
            notice(found, f"{alternative.path}.event" if alternative.path else "event", self.warnings)
        return "(" + " AND ".join(conditions or ["true"]) + ")"


#: A pause of this length or more ends a session.
SESSION_GAP_MS = 30 * MINUTE_MS


def _with_sessions(table: str, active: str, matching: str) -> str:
    """The events that match, with the session that each is in. Any event of the person may prolong a session."""
    mine = f"PARTITION BY person, {active} ORDER BY at"
    so_far = "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
    begins = (
        f"SELECT *, lagInFrame(toNullable(at)) OVER ({mine} {so_far}) AS before,\n"
        f"  isNull(before) OR at - before >= {SESSION_GAP_MS} AS begins\nFROM {table}"
    )
    # With RANGE, simultaneous events have one sum, so one session.
    numbered = (
        f"SELECT *, (person, sum(begins) OVER ({mine} RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) AS session\n"
        f"FROM (\n  {indented(begins)}\n)"
    )
    return f"(\n  SELECT * FROM (\n    {indented(numbered, 4)}\n  )\n  WHERE {matching}\n)"


@dataclass(frozen=True, slots=True)
class _AsOfEvent:
    """What the names of an event filter read: the event, and its person as of its instant."""

    scan: Scan

    def event_property(self, path: tuple[str, ...]) -> JsonValue:
        return self.scan.event_property(path)

    def context(self, path: tuple[str, ...]) -> JsonValue:
        return self.scan.context(path)

    def profile_property(self, path: tuple[str, ...]) -> JsonValue:
        return self.scan.said(path)

    def group_trait(self, path: tuple[str, ...]) -> JsonValue:
        return self.scan.group_trait(path)

    def segment(self, key: str) -> str:
        return self.scan.inside(key, "where")

    def seen(self, which: str) -> str:
        return self.scan.seen(which)

    def now(self) -> str:
        return "toUnixTimestamp64Milli(e.occurred_at)"


@dataclass(frozen=True, slots=True)
class _OfPerson:
    """A value of the row of the person in `people`; each form of it is computed there, before the join."""

    scan: Scan
    value: JsonValue
    what: str
    name: str = ""

    def _read(self, sql: str) -> str:
        return self.scan.of_person(sql, self.what, self.name)

    def text(self) -> str:
        return self._read(f"toNullable({self.value.text()})")

    def bool(self) -> str:
        return self._read(f"toNullable({self.value.bool()})")

    def number(self) -> str:
        return self._read(f"toNullable({self.value.number()})")

    def stored_number(self) -> None:
        return None

    def present(self) -> str:
        return f"ifNull({self._read(f'toNullable({self.value.present()})')}, false)"

    def scalar(self) -> str:
        return self._read(f"toNullable({self.value.scalar()})")

    def tagged(self) -> str:
        return self._read(f"toNullable({self.value.tagged()})")

    def array(self) -> str:
        return self._read(f"toNullable({self.value.array()})")
