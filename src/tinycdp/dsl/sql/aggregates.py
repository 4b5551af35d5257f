"""Aggregates of all profiles' histories: one row per profile, in one pass over the events.

Shape   AggregateTables collects what expressions read; each read method returns SQL over the columns of `p`.
        statement() gives the common table expressions that compute these columns, source() the one that has them all
Units   age: milliseconds from an event to the instant asked about, so 0 is now; rank: 1 is the newest
Laws    an event counts if it was received by $3 and happened by $2. Rank first, then the edge: SPEC "Windows".
        Reads only raw events, joined through the profile's current identifiers; never its state or its properties
Source  dsl/SPEC.md "Aggregates", "Windows"; docs/decisions/0014-sql-oracle.md
"""

from collections.abc import Callable, Iterator

from tinycdp.dsl import ir
from tinycdp.dsl.ir import Family, Type
from tinycdp.dsl.sql.values import bounded, divided, let, member, quoted, scalar, three_digits, typed
from tinycdp.model import DAY_MS, SECOND_MS

_NEWEST = 256
_MOST_VALUES = 1_000
_LONGEST_TEXT = 1_024
_NOW = "(SELECT now FROM clock)"
_TODAY = "(SELECT today FROM clock)"
_ANY_EVENT = "e.kind IN ('track', 'page', 'screen')"

#: Families whose entries have a value; the others have only an instant.
_VALUED = frozenset({Family.NUMBER, Family.HISTOGRAM, Family.FIRST, Family.LAST, Family.UNIQUE, Family.TOP})


