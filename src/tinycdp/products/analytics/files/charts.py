"""One sober chart of each kind of answer, readable in a mail.

Shape   chart_of(answer) → a Vega-Lite specification with its data, as plain data
Laws    pure. What has no chart that says more than its numbers is drawn as a table
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import singledispatch
from itertools import accumulate
from typing import Any

from tinycdp.products.analytics.answers.scaling import about
from tinycdp.products.analytics.answers.schemas import (
    ActiveAnswer,
    AdoptionAnswer,
    Answer,
    BucketSpan,
    ExperimentAnswer,
    FrequencyAnswer,
    FunnelAnswer,
    Group,
    ImpactAnswer,
    LifecycleAnswer,
    PathsAnswer,
    RetentionAnswer,
    SessionsAnswer,
    StickinessAnswer,
    TrendAnswer,
)
from tinycdp.products.analytics.files.tables import table_of, text_of

Spec = dict[str, Any]

_WIDTH, _HEIGHT = 640, 320
_MOST_LINES = 20
_MOST_ROWS = 30
#: From this part of the greatest share on, a cell of a retention is so dark that its text is white.
_DARK = 0.6
_MOST_LETTERS = 24
#: The width of a letter of a table, in pixels.
_LETTER = 7
_PALETTE = ["#2f6fde", "#e07a1f", "#2a9d6f", "#a44fbf", "#c9453b", "#6b7280", "#b08b1e", "#1f9fb5"]
_CONFIG = {
    "font": "DejaVu Sans, Helvetica, Arial, sans-serif",
    "background": "white",
    "view": {"stroke": None},
    "axis": {"gridColor": "#e8e8e8", "domainColor": "#bbbbbb", "tickColor": "#bbbbbb", "labelColor": "#444444"},
    "title": {"anchor": "start", "fontSize": 14, "subtitleColor": "#777777"},
    "range": {"category": _PALETTE},
    "legend": {"orient": "bottom", "title": None, "columns": 3, "labelLimit": 200},
}


def chart_of(answer: Answer) -> Spec:
    """The specification of an answer's chart."""
    subtitle = about(answer)
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "title": {"text": _TITLES[type(answer)], "subtitle": subtitle},
        "width": _WIDTH,
        "height": _HEIGHT,
        "config": _CONFIG,
        **_drawn(answer),
    }


_TITLES: dict[type, str] = {
    TrendAnswer: "Trend",
    ActiveAnswer: "Active people",
    StickinessAnswer: "Stickiness: people by number of active buckets",
    FrequencyAnswer: "Frequency: people by number of events",
    FunnelAnswer: "Funnel: people who reached each step",
    RetentionAnswer: "Retention: share of each cohort that came back",
    LifecycleAnswer: "Lifecycle",
    SessionsAnswer: "Sessions",
    PathsAnswer: "Paths",
    ImpactAnswer: "Impact: an association, not a cause",
    AdoptionAnswer: "Adoption: active people and users",
    ExperimentAnswer: "Experiment: difference from the control, with 95 % intervals",
}


@singledispatch
def _drawn(answer: Answer) -> Spec:
    """A table of the first rows."""
    return _table(answer)


def _table(answer: Answer) -> Spec:
    table = table_of(answer)
    lines = [[column.name for column in table.columns]]
    total = 0
    for total, row in enumerate(table.rows, 1):
        if total <= _MOST_ROWS:
            lines.append([_short(cell) for cell in row])
    # A column without a value says nothing.
    lines = [list(line) for line in zip(*(c for c in zip(*lines, strict=True) if any(c[1:])), strict=True)] or lines
    widths = [_LETTER * (2 + max(map(len, column))) for column in zip(*lines, strict=True)]
    edges = list(accumulate(widths, initial=0))
    values = [{"row": n, "x": edges[m], "text": text} for n, line in enumerate(lines) for m, text in enumerate(line)]
    if total > _MOST_ROWS:
        values.append({"row": _MOST_ROWS + 1, "x": 0, "text": f"and {total - _MOST_ROWS:,} more rows"})
    return {
        "data": {"values": values},
        "width": edges[-1],
        "height": 20 * (min(total, _MOST_ROWS) + 2),
        "mark": {"type": "text", "align": "left"},
        "encoding": {
            "x": {"field": "x", "type": "quantitative", "axis": None, "scale": {"domain": [0, edges[-1]]}},
            "y": {"field": "row", "type": "ordinal", "axis": None},
            "text": {"field": "text"},
            "color": {"condition": {"test": "datum.row == 0", "value": "#777777"}, "value": "#222222"},
        },
    }


@_drawn.register
def _trend(answer: TrendAnswer) -> Spec:
    values = []
    for line in answer.lines[:_MOST_LINES]:
        name = _name(line.name, line.group)
        values += _points(answer.buckets, line.values, name)
    return _lines(answer.buckets, values)


@_drawn.register
def _active(answer: ActiveAnswer) -> Spec:
    values = [point for line in answer.lines for point in _points(answer.buckets, line.values, _days(line.days))]
    return _lines(answer.buckets, values)


