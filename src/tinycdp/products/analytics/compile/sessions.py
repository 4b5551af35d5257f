"""Sessions: how many, how long, and where they begin and end.

Shape   compile_sessions(question, world) → Compiled[SessionsAnswer]; sessions_sql(…) is a table of sessions
Laws    a pause of the gap or longer ends a session; an event with `active: false` neither begins nor prolongs one;
        midnight does not cut. A session belongs to the bucket in which it begins, with all its events, also later ones.
        Of simultaneous events the order is that of their labels
Source  docs/reference/analytics-meanings.md "Sessions"
"""

from collections.abc import Sequence
from typing import Any

from tinycdp.dsl.sql.clickhouse.reads import read_scalar
from tinycdp.dsl.values.numbers import SCALE, divide, number
from tinycdp.model import DAY_MS
from tinycdp.products.analytics.answers.schemas import Labelled, SessionFigures, SessionsAnswer
from tinycdp.products.analytics.compile.calendar import END, Buckets, TimeRange, duration_of, span_of
from tinycdp.products.analytics.compile.groups import check_top
from tinycdp.products.analytics.compile.measures import median_of
from tinycdp.products.analytics.compile.people import names_of
from tinycdp.products.analytics.compile.scan import EVERY, Scan
from tinycdp.products.analytics.compile.sql import Parameters, Statement, indented
from tinycdp.products.analytics.compile.world import Compiled, Rows, World
from tinycdp.products.analytics.questions.schemas import Asked, PathsQuestion, SessionsQuestion

LONGEST_GAP_DAYS = 1
#: A longer session counts as this long.
LONGEST_MS = DAY_MS


def label_column(scan: Scan, label: str) -> str:
    """A column of what an event is called: its name, or a property; a scalar, "" if unknown."""
    if not label:
        return scan.column("concat('\"', e.name)")
    return scan.column(f"ifNull({scan.event_property(names_of(label, 'label')).scalar()}, '')")


def label_order(label: str) -> str:
    """What to order labels by: numbers, false, true, texts, then unknown."""
    number = f"toDecimal128OrZero(if(startsWith({label}, '#'), substring({label}, 2), ''), 9)"
    rank = f"multiIf({label} = '', 3, startsWith({label}, '#'), 0, startsWith({label}, '?'), 1, 2)"
    return f"{rank}, {number}, {label}"


def label_of(scalar: str) -> str | None:
    """A label as the answer shows it: a text; None if unknown."""
    if not scalar:
        return None
    value = read_scalar(scalar)
    return value if isinstance(value, str) else str(value).lower()


def sessions_sql(
    question: SessionsQuestion | PathsQuestion, world: World, span: TimeRange, parameters: Parameters
) -> tuple[str, Scan]:
    """A table of the sessions that begin in a span: person, session: an array of (at, 2 for order, label)."""
    gap = duration_of(question.gap, "gap", most_days=LONGEST_GAP_DAYS)
    scan = Scan.of(question, world, TimeRange(span.since - gap, END), parameters)
    scan.match(EVERY, "", "")
    active = scan.column("e.active")
    label = label_column(scan, question.label)
    of_person = (
        f"SELECT person, arraySort(groupArray((at, {label_order(label)}))) AS done\n"
        f"FROM {scan.source()}\nWHERE {active}\nGROUP BY person"
    )
    begins = "arrayMap((one, before) -> one.1 - before.1 >= {gap}, done, arrayPushFront(arrayPopBack(done), done[1]))"
    begins = begins.replace("{gap}", parameters.whole(gap))
    sessions = (
        f"SELECT person, arrayJoin(arraySplit((one, begins) -> begins, done, {begins})) AS session\n"
        f"FROM (\n  {indented(of_person)}\n)"
    )
    begun = f"session[1].1 >= {parameters.whole(span.since)} AND session[1].1 < {parameters.whole(span.until)}"
    return f"SELECT person, session FROM (\n  {indented(sessions)}\n)\nWHERE {begun}", scan


def compile_sessions(question: SessionsQuestion, world: World) -> Compiled[SessionsAnswer]:
    """Sessions per bucket, and where they begin and end."""
    check_top(question.top)
    span = span_of(question.from_, question.to, question.last, world.zone, world.as_of)
    buckets = Buckets.over(span, question.bucket, world.zone, world.as_of)
    parameters = Parameters()
    table, scan = sessions_sql(question, world, span, parameters)
    length = f"least(session[-1].1 - session[1].1, {LONGEST_MS})"
    bucket = f"roundDown(session[1].1, {parameters.wholes(buckets.starts)})"
    columns = (
        "count() AS sessions, uniqExact(person) AS people, countIf(length(session) = 1) AS bounces, "
        f"sum({length}) AS total_ms, {median_of(length)} AS median_ms, sum(length(session)) AS events"
    )
    figures = (
        f"SELECT {bucket} AS bucket, grouping(bucket) AS is_total, {columns}\n"
        f"FROM (\n  {indented(table)}\n)\nGROUP BY ROLLUP(bucket)"
    )
    ends = (
        "SELECT place, label, count() AS sessions FROM (\n"
        "  SELECT arrayJoin([(0, session[1].4), (1, session[-1].4)]) AS found, found.1 AS place, found.2 AS label\n"
        f"  FROM (\n    {indented(table, 4)}\n  )\n)\n"
        f"GROUP BY place, label ORDER BY place, sessions DESC, {label_order('label')} LIMIT {question.top} BY place"
    )

    def read(rows: Rows) -> SessionsAnswer:
        found = {None if row[1] else int(row[0]): _figures(row[2:]) for row in rows[0]}
        nothing = _figures((0, 0, 0, 0, None, 0))
        shown = [found.get(start, nothing) for start in buckets.starts[: buckets.begun]]
        places: tuple[list[Labelled], list[Labelled]] = ([], [])
        for place, label, sessions in rows[1]:
            places[int(place)].append(Labelled(label_of(label), int(sessions)))
        return SessionsAnswer(
            buckets=buckets.spans(),
            rows=(*shown, *[None] * (len(buckets) - len(shown))),
            total=found.get(None, nothing),
            entries=tuple(places[0]),
            exits=tuple(places[1]),
            warnings=scan.notices,
        )

    statements = (Statement(figures, parameters.values), Statement(ends, parameters.values))
    return Compiled(statements, read, scan.reads(), settled(question, world))


def settled(question: Asked, world: World) -> int:
    """Until when time alone changes no session: only new events do, but buckets begin and end."""
    span = span_of(question.from_, question.to, question.last, world.zone, world.as_of)
    width = getattr(question, "bucket", "day")
    return Buckets.over(span, width, world.zone, world.as_of).holds_until


def _figures(cells: Sequence[Any]) -> SessionFigures:
    sessions, people, bounces, total_ms, median_ms, events = cells
    average, per_session = (divide(int(total) * SCALE, int(sessions) * SCALE) for total in (total_ms, events))
    return SessionFigures(
        sessions=int(sessions),
        people=int(people),
        bounces=int(bounces),
        average_ms=number(average) if average is not None else None,  # type: ignore[arg-type]
        median_ms=int(median_ms) if sessions else None,
        events=number(per_session) if per_session is not None else None,  # type: ignore[arg-type]
    )
