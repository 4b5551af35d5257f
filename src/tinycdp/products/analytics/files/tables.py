"""Each answer as one flat table, for files and for the terminal.

Shape   table_of(answer) → Table(columns, rows)
Units   as in the answer: shares from 0 to 1, durations in milliseconds
Laws    every number of the answer is in its table, as it is. A row that is not of a bucket says in `part` what it is
        of, so that a total is not added to the rows that it sums up
Source  docs/reference/analytics-files.md
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any, Literal

from tinycdp.products.analytics.answers.schemas import (
    ActiveAnswer,
    AdoptionAnswer,
    Answer,
    BucketSpan,
    ExperimentAnswer,
    FrequencyAnswer,
    FunnelAnswer,
    FunnelGroup,
    Group,
    ImpactAnswer,
    LifecycleAnswer,
    PathsAnswer,
    RetentionAnswer,
    SessionFigures,
    SessionsAnswer,
    StickinessAnswer,
    TrendAnswer,
)

Kind = Literal["text", "whole", "number", "flag", "time"]
Row = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A column. kind: of its values, where there is one."""

    name: str
    kind: Kind = "text"


@dataclass(frozen=True, slots=True)
class Table:
    """A table; its rows can be read again and again."""

    columns: tuple[Column, ...]
    rows: "TableRows"

    def __len__(self) -> int:
        return sum(1 for _ in self.rows)


class TableRows:
    """Rows that are made while they are read."""

    def __init__(self, make: Any, *arguments: Any) -> None:
        self._make, self._arguments = make, arguments

    def __iter__(self) -> Iterator[Row]:
        return iter(self._make(*self._arguments))


_BUCKET = (Column("start", "time"), Column("end", "time"), Column("complete", "flag"))
_PART = Column("part")


def _wholes(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, "whole") for name in names)


def _numbers(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, "number") for name in names)


@singledispatch
def table_of(answer: Answer) -> Table:
    """The table of an answer."""
    raise AssertionError(f"no table for {type(answer).__name__}")


@table_of.register
def _trend(answer: TrendAnswer) -> Table:
    depth = _depth(line.group for line in answer.lines)
    compared = any(line.before for line in answer.lines)
    columns = [_PART, Column("series"), Column("name"), *_group_columns(depth), *_BUCKET, Column("value", "number")]
    if compared:
        columns += [Column("before_start", "time"), Column("before", "number")]

    def rows() -> Iterator[Row]:
        for line in answer.lines:
            head = (line.series, line.name, *_group_cells(line.group, depth))
            starts = [bucket.start for bucket in line.before.buckets] if line.before else []
            earlier = line.before.values if line.before else ()
            for n, (bucket, value) in enumerate(zip(answer.buckets, line.values, strict=True)):
                then: Row = (starts[n], earlier[n]) if n < len(earlier) else (None, None)
                yield ("bucket", *head, *_span(bucket), value, *(then if compared else ()))
            then = (None, line.before.total if line.before else None)
            yield ("total", *head, None, None, None, line.total, *(then if compared else ()))

    return Table(tuple(columns), TableRows(rows))


@table_of.register
def _active(answer: ActiveAnswer) -> Table:
    def rows() -> Iterator[Row]:
        for line in answer.lines:
            for bucket, people in zip(answer.buckets, line.values, strict=True):
                yield (line.days, *_span(bucket), people)

    return Table((*_wholes("days"), *_BUCKET, *_wholes("people")), TableRows(rows))


@table_of.register
def _stickiness(answer: StickinessAnswer) -> Table:
    return Table(
        _wholes("buckets", "exactly", "at_least"),
        TableRows(lambda: ((row.buckets, row.exactly, row.at_least) for row in answer.rows)),
    )


@table_of.register
def _frequency(answer: FrequencyAnswer) -> Table:
    return Table(
        _wholes("least", "most", "people"),
        TableRows(lambda: ((row.least, row.most, row.people) for row in answer.rows)),
    )


@table_of.register
def _funnel(answer: FunnelAnswer) -> Table:
    depth = _depth([one.group for one in answer.groups])
    columns = (
        _PART,
        *_BUCKET,
        *_group_columns(depth),
        *_wholes("step"),
        Column("name"),
        *_wholes("reached", "in_progress", "excluded", "dropped"),
        *_numbers("rate", "from_previous"),
        *_wholes("median_ms"),
    )

    def of_group(part: str, bucket: BucketSpan | None, one: FunnelGroup) -> Iterator[Row]:
        for n, step in enumerate(one.steps, 1):
            yield (
                *(part, *_span(bucket), *_group_cells(one.group, depth), n, step.name, step.reached),
                *(step.in_progress, step.excluded, step.dropped, step.rate, step.from_previous, step.median_ms),
            )

    def rows() -> Iterator[Row]:
        for one in answer.groups:
            yield from of_group("total", None, one)
        for trend in answer.trend:
            for one in trend.groups:
                yield from of_group("bucket", trend.bucket, one)

    return Table(columns, TableRows(rows))