@_drawn.register
def _sessions(answer: SessionsAnswer) -> Spec:
    shown = [row.sessions if row is not None else None for row in answer.rows]
    return _lines(answer.buckets, _points(answer.buckets, shown, "sessions"))


@_drawn.register
def _adoption(answer: AdoptionAnswer) -> Spec:
    values = []
    for name in ("active", "users", "first_time"):
        shown = [getattr(row, name) if row is not None else None for row in answer.rows]
        values += _points(answer.buckets, shown, name.replace("_", " "))
    return _lines(answer.buckets, values)


@_drawn.register
def _stickiness(answer: StickinessAnswer) -> Spec:
    filled = max((n for n, row in enumerate(answer.rows, 1) if row.exactly), default=1)
    return _bars([(str(row.buckets), row.exactly) for row in answer.rows[:filled]], "buckets", "people")


@_drawn.register
def _frequency(answer: FrequencyAnswer) -> Spec:
    return _bars([(_bounds(row.least, row.most), row.people) for row in answer.rows], "events", "people")


@_drawn.register
def _funnel(answer: FunnelAnswer) -> Spec:
    values = []
    for group in answer.groups[:_MOST_LINES]:
        for n, step in enumerate(group.steps, 1):
            share = f"{float(step.rate) * 100:.1f} %" if step.rate is not None else ""
            values.append(
                {
                    "step": f"{n}. {step.name}",
                    "people": step.reached,
                    "group": _name("", group.group) or "all",
                    "label": " · ".join(filter(None, (f"{step.reached:,}", share))),
                }
            )
    grouped = len(answer.groups) > 1
    encoding: Spec = {
        "y": {"field": "step", "type": "ordinal", "sort": None, "title": None, "axis": {"labelLimit": 220}},
        "x": {"field": "people", "type": "quantitative", "title": "people"},
    }
    if grouped:
        encoding |= {"color": {"field": "group", "type": "nominal"}, "yOffset": {"field": "group"}}
    bars = {"mark": {"type": "bar", "color": _PALETTE[0]}}
    labels: Spec = {"mark": {"type": "text", "align": "left", "dx": 4}, "encoding": {"text": {"field": "label"}}}
    if grouped:
        labels["encoding"] |= {"color": {"value": "#444444"}}
    return {"data": {"values": values}, "encoding": encoding, "layer": [bars, labels]}


@_drawn.register
def _retention(answer: RetentionAnswer) -> Spec:
    values: list[Spec] = []
    for group in answer.groups[:1]:
        for cohort in group.cohorts[:60]:
            for (first, last), cell in zip(answer.periods, cohort.cells, strict=False):
                # A period that has not begun is no zero.
                if cell.share is not None and (cell.complete or cell.people):
                    values.append(
                        {
                            "cohort": f"{cohort.bucket.start[:10]}  ({cohort.people:,})",
                            "period": _bounds(first, last),
                            "share": float(cell.share),
                            "complete": cell.complete,
                        }
                    )
    encoding: Spec = {
        "x": {"field": "period", "type": "ordinal", "sort": None, "axis": {"orient": "top", "labelAngle": 0}},
        "y": {"field": "cohort", "type": "ordinal", "sort": None, "title": None},
    }
    color = {"field": "share", "type": "quantitative", "scale": {"scheme": "blues", "domainMin": 0}, "legend": None}
    most = max((value["share"] for value in values), default=0)
    shade = {"mark": "rect", "encoding": {"color": color}}
    text = {
        "mark": {"type": "text", "fontSize": 10},
        "encoding": {
            "text": {"field": "share", "type": "quantitative", "format": ".0%"},
            "opacity": {"condition": {"test": "datum.complete", "value": 1}, "value": 0.6},
            "color": {"condition": {"test": f"datum.share > {_DARK * most}", "value": "white"}, "value": "#222222"},
        },
    }
    encoding["x"]["scale"] = {"domain": [_bounds(first, last) for first, last in answer.periods]}
    height = 22 * max(1, len({value["cohort"] for value in values}))
    return {"data": {"values": values}, "encoding": encoding, "layer": [shade, text], "height": height}


@_drawn.register
def _lifecycle(answer: LifecycleAnswer) -> Spec:
    values = []
    for bucket, row in zip(answer.buckets, answer.rows, strict=True):
        for n, name in enumerate(("new", "returning", "resurrecting", "dormant")):
            if (people := getattr(row, name)) is not None:
                values.append(
                    {"start": _label(bucket.start), "people": -people if name == "dormant" else people, "kind": name,
                     "order": n, "complete": bucket.complete}
                )  # fmt: skip
    return {
        "data": {"values": values},
        "mark": "bar",
        "encoding": {
            "x": {"field": "start", "type": "ordinal", "sort": None, "title": None, "axis": {"labelAngle": -40}},
            "y": {
                "field": "people",
                "type": "quantitative",
                "title": "people",
                "axis": {"labelExpr": "format(abs(datum.value), ',')"},
            },
            "color": {
                "field": "kind",
                "type": "nominal",
                "sort": ["new", "returning", "resurrecting", "dormant"],
                "legend": {"columns": 4},
            },
            "opacity": {"condition": {"test": "datum.complete", "value": 1}, "value": 0.5},
            "order": {"field": "order"},
        },
    }


