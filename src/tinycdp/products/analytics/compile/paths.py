"""Paths: what people do one after another, within sessions.

Shape   compile_paths(question, world) → Compiled[PathsAnswer]; Links.of has its tables of people
Laws    repeats of a label collapse into one. With `start`, a path begins at its first event with that label; with `end`
        it is read backwards from its last; sessions without it are no paths. A path has at most `depth` labels.
        Of each step the links with the most sessions are shown, ties in the order of labels; the rest is one link
Source  docs/reference/analytics-meanings.md "Paths"
"""

from dataclasses import dataclass

from tinycdp.products.analytics.answers.schemas import PathLink, PathsAnswer
from tinycdp.products.analytics.compile.calendar import invalid, span_of
from tinycdp.products.analytics.compile.groups import check_top
from tinycdp.products.analytics.compile.scan import Scan
from tinycdp.products.analytics.compile.sessions import label_of, label_order, sessions_sql, settled
from tinycdp.products.analytics.compile.sql import Parameters, Statement, indented
from tinycdp.products.analytics.compile.world import Compiled, Rows, World
from tinycdp.products.analytics.questions.schemas import PathsQuestion

DEEPEST = 20
MOST_PATTERNS = 50


@dataclass(frozen=True, slots=True)
class Links:
    """The paths of people, and the links of these.

    paths   person, shown: the labels, ends: whether these are all of the path
    links   person, step, source, target: "" at the end of the path
    ranked  step, source, target, sessions, place: among the links of the step, from 1"""

    paths: str
    links: str
    ranked: str
    scan: Scan

    @classmethod
    def of(cls, question: PathsQuestion, world: World) -> "Links":
        _check(question)
        check_top(question.top)
        span = span_of(question.from_, question.to, question.last, world.zone, world.as_of)
        parameters = Parameters()
        table, scan = sessions_sql(question, world, span, parameters)
        depth = parameters.whole(question.depth)
        paths = (
            f"SELECT person, arraySlice(path, 1, {depth}) AS shown, length(path) < {depth} AS ends\n"
            f"FROM (SELECT person, {_path(question, parameters)} AS path FROM (\n  {indented(table)}\n))\n"
            "WHERE notEmpty(path)"
        )
        joined = (
            "SELECT person, arrayJoin(arrayZip(\n"
            "    arrayEnumerate(shown), shown, arrayPushBack(arrayPopFront(shown), if(ends, '', '*'))\n"
            f"  )) AS link, link.1 AS step, link.2 AS source, link.3 AS target\nFROM (\n  {indented(paths)}\n)"
        )
        links = f"SELECT person, step, source, target FROM (\n  {indented(joined)}\n)\nWHERE target != '*'"
        counted = (
            f"SELECT step, source, target, count() AS sessions FROM (\n  {indented(links)}\n)\n"
            "GROUP BY step, source, target"
        )
        order = f"{label_order('source')}, {label_order('target')}"
        ranked = (
            "SELECT step, source, target, sessions,\n"
            f"  row_number() OVER (PARTITION BY step ORDER BY sessions DESC, {order}) AS place\n"
            f"FROM (\n  {indented(counted)}\n)"
        )
        return cls(paths, links, ranked, scan)


def _path(question: PathsQuestion, parameters: Parameters) -> str:
    """SQL of the path of a session."""
    labels = f"arrayMap(one -> {_grouped('one.4', question, parameters)}, session)"
    left_out = [f'"{label}' for label in question.without]
    kept = f"arrayFilter(label -> label != '' AND label NOT IN {parameters.texts(left_out)}, {labels})"
    path = f"arrayCompact({kept})"
    if question.start:
        start = parameters.text(f'"{question.start}')
        path = f"if(has({path}, {start}), arraySlice({path}, indexOf({path}, {start})), [])"
    elif question.end:
        end = parameters.text(f'"{question.end}')
        backwards = f"arrayReverse({path})"
        path = f"if(has({path}, {end}), arraySlice({backwards}, indexOf({backwards}, {end})), [])"
    return path


def compile_paths(question: PathsQuestion, world: World) -> Compiled[PathsAnswer]:
    """The links between labels, by step."""
    found = Links.of(question, world)
    scan, parameters = found.scan, found.scan.parameters
    shown = parameters.whole(question.top)
    sql = (
        f"SELECT step, if(place <= {shown}, source, '') AS from_label, if(place <= {shown}, target, '') AS to_label,\n"
        f"  place > {shown} AS other, sum(sessions) AS n\n"
        f"FROM (\n  {indented(found.ranked)}\n)\nGROUP BY step, from_label, to_label, other\n"
        f"ORDER BY step, other, n DESC, {label_order('from_label')}, {label_order('to_label')}"
    )
    total = f"SELECT count() FROM (\n  {indented(found.paths)}\n)"

    def read(rows: Rows) -> PathsAnswer:
        links = [
            PathLink(
                int(step),
                "" if other else label_of(source) or "",
                None if other else label_of(target),
                int(sessions),
                bool(other),
            )
            for step, source, target, other, sessions in rows[0]
        ]
        return PathsAnswer(sessions=int(rows[1][0][0]), links=tuple(links), warnings=scan.notices)

    statements = (Statement(sql, parameters.values), Statement(total, parameters.values))
    return Compiled(statements, read, scan.reads(), settled(question, world))


def _check(question: PathsQuestion) -> None:
    if question.start and question.end:
        raise invalid("end", "Give either `start` or `end`.")
    if not 2 <= question.depth <= DEEPEST:
        raise invalid("depth", f"A path has 2 to {DEEPEST} labels, not {question.depth}.")
    if len(question.group) > MOST_PATTERNS:
        raise invalid("group", f"At most {MOST_PATTERNS} patterns; these are {len(question.group)}.")


def _grouped(label: str, question: PathsQuestion, parameters: Parameters) -> str:
    """A label, or the first pattern that it fits."""
    cases = []
    for pattern in question.group:
        escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("*", "%")
        cases.append(f"{label} LIKE {parameters.text(chr(34) + escaped)}, {parameters.text(chr(34) + pattern)}")
    return f"multiIf({', '.join(cases)}, {label})" if cases else label
