"""One SQL statement that computes expressions for every profile, from raw events alone.

Shape   select(columns, resolve=…, zone=…) → SQL with these parameters: $1 environment_id integer, $2 at timestamptz,
        $3 known_at timestamptz, $4 profile_ids bigint[] or NULL for all; its rows are (profile_id, v0, v1, …)
Units   at: the instant asked about. known_at: only messages received by then count, usually the same. NULL is unknown
Laws    one row per profile that was not merged into another, with the events it owns now, even if it got them later;
        one pass over the events it needs. A definition with several references is computed once
Errors  Unsupported if an expression cannot be written in SQL
Source  docs/decisions/0014-sql-oracle.md
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from tinycdp.dsl import ir
from tinycdp.dsl.ir import Type
from tinycdp.dsl.sql.aggregates import AggregateTables
from tinycdp.dsl.sql.expressions import Expressions

Name = tuple[str, str]
Resolve = Callable[[Name], ir.Node | None]


def select(
    columns: Sequence[ir.Node],
    *,
    resolve: Resolve,
    zone: str,
    context: Mapping[str, Any] = MappingProxyType({}),
) -> str:
    """SQL for the values of the columns.

    `resolve` returns the node of a trait or segment; None makes it unknown.

    A column has the value of its expression: a segment's rule may be unknown, but a reference to the segment is not."""
    events = Expressions(None, zone, context, {})
    figures = AggregateTables(zone, events.sql)
    known: dict[Name, tuple[str, Type] | None] = {}
    scalars = Expressions(figures, zone, context, known)
    tables: list[tuple[str, list[str]]] = []
    for depth, names in enumerate(_levels(columns, resolve)):
        found = []
        for name in names:
            node = resolve(name)
            if node is None:
                known[name] = None
                continue
            sql, column = scalars.sql(node), f"known_{len(known)}"
            found.append(f"{f'coalesce({sql}, false)' if name[0] == 'segment' else sql} AS {column}")
            known[name] = (f"p.{column}", node.type)
        if found:
            tables.append((f"level_{depth}", found))
    values = [f"{scalars.sql(node)} AS v{n}" for n, node in enumerate(columns)]
    before, source = list(figures.statement()), figures.source()
    for table, found in tables:
        listed = ",\n    ".join(["p.*", *found])
        before.append(f"{table} AS (\n  SELECT {listed}\n  FROM {source} AS p OFFSET 0\n)")
        source = table
    listed = ",\n  ".join(["p.profile_id", *values])
    first = ",\n".join(before)
    return f"WITH {first}\nSELECT {listed}\nFROM {source} AS p"


def _levels(columns: Sequence[ir.Node], resolve: Resolve) -> list[list[Name]]:
    """Every definition that the columns reach, in levels.

    Each is a level above all it refers to. Within a level they are in order of first use."""
    level: dict[Name, int] = {}
    pending = [(name, False) for column in reversed(columns) for name in reversed(_references(column))]
    while pending:
        name, seen = pending.pop()
        if name in level:
            continue
        node = resolve(name)
        below = _references(node) if node is not None else []
        if seen or not below:
            level[name] = max((level[other] + 1 for other in below), default=0)
        else:
            pending += [(name, True), *((other, False) for other in reversed(below))]
    found: list[list[Name]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for name, depth in level.items():
        found[depth].append(name)
    return found


def _references(node: ir.Node) -> list[Name]:
    """The traits and segments that a node itself names. SQL does not compute flags."""
    named = ((n.kind, n.key) for n in ir.walk(node) if isinstance(n, ir.Reference) and n.kind != "flag")
    return list(dict.fromkeys(named))