@_drawn.register
def _experiment(answer: ExperimentAnswer) -> Spec:
    values = []
    for metric in answer.metrics:
        for one in metric.variants:
            if one.difference is not None and one.interval is not None:
                least, most = (float(end) if end is not None else None for end in one.interval)
                row = f"{metric.name}: {one.variant}"
                values.append({"row": row, "difference": float(one.difference), "least": least, "most": most})
    if not values:  # nothing can be compared yet
        return _table(answer)
    return {
        "data": {"values": values},
        "height": 36 * max(1, len(values)),
        "encoding": {"y": {"field": "row", "type": "ordinal", "sort": None, "title": None}},
        "layer": [
            {"mark": {"type": "rule", "strokeWidth": 2, "color": _PALETTE[0]},
             "encoding": {"x": {"field": "least", "type": "quantitative", "title": "difference"},
                          "x2": {"field": "most"}}},
            {"mark": {"type": "point", "filled": True, "size": 70, "color": _PALETTE[0]},
             "encoding": {"x": {"field": "difference", "type": "quantitative"}}},
            {"mark": {"type": "rule", "color": "#999999", "strokeDash": [4, 3]},
             "encoding": {"x": {"datum": 0}, "y": None}},
        ],
    }  # fmt: skip


def _points(buckets: Sequence[BucketSpan], values: Sequence[Any], name: str) -> list[Spec]:
    """The points of one line; without a value for null."""
    return [
        {"start": _wall(bucket.start), "value": float(value), "name": name, "complete": bucket.complete}
        for bucket, value in zip(buckets, values, strict=True)
        if value is not None
    ]


def _lines(buckets: Sequence[BucketSpan], values: list[Spec]) -> Spec:
    days = all(value["start"].endswith("T00:00:00") for value in values)
    axis = {"labelAngle": 0, "tickCount": 8, "format": "%b %-d" if days else "%b %-d %H:%M"}
    x = {"field": "start", "type": "temporal", "title": None, "axis": axis}
    y = {"field": "value", "type": "quantitative", "title": None, "scale": {"zero": True}}
    names = list(dict.fromkeys(value["name"] for value in values))
    color: Spec = {"field": "name", "type": "nominal", "sort": names}
    if len(names) < 2:
        color["legend"] = None
    encoding = {"x": x, "y": y, "color": color}
    if len(buckets) < 2:
        return {
            "data": {"values": values},
            "mark": "bar",
            "encoding": {
                "x": {**color, "title": None, "axis": {"labelAngle": 0}}, "y": y, "color": {**color, "legend": None}
            },
        }  # fmt: skip
    opacity = {"condition": {"test": "datum.complete", "value": 1}, "value": 0.35}
    return {
        "data": {"values": values},
        "encoding": encoding,
        "layer": [
            {"mark": {"type": "line", "strokeWidth": 2, "strokeJoin": "round"}},
            {"mark": {"type": "point", "filled": True, "size": 28}, "encoding": {"opacity": opacity}},
        ],
    }


def _bars(rows: Iterable[tuple[str, int]], x: str, y: str) -> Spec:
    return {
        "data": {"values": [{"x": label, "y": value} for label, value in rows]},
        "mark": {"type": "bar", "color": _PALETTE[0]},
        "encoding": {
            "x": {
                "field": "x",
                "type": "ordinal",
                "sort": None,
                "title": x,
                "axis": {"labelAngle": 0, "labelOverlap": "parity"},
            },
            "y": {"field": "y", "type": "quantitative", "title": y},
        },
    }


def _name(series: str, group: Group | None) -> str:
    if group is None:
        return series
    of_group = ", ".join(map(text_of, group.values)) if group.kind == "value" else group.kind
    return f"{series}: {of_group}" if series else of_group


def _days(n: int) -> str:
    return "1 day" if n == 1 else f"{n} days"


def _bounds(least: int, most: int | None) -> str:
    if most is None:
        return f"{least}+"
    return str(least) if least == most else f"{least}-{most}"


def _wall(instant: str) -> str:
    """The local time of an instant, as a chart shows it."""
    return datetime.fromisoformat(instant).replace(tzinfo=None).isoformat()


def _label(instant: str) -> str:
    """The local day of an instant; with its time if that is not midnight."""
    wall = _wall(instant)
    return wall[:10] if wall.endswith("T00:00:00") else wall[:16].replace("T", " ")


def _short(cell: Any) -> str:
    match cell:
        case None:
            return ""
        case bool():
            return "yes" if cell else "no"
        case Decimal():
            return format(round(cell, 4).normalize(), "f")
        case str() if len(cell) > _MOST_LETTERS:
            return cell[: _MOST_LETTERS - 1] + "…"
        case _:
            return str(cell)