class AggregateTables:
    """`predicate` returns the SQL of a `where`, whose names are properties of `e`."""

    def __init__(self, zone: str, predicate: Callable[[ir.Node], str]) -> None:
        self._zone = quoted(zone)
        self._predicate = predicate
        self._columns: dict[str, str] = {}  # SQL over `history` → its name in `figures`
        self._specs: dict[str, _AggregateColumns] = {}
        self._clock: dict[str, str] = {}  # a number derived from the clock → its name
        self._properties: dict[str, str] = {}  # profile property → its name in `history`
        self._group: dict[str, str] = {}  # group trait → its name in `groups`
        self._seen = False
        self._days = False

    # What an expression may read

    def instant(self) -> str:
        """The instant asked about."""
        return _NOW

    def property(self, path: tuple[str, ...]) -> str:
        """A property of the profile as JSON.

        Its value is from the latest identify that sets it, by (instant, message id)."""
        said = self._properties.setdefault(path[0], f"said_{len(self._properties)}")
        latest = f"(array_agg({said} ORDER BY age, message_id DESC) FILTER (WHERE {said} IS NOT NULL))[1]"
        return member(self._column(latest), path[1:])

    def group_trait(self, path: tuple[str, ...]) -> str:
        """A group trait, as JSON. The group is that of the profile's latest group call.

        The value comes from the latest call of any member that sets the trait."""
        name = self._group.setdefault(path[0], f"trait_{len(self._group)}")
        return member(f"p.{name}", path[1:])

    def seen(self, which: str) -> str:
        """The instant of the first or last message, ignoring messages marked as not active."""
        self._seen = True
        pick = "max" if which == "first" else "min"
        return self._column(f"({_NOW} - {pick}(age) FILTER (WHERE active))::numeric")

    def listed(self, list_id: int) -> str:
        """Whether an identifier of the profile was on a list at the instant known."""
        return (
            "EXISTS (SELECT 1 FROM identifiers AS a"
            " JOIN listed_identifiers AS l ON l.environment_id = $1::integer AND l.segment_id = "
            f"{list_id} AND l.kind = a.kind AND l.value = a.value"
            " AND l.listed_at <= $3::timestamptz AND (l.unlisted_at IS NULL OR l.unlisted_at > $3::timestamptz)"
            " WHERE a.environment_id = $1::integer AND a.profile_id = p.profile_id)"
        )

    def read(self, read: ir.AggregateRead) -> str:
        """An aggregate over its window."""
        spec = self._specs.setdefault(read.spec.key, _AggregateColumns(read.spec, len(self._specs)))
        spec.reach(read)
        inside, value = self._inside(spec, read), spec.value
        counted = f"count(*) FILTER (WHERE {inside})::numeric"
        match read.function:
            case "count":
                return self._column(counted)
            case "exists":
                return f"({self._column(counted)} > 0)"
            case "rate":
                assert read.window.start_ms is not None
                span = read.window.start_ms - read.window.end_ms
                return divided(f"{self._column(counted)} * {DAY_MS}", f"{span}::numeric")
            case "sum":
                return bounded(f"coalesce({self._column(f'sum({value}) FILTER (WHERE {inside})')}, 0)")
            case "avg":
                total = self._column(f"sum({value}) FILTER (WHERE {inside})")
                return divided(total, self._column(counted))
            case "min" | "max":
                return self._column(f"{read.function}({value}) FILTER (WHERE {inside})")
            case "first" | "last":
                order = "age DESC, message_id" if read.function == "first" else "age, message_id DESC"
                found = self._column(f"(array_agg({value} ORDER BY {order}) FILTER (WHERE {inside}))[1]")
                return typed(found, read.type)
            case "unique":
                return self._column(f"least(count(DISTINCT {value}) FILTER (WHERE {inside}), {_MOST_VALUES})::numeric")
            case "percentile":
                rank = f"greatest(ceil({read.quantile} * {counted}), 1)::integer"
                ordered = f"array_agg({value} ORDER BY {value}) FILTER (WHERE {inside})"
                return three_digits(self._column(f"({ordered})[{rank}]"))
            case "top":
                return self._top(self._column(f"array_agg({value}) FILTER (WHERE {inside})"), read.type)
            case "unique_days":
                self._days = True
                inside = f"{spec.matched} AND day > {_TODAY} - {read.days}"
                return self._column(f"count(DISTINCT day) FILTER (WHERE {inside})::numeric")
            case "streak_days":
                self._days = True
                return self._streak(self._column(f"array_agg(DISTINCT day) FILTER (WHERE {spec.matched})"))
            case "first_at" | "last_at":
                pick = "max" if read.function == "first_at" else "min"
                return self._column(f"({_NOW} - {pick}(age) FILTER (WHERE {spec.matched}))::numeric")
        raise AssertionError(f"no SQL for {read.function}")

    def _column(self, sql: str) -> str:
        return "p." + self._columns.setdefault(sql, f"figure_{len(self._columns)}")

    def _inside(self, spec: "_AggregateColumns", read: ir.AggregateRead) -> str:
        """Whether a row of history is in the read's window."""
        start, end = read.window.start_ms, read.window.end_ms
        if start is None:
            return spec.matched
        bucket_width = ir.bucket_width_ms(start)
        if read.spec.family is Family.UNIQUE:
            return f"{spec.matched} AND age < {start}"
        spec.ranked = True
        if end and read.function in {"min", "max"}:
            # Extremes cannot be subtracted: both edges are rounded to the buckets of the older edge.
            exact = f"age < {start} AND age >= {end}"
            bucketed = f"age <= {self._reach(start, bucket_width)} AND age > {self._reach(end, bucket_width)}"
            return f"{spec.matched} AND CASE WHEN {spec.rank} <= {_NEWEST} THEN {exact} ELSE {bucketed} END"
        inside = f"{spec.matched} AND {self._trailing(spec, start)}"
        return f"{inside} AND NOT {self._trailing(spec, end)}" if end else inside

    def _trailing(self, spec: "_AggregateColumns", window_ms: int) -> str:
        bucketed = f"age <= {self._reach(window_ms, ir.bucket_width_ms(window_ms))}"
        return f"CASE WHEN {spec.rank} <= {_NEWEST} THEN age < {window_ms} ELSE {bucketed} END"

    def _reach(self, window_ms: int, bucket_width: int) -> str:
        """The age of the beginning of the bucket that contains a window's edge."""
        remainder = f"((at.now - {window_ms}) % {bucket_width} + {bucket_width}) % {bucket_width}"
        name = self._clock.setdefault(f"{window_ms} + {remainder}", f"reach_{len(self._clock)}")
        return f"(SELECT {name} FROM clock)"

    def _top(self, values: str, type_: Type) -> str:
        order = (
            "t.n DESC, CASE jsonb_typeof(t.value) WHEN 'number' THEN 0 WHEN 'boolean' THEN 1 ELSE 2 END, "
            "CASE jsonb_typeof(t.value) WHEN 'number' THEN (t.value)::numeric END, (t.value #>> '{}') COLLATE \"C\""
        )
        found = (
            f"(SELECT CASE WHEN count(*) <= {_MOST_VALUES} THEN (array_agg(t.value ORDER BY {order}))[1] END "
            f"FROM (SELECT v.value, count(*) AS n FROM unnest({values}) AS v (value) GROUP BY v.value) AS t)"
        )
        return let(typed("n.x", type_), x=found)

    def _streak(self, days: str) -> str:
        """Days in a row up to today or yesterday.

        A day belongs to the run if it is as far back as the number of days after it."""
        back = f"min({_TODAY} - d.day) OVER ()"
        run = f"SELECT {_TODAY} - d.day AS back, {back} AS newest, row_number() OVER (ORDER BY d.day DESC) - 1 AS after"
        return (
            f"(SELECT count(*)::numeric FROM ({run} FROM unnest({days}) AS d (day)) AS r "
            "WHERE r.newest <= 1 AND r.back = r.newest + r.after)"
        )

    # The statement

    def statement(self) -> Iterator[str]:
        """The common table expressions, in order. Call it after everything has been read."""
        yield self._clock_table()
        group = self._column(_LATEST_GROUP) if self._group else ""
        if not self._columns:
            yield f"figures AS (SELECT p.id AS profile_id FROM profiles AS p WHERE {_PROFILES})"
            return
        yield f"history AS (\n  SELECT {_indented(self._history())}\n{self._joins()}\n  OFFSET 0\n)"
        ranks = [spec for spec in self._specs.values() if spec.ranked]
        if ranks:
            columns = [f"count(*) FILTER (WHERE {s.matched}) OVER newest_first AS {s.rank}" for s in ranks]
            window = "PARTITION BY profile_id ORDER BY age, message_id DESC ROWS UNBOUNDED PRECEDING"
            yield f"ranked AS (\n  SELECT *, {_indented(columns)}\n  FROM history WINDOW newest_first AS ({window})\n)"
        figures = ["profile_id", *(f"{sql} AS {name}" for sql, name in self._columns.items())]
        source = "ranked" if ranks else "history"
        yield f"figures AS (\n  SELECT {_indented(figures)}\n  FROM {source} GROUP BY profile_id\n)"
        if self._group:
            yield f"groups AS (\n  SELECT {_indented(self._group_traits())}\n{_GROUP_CALLS}\n)"
            traits = ["p.*", *(f"g.{name}" for name in self._group.values())]
            join = f"figures AS p LEFT JOIN groups AS g ON g.group_id = {group}"
            yield f"grouped AS (\n  SELECT {_indented(traits)}\n  FROM {join} OFFSET 0\n)"

    def source(self) -> str:
        """The table with one row per profile and every requested column."""
        return "grouped" if self._group else "figures"

    def _group_traits(self) -> list[str]:
        latest = 'ORDER BY e.occurred_at DESC, e.message_id COLLATE "C" DESC'
        columns = ["e.target AS group_id"]
        for trait, name in self._group.items():
            said = f"e.properties -> {quoted(trait)}"
            columns.append(f"(array_agg({said} {latest}) FILTER (WHERE ({said}) IS NOT NULL))[1] AS {name}")
        return columns

    def _clock_table(self) -> str:
        numbers = ["at.now", "at.today", *(f"{sql} AS {name}" for sql, name in self._clock.items())]
        at = (
            "SELECT (extract(epoch FROM $2::timestamptz) * 1000)::bigint AS now, "
            f"($2::timestamptz AT TIME ZONE {self._zone})::date AS today, "
            "$3::timestamptz AS known_at"  # not named elsewhere if nothing is read
        )
        return f"clock AS (\n  SELECT {_indented(numbers)}\n  FROM ({at}) AS at\n)"

    def _history(self) -> list[str]:
        columns = [
            "p.id AS profile_id",
            'e.message_id COLLATE "C" AS message_id',
            f"{_NOW} - (extract(epoch FROM e.occurred_at) * 1000)::bigint AS age",
        ]
        if self._days:
            columns.append(f"(e.occurred_at AT TIME ZONE {self._zone})::date AS day")
        if self._seen:
            columns.append("(e.context -> 'active') IS DISTINCT FROM 'false'::jsonb AS active")
        if self._group:
            columns.append("CASE WHEN e.kind = 'group' THEN e.target END AS joined")
        for name, said in self._properties.items():
            columns.append(f"CASE WHEN e.kind = 'identify' THEN e.properties -> {quoted(name)} END AS {said}")
        return columns + [spec.column(self._predicate) for spec in self._specs.values()]

    def _joins(self) -> str:
        return (
            "  FROM profiles AS p\n"
            "  LEFT JOIN identifiers AS a ON a.environment_id = $1::integer AND a.profile_id = p.id\n"
            "  LEFT JOIN events AS e ON e.environment_id = $1::integer AND e.identifier_id = a.id\n"
            f"    AND e.received_at <= $3::timestamptz AND e.occurred_at <= $2::timestamptz{self._wanted()}\n"
            f"  WHERE {_PROFILES}"
        )

    def _wanted(self) -> str:
        """The join's conditions on events: it reads as little as the columns need."""
        if self._seen:
            return ""
        by_reach: dict[int | None, set[str | None]] = {}
        for spec in self._specs.values():
            by_reach.setdefault(spec.reaches_ms, set()).add(spec.spec.event)
        kinds = ["e.kind = 'identify'"] if self._properties else []
        kinds += ["e.kind = 'group'"] if self._group else []
        for reach, events in by_reach.items():
            names = ", ".join(quoted(event) for event in sorted(filter(None, events)))
            named = _ANY_EVENT if None in events else f"e.name IN ({names})"
            since = f" AND e.occurred_at > {_before(reach)}" if reach is not None else ""
            kinds.append(named + since)
        wanted = f"\n    AND ({' OR '.join(kinds)})"
        reaches = [reach for reach in by_reach if reach is not None]
        if reaches and len(reaches) == len(kinds):
            # An event never arrives before it happens, and events are partitioned by arrival.
            wanted += f"\n    AND e.received_at > {_before(max(reaches))}"
        return wanted


