"""An answer of analytics on a terminal; files have the tables of files/tables.py.

Shape   tables_of(answer) → what is drawn · as_text(answer, width)
Laws    pure. The answer is as it leaves the server, so the output is the same both ways.
        No line is longer than the width, as long as each column has room for a few characters
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

_SPARKS = "▁▂▃▄▅▆▇█"
_BAR = 24
_LEAST_COLUMN = 6
_GAP = "  "
_MOST_LINES = 6

Answer = Mapping[str, Any]


@dataclass(frozen=True)
class TextTable:
    """Columns, and rows of values. A column's name ends in % for shares and in Ms for durations.

    pictures  beside each row: a spark line, or the share that a bar shows
    marked    rows that are not complete"""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]
    title: str = ""
    pictures: Sequence[str | Decimal] = ()
    marked: frozenset[int] = frozenset()


def as_text(answer: Answer, width: int) -> str:
    """The answer for a terminal."""
    tables = tables_of(answer)
    parts = ["\n".join(_lines(table, width)) for table in tables if table.rows]
    notes = [f"warning: {one['path']}: {one['message']}" for one in answer.get("warnings", ())]
    about = [f"as of {answer['asOf']}", answer["zone"]]
    about += ["* not complete"] if any(table.marked for table in tables) or _has_open_cell(answer) else []
    about += [f"approximate: {answer['approximate']}"] if "approximate" in answer else []
    about += [_sampled(answer["sampled"])] if "sampled" in answer else []
    return "\n\n".join([*(parts or ["no numbers"]), "\n".join([*notes, " · ".join(about)])])


def _sampled(sampled: Mapping[str, Any]) -> str:
    """What a sample means for the numbers."""
    of = f"a sample of {sampled['share']} of people"
    return f"{of}, not scaled" if Decimal(sampled["factor"]) == 1 else f"≈ {of}, counts × {sampled['factor']}"


def tables_of(answer: Answer) -> list[TextTable]:
    """The tables of an answer of any kind."""
    return _KINDS[answer["kind"]](answer)


def spark(values: Sequence[Any]) -> str:
    """A line of values; a space for one that is unknown."""
    known = [Decimal(value) for value in values if value is not None]
    least, most = min(known, default=Decimal(0)), max(known, default=Decimal(0))
    least = min(least, Decimal(0))
    span = most - least or Decimal(1)
    return "".join(
        " " if value is None else _SPARKS[int((Decimal(value) - least) / span * (len(_SPARKS) - 1))] for value in values
    )


def bar(share: Decimal, room: int) -> str:
    """A share from 0 to 1."""
    return "█" * int(share * min(room, _BAR) + Decimal("0.5"))


def _group(group: Mapping[str, Any] | None) -> str:
    if group is None:
        return ""
    if group["kind"] != "value":
        return f"({group['kind']})"
    return " · ".join(str(value) for value in group["values"])


def _day(bucket: Mapping[str, Any]) -> str:
    start: str = bucket["start"]
    return start[:10] if "T00:00" in start else start[:16].replace("T", " ")


def _open(answer: Answer) -> frozenset[int]:
    return frozenset(n for n, bucket in enumerate(answer["buckets"]) if not bucket["complete"])


def _has_open_cell(answer: Answer) -> bool:
    return answer["kind"] == "retention" and any(
        not cell["complete"] for group in answer["groups"] for cohort in group["cohorts"] for cell in cohort["cells"]
    )


def _trend(answer: Answer) -> list[TextTable]:
    lines = answer["lines"]
    names = [" ".join(filter(None, (line["name"] or line["series"], _group(line["group"])))) for line in lines]
    compared = any(line.get("before") for line in lines)
    rows = [
        [name, line["total"], *([(line.get("before") or {}).get("total")] if compared else [])]
        for name, line in zip(names, lines, strict=True)
    ]
    columns = ("series", "total", *(["before"] if compared else []))
    totals = TextTable(columns, rows, pictures=[spark(line["values"]) for line in lines])
    days = [_day(bucket) for bucket in answer["buckets"]]
    if len(lines) > _MOST_LINES:  # too wide for a terminal
        return [totals]
    by_bucket = [[day, *(line["values"][n] for line in lines)] for n, day in enumerate(days)]
    return [TextTable(("bucket", *names), by_bucket, marked=_open(answer)), totals]


def _active(answer: Answer) -> list[TextTable]:
    lines = answer["lines"]
    rows = [[_day(bucket), *(line["values"][n] for line in lines)] for n, bucket in enumerate(answer["buckets"])]
    names = [f"{line['days']} days" if line["days"] > 1 else "1 day" for line in lines]
    newest = [[name, next((v for v in reversed(line["values"]) if v is not None), None)] for name, line in
               zip(names, lines, strict=True)]  # fmt: skip
    sparks = TextTable(("active in", "newest"), newest, pictures=[spark(line["values"]) for line in lines])
    return [TextTable(("bucket", *names), rows, marked=_open(answer)), sparks]


def _shares(answer: Answer, column: str) -> list[Decimal]:
    most = max((row[column] for row in answer["rows"]), default=0) or 1
    return [Decimal(row[column]) / most for row in answer["rows"]]


def _stickiness(answer: Answer) -> list[TextTable]:
    rows = [[row["buckets"], row["exactly"], row["atLeast"]] for row in answer["rows"]]
    return [TextTable(("buckets", "exactly", "at least"), rows, pictures=_shares(answer, "exactly"))]


def _frequency(answer: Answer) -> list[TextTable]:
    def times(row: Mapping[str, Any]) -> str:
        if row["most"] is None:
            return f"{row['least']} and more"
        return str(row["least"]) if row["least"] == row["most"] else f"{row['least']} to {row['most']}"

    rows = [[times(row), row["people"]] for row in answer["rows"]]
    return [TextTable(("times", "people"), rows, pictures=_shares(answer, "people"))]


def _funnel(answer: Answer) -> list[TextTable]:
    columns = ("step", "reached", "rate%", "from previous%", "medianMs", "in progress", "dropped", "excluded")
    grouped = len(answer["groups"]) > 1 or any(group["group"] for group in answer["groups"])
    rows: list[list[Any]] = []
    pictures: list[str | Decimal] = []
    for group in answer["groups"]:
        for n, step in enumerate(group["steps"], 1):
            row = [f"{n} {step['name']}", step["reached"], step["rate"], step["fromPrevious"], step["medianMs"]]
            row += [step["inProgress"], step["dropped"], step["excluded"]]
            rows.append([_group(group["group"]), *row] if grouped else row)
            pictures.append(Decimal(step["rate"] or 0))
    return [TextTable(("group", *columns) if grouped else columns, rows, pictures=pictures)]


def _retention(answer: Answer) -> list[TextTable]:
    names = [str(first) if first == last else f"{first}-{last}" for first, last in answer["periods"]]
    tables = []
    for group in answer["groups"]:
        rows = [
            [
                _day(cohort["bucket"]),
                cohort["people"],
                *(_Share(cell["share"], cell["complete"]) for cell in cohort["cells"]),
            ]
            for cohort in group["cohorts"]
        ]
        rows.append(["average", group["people"], *(_Share(share, True) for share in group["average"])])
        tables.append(TextTable(("cohort", "people", *(f"{name}%" for name in names)), rows, _group(group["group"])))
    return tables or [TextTable(("cohort", "people"), [])]


class _Share:
    """A cell of a retention: marked while it is not complete."""

    def __init__(self, share: Any, complete: bool) -> None:
        self.share, self.complete = share, complete

    def __str__(self) -> str:
        return "" if self.share is None else str(self.share)


def _buckets(names: tuple[str, ...], fields: tuple[str, ...]) -> Callable[[Answer], list[TextTable]]:
    def tables(answer: Answer) -> list[TextTable]:
        rows = [
            [_day(bucket), *(None if row is None else row[field] for field in fields)]
            for bucket, row in zip(answer["buckets"], answer["rows"], strict=True)
        ]
        return [TextTable(("bucket", *names), rows, marked=_open(answer))]

    return tables


def _sessions(answer: Answer) -> list[TextTable]:
    names = ("sessions", "people", "bounces", "averageMs", "medianMs", "events")
    (by_bucket,) = _buckets(names, names)(answer)
    total = answer["total"]
    rows = [*by_bucket.rows, ["total", *(total[name] for name in names)]]
    ends = [
        TextTable((title, "sessions"), [[one["label"] or "(none)", one["sessions"]] for one in answer[field]])
        for title, field in (("begins with", "entries"), ("ends with", "exits"))
    ]
    return [TextTable(by_bucket.columns, rows, marked=by_bucket.marked), *ends]


def _paths(answer: Answer) -> list[TextTable]:
    rows = [
        [link["step"], link["source"], "(other)" if link["other"] else link["target"] or "(end)", link["sessions"]]
        for link in answer["links"]
    ]
    return [TextTable(("step", "from", "to", "sessions"), rows)]


def _impact(answer: Answer) -> list[TextTable]:
    rows = [
        [name, answer[field]["people"], answer[field]["before"], answer[field]["after"]]
        for name, field in (("with it", "users"), ("without it", "others"))
    ]
    least, most = answer["interval"]
    difference = [[answer["difference"], least, most, answer["unfinished"]]]
    return [
        TextTable(("people", "number", "before", "after"), rows),
        TextTable(("difference", "least", "most", "unfinished"), difference),
    ]


def _experiment(answer: Answer) -> list[TextTable]:
    rows = []
    for metric in answer["metrics"]:
        for one in metric["variants"]:
            least, most = one["interval"] or (None, None)
            row = [metric["name"], one["variant"], one["units"], one["open"], one["value"], one["difference"]]
            rows.append([*row, least, most, one["p"], one["chanceToWin"]])
    ratio = answer["sampleRatio"]
    checks = [["mismatch: no result can be trusted" if ratio["mismatch"] else "as the flag says", ratio["p"]]]
    columns = ("metric", "variant", "units", "open", "value", "difference", "least", "most", "p", "chance to win%")
    return [TextTable(columns, rows), TextTable(("units are divided", "p"), checks)]


_KINDS: dict[str, Callable[[Answer], list[TextTable]]] = {
    "trend": _trend,
    "active": _active,
    "stickiness": _stickiness,
    "frequency": _frequency,
    "funnel": _funnel,
    "retention": _retention,
    "lifecycle": _buckets(*[("new", "returning", "resurrecting", "dormant")] * 2),
    "sessions": _sessions,
    "paths": _paths,
    "adoption": _buckets(
        ("active", "users", "first time", "ever", "rate%"), ("active", "users", "firstTime", "ever", "rate")
    ),
    "impact": _impact,
    "experiment": _experiment,
}


def _lines(table: TextTable, width: int) -> list[str]:
    """A table in lines: texts to the left, numbers to the right, pictures behind."""
    names = [column.removesuffix("%").removesuffix("Ms") for column in table.columns]
    cells = [
        [_shown(value, column) for value, column in zip(row, table.columns, strict=False)]
        + [""] * (len(names) - len(row))
        for row in table.rows
    ]
    texts = [any(isinstance(row[n], str) for row in table.rows if n < len(row)) for n in range(len(names))]
    sizes = [max(len(name), *(len(row[n]) for row in cells)) for n, name in enumerate(names)]
    fitting = _fitting(sizes, texts, width - 2)
    lines = [table.title] if table.title else []
    for n, row in enumerate([names, *cells]):
        shown = [
            _cut(cell, size) if text else _cut(cell, size).rjust(size)
            for cell, size, text in zip(row, fitting, texts, strict=False)
        ]
        shown = [cell.ljust(size) for cell, size in zip(shown, fitting, strict=False)]
        line = _GAP.join(shown) + ("*" if n - 1 in table.marked else "")
        if n and table.pictures and (room := width - len(line) - len(_GAP)) > 3:
            line += _GAP + _drawn(table.pictures[n - 1], room)
        lines.append(line.rstrip())
    if len(fitting) < len(names):
        lines.append(f"… and {', '.join(names[len(fitting) :])}: the terminal is too narrow; --format csv has all")
    return lines


def _fitting(sizes: list[int], texts: list[bool], width: int) -> list[int]:
    """The width of each column that fits: texts become shorter, then the last columns are left out."""
    sizes = list(sizes)
    while sum(sizes) + len(_GAP) * (len(sizes) - 1) > width and len(sizes) > 1:
        long = [n for n, text in enumerate(texts[: len(sizes)]) if text and sizes[n] > _LEAST_COLUMN]
        if long:
            n = max(long, key=lambda n: sizes[n])
            sizes[n] -= 1
        else:
            sizes.pop()
    return sizes


def _cut(text: str, size: int) -> str:
    return text if len(text) <= size else text[: size - 1] + "…"


def _drawn(picture: str | Decimal, room: int) -> str:
    """A bar or a spark line that fits: of a spark line the newest values."""
    return picture[-room:] if isinstance(picture, str) else bar(picture, room)


def _shown(value: Any, column: str) -> str:
    if isinstance(value, _Share):
        return "" if value.share is None else f"{Decimal(value.share):.1%}{'' if value.complete else '*'}"
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    number = Decimal(value)
    if column.endswith("%"):
        return f"{number:.1%}"
    if column.endswith("Ms"):
        return _duration(int(number))
    return f"{number:,.0f}" if number == number.to_integral_value() else f"{number:,.4f}".rstrip("0").rstrip(".")


def _duration(ms: int) -> str:
    seconds = ms // 1000
    for unit, size, smaller, part in (("d", 86_400, "h", 3_600), ("h", 3_600, "m", 60), ("m", 60, "s", 1)):
        if seconds >= size:
            rest = seconds % size // part
            return f"{seconds // size}{unit}" + (f" {rest}{smaller}" if rest else "")
    return f"{seconds}s" if ms >= 1000 else f"{ms}ms"