@table_of.register
def _retention(answer: RetentionAnswer) -> Table:
    depth = _depth(one.group for one in answer.groups)
    columns = (
        *(_PART, *_group_columns(depth), *_BUCKET[:2], *_wholes("cohort", "first_period", "last_period", "people")),
        *(Column("share", "number"), Column("complete", "flag")),
    )

    def rows() -> Iterator[Row]:
        for one in answer.groups:
            group = _group_cells(one.group, depth)
            for cohort in one.cohorts:
                for (first, last), cell in zip(answer.periods, cohort.cells, strict=False):
                    bucket = (cohort.bucket.start, cohort.bucket.end)
                    yield ("cell", *group, *bucket, cohort.people, first, last, cell.people, cell.share, cell.complete)
            for (first, last), average in zip(answer.periods, one.average, strict=False):
                yield ("average", *group, None, None, one.people, first, last, None, average, None)

    return Table(columns, TableRows(rows))


@table_of.register
def _lifecycle(answer: LifecycleAnswer) -> Table:
    def rows() -> Iterator[Row]:
        for bucket, row in zip(answer.buckets, answer.rows, strict=True):
            yield (*_span(bucket), row.new, row.returning, row.resurrecting, row.dormant)

    return Table((*_BUCKET, *_wholes("new", "returning", "resurrecting", "dormant")), TableRows(rows))


@table_of.register
def _sessions(answer: SessionsAnswer) -> Table:
    columns = (
        *(_PART, *_BUCKET, Column("label"), *_wholes("sessions", "people", "bounces")),
        *(Column("average_ms", "number"), *_wholes("median_ms"), Column("events", "number")),
    )

    def figures(found: SessionFigures | None) -> Row:
        if found is None:
            return (None,) * 6
        return (found.sessions, found.people, found.bounces, found.average_ms, found.median_ms, found.events)

    def rows() -> Iterator[Row]:
        for bucket, row in zip(answer.buckets, answer.rows, strict=True):
            yield ("bucket", *_span(bucket), None, *figures(row))
        yield ("total", None, None, None, None, *figures(answer.total))
        for part, labels in (("entry", answer.entries), ("exit", answer.exits)):
            for one in labels:
                yield (part, None, None, None, one.label, one.sessions, *(None,) * 5)

    return Table(columns, TableRows(rows))


@table_of.register
def _paths(answer: PathsAnswer) -> Table:
    columns = (*_wholes("step"), Column("source"), Column("target"), *_wholes("sessions"), Column("other", "flag"))
    return Table(
        columns,
        TableRows(lambda: ((link.step, link.source, link.target, link.sessions, link.other) for link in answer.links)),
    )


@table_of.register
def _adoption(answer: AdoptionAnswer) -> Table:
    columns = (*_BUCKET, *_wholes("active", "users", "first_time", "ever"), *_numbers("rate"))

    def rows() -> Iterator[Row]:
        for bucket, row in zip(answer.buckets, answer.rows, strict=True):
            found = (None,) * 5 if row is None else (row.active, row.users, row.first_time, row.ever, row.rate)
            yield (*_span(bucket), *found)

    return Table(columns, TableRows(rows))


@table_of.register
def _impact(answer: ImpactAnswer) -> Table:
    columns = (_PART, *_wholes("people"), *_numbers("before", "after", "difference", "least", "most"))

    def rows() -> Iterator[Row]:
        for part, side in (("users", answer.users), ("others", answer.others)):
            yield (part, side.people, side.before, side.after, None, None, None)
        yield ("unfinished", answer.unfinished, None, None, None, None, None)
        yield ("difference", None, None, None, answer.difference, *answer.interval)

    return Table(columns, TableRows(rows))


@table_of.register
def _experiment(answer: ExperimentAnswer) -> Table:
    columns = (
        *(Column("metric"), Column("measure"), Column("variant")),
        *_wholes("units", "open", "crossovers", "conversions"),
        *_numbers("value", "difference", "least", "most", "always_least", "always_most", "p", "chance_to_win"),
    )
    crossed = {one.variant: one.crossovers for one in answer.variants}

    def rows() -> Iterator[Row]:
        for metric in answer.metrics:
            for one in metric.variants:
                yield (
                    *(metric.name, metric.measure, one.variant, one.units, one.open, crossed.get(one.variant)),
                    *(one.conversions, one.value, one.difference, *(one.interval or (None, None))),
                    *(*(one.always_valid or (None, None)), one.p, one.chance_to_win),
                )

    return Table(columns, TableRows(rows))


def _span(bucket: BucketSpan | None) -> tuple[Any, ...]:
    return (None, None, None) if bucket is None else (bucket.start, bucket.end, bucket.complete)


def _depth(groups: Iterable[Group | None]) -> int:
    """How many breakdowns there are: 0 for none, and at least 1 where there are groups."""
    found = [group for group in groups if group is not None]
    return max([len(group.values) for group in found] + [1]) if found else 0


def _group_columns(depth: int) -> tuple[Column, ...]:
    if not depth:
        return ()
    return (Column("group"), *(Column(f"value_{n}" if depth > 1 else "group_value") for n in range(1, depth + 1)))


def _group_cells(group: Group | None, depth: int) -> tuple[Any, ...]:
    if not depth:
        return ()
    values = [] if group is None else [text_of(value) for value in group.values]
    return (group.kind if group else None, *values, *[None] * (depth - len(values)))


def text_of(value: Any) -> str:
    """A value of a group as text, as JSON spells it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