_PROFILES = (
    "p.environment_id = $1::integer AND p.merged_into IS NULL AND ($4::bigint[] IS NULL OR p.id = ANY ($4::bigint[]))"
)

_LATEST_GROUP = "(array_agg(joined ORDER BY age, message_id DESC) FILTER (WHERE joined IS NOT NULL))[1]"
#: From any sender: a group's traits are those set by all its members.
_GROUP_CALLS = (
    "  FROM events AS e\n"
    "  WHERE e.environment_id = $1::integer AND e.kind = 'group' AND e.target IS NOT NULL\n"
    "    AND e.received_at <= $3::timestamptz AND e.occurred_at <= $2::timestamptz\n"
    "  GROUP BY e.target"
)


class _AggregateColumns:
    """One aggregate's events in `history`.

    It says whether a row counts, its value if it has one, and its rank among the rows that count.

    reaches_ms  how old an event can be and still matter; None if any age may matter"""

    def __init__(self, spec: ir.AggregateSpec, number: int) -> None:
        self.spec = spec
        self.ranked = False
        self.rank = f"rank_{number}"
        self.value = f"value_{number}"
        self.matched = f"{self.value} IS NOT NULL" if spec.family in _VALUED else f"match_{number}"
        self.reaches_ms: int | None = 0

    def reach(self, read: ir.AggregateRead) -> None:
        if read.days is not None:
            reaches: int | None = (read.days + 2) * DAY_MS
        elif read.window.start_ms is not None:
            reaches = read.window.start_ms + ir.bucket_width_ms(read.window.start_ms)
        else:
            reaches = None
        if reaches is None or self.reaches_ms is None:
            self.reaches_ms = None
        else:
            self.reaches_ms = max(self.reaches_ms, reaches)

    def column(self, predicate: Callable[[ir.Node], str]) -> str:
        spec = self.spec
        counts = _ANY_EVENT if spec.event is None else f"e.name = {quoted(spec.event)}"
        if spec.where is not None:
            counts += f" AND ({predicate(spec.where)}) IS TRUE"
        if spec.family not in _VALUED:
            return f"({counts}) AS {self.matched}"
        json = member("e.properties", spec.path)
        if spec.family in {Family.NUMBER, Family.HISTOGRAM}:
            value = typed(json, Type.NUMBER)
        else:
            value = scalar(json, _LONGEST_TEXT)
        return f"CASE WHEN {counts} THEN {value} END AS {self.value}"


def _before(reach_ms: int) -> str:
    return f"$2::timestamptz - interval '{-(-reach_ms // SECOND_MS)} seconds'"


def _indented(columns: list[str]) -> str:
    return ",\n    ".join(columns)
