"""What a statement must keep to so that a Postgres whose rows are sharded by environment can run it on one shard.

Shape   complaints(sql) -> what is wrong with it, in words; distributed() -> tables whose rows belong to environments
Laws    conservative: what is not understood is complained of. Read by Postgres' own parser
Source  docs/decisions/0030-distributed-readiness.md
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from pglast import ast, parse_sql
from pglast.enums import A_Expr_Kind, BoolExprType, JoinType

from tinycdp.resources import folder

#: Tables that every server would have a copy of, and why.
SHARED = {
    "organisations": "a handful of rows, above environments",
    "projects": "a handful of rows, above environments",
    "environments": "what the key of every other table names; each group of messages reads its row",
    "api_keys": "a request names its environment by its key, so the key is looked up before the environment is known",
    "migrations": "about the schema and no environment",
}


@cache
def distributed() -> frozenset[str]:
    """The tables of schema.sql with an environment that are not shared, and the partitions that are there."""
    tables = set()
    for raw in parse_sql((folder("migrations") / "schema.sql").read_text()):
        if isinstance(raw.stmt, ast.CreateStmt):
            columns = [element.colname for element in raw.stmt.tableElts if isinstance(element, ast.ColumnDef)]
            if "environment_id" in columns:
                tables.add(raw.stmt.relation.relname)
    return frozenset(tables - SHARED.keys())


def complaints(sql: str) -> list[str]:
    """What keeps the statement from running on the shard of the environment `$1`; nothing if it can."""
    found: list[str] = []
    for raw in parse_sql(sql):
        _check(raw.stmt, frozenset(), frozenset(), found)
    return found


def _check(node: Any, ctes: frozenset[str], outer: frozenset[str], found: list[str]) -> None:
    """One level of a statement, and those inside of it. `outer`: the names around it that are held to `$1`."""
    if (clause := getattr(node, "withClause", None)) is not None:
        for cte in clause.ctes:
            inside = ctes | {cte.ctename} if clause.recursive else ctes
            _check(cte.ctequery, inside, outer, found)
            ctes |= {cte.ctename}
    if isinstance(node, ast.SelectStmt):
        if node.larg is not None:
            _check(node.larg, ctes, outer, found)
            _check(node.rarg, ctes, outer, found)
            return
        if not node.targetList and not node.valuesLists:
            found.append("an empty select list")
    if isinstance(node, ast.InsertStmt):
        _check_insert(node, found)
    sources = _sources(node)
    tables = {name: table for source in sources for name, table in _tables(source, ctes)}
    conditions = [*_conjuncts(getattr(node, "whereClause", None))]
    for join in _joins(sources):
        conditions += _conjuncts(join.quals)
        if _recurs_outside(join, ctes):
            found.append("an outer join that keeps the rows of something other than a table")
    held = _held(tables, conditions, outer)
    found += [f"{tables[name]} is not held to the environment $1" for name in tables if name not in held]
    for inner in _levels(node):
        _check(inner, ctes, outer | held, found)
    found += ["ctid: a row has another one on another server"] * any(column == "ctid" for column in _columns(node))


def _check_insert(node: ast.InsertStmt, found: list[str]) -> None:
    table = node.relation.relname
    if table not in distributed():
        return
    if not node.cols or node.cols[0].name != "environment_id":
        found.append(f"environment_id is not the first column that is inserted into {table}")
    if not all(_is_environment(first) for first in _first_values(node.selectStmt)):
        found.append(f"what is inserted into {table} is not held to the environment $1")
    target = node.onConflictClause.infer if node.onConflictClause is not None else None
    if target is not None and target.indexElems and target.indexElems[0].name != "environment_id":
        found.append("a conflict target that does not begin with the environment")


def _first_values(select: ast.SelectStmt) -> Iterator[Any]:
    if select.larg is not None:
        yield from _first_values(select.larg)
        yield from _first_values(select.rarg)
    elif select.valuesLists:
        yield from (row[0] for row in select.valuesLists)
    else:
        yield select.targetList[0].val if select.targetList else None


def _sources(node: Any) -> list[Any]:
    """What the level reads from, and the table it changes."""
    sources = [*(getattr(node, "fromClause", None) or ()), *(getattr(node, "usingClause", None) or ())]
    return [*sources, node.relation] if isinstance(node, ast.UpdateStmt | ast.DeleteStmt) else sources


def _tables(source: Any, ctes: frozenset[str]) -> Iterator[tuple[str, str]]:
    """(name in the statement, table) of the distributed tables of a source, without those of subqueries."""
    match source:
        case ast.RangeVar():
            if source.relname in distributed() and source.relname not in ctes:
                yield (source.alias.aliasname if source.alias else source.relname), source.relname
        case ast.JoinExpr():
            yield from _tables(source.larg, ctes)
            yield from _tables(source.rarg, ctes)


def _joins(sources: list[Any]) -> Iterator[ast.JoinExpr]:
    for source in sources:
        if isinstance(source, ast.JoinExpr):
            yield source
            yield from _joins([source.larg, source.rarg])


def _recurs_outside(join: ast.JoinExpr, ctes: frozenset[str]) -> bool:
    """Whether an outer join keeps rows that every shard would repeat, beside a table that is on one of them."""
    sides = {JoinType.JOIN_LEFT: [(0, 1)], JoinType.JOIN_RIGHT: [(1, 0)], JoinType.JOIN_FULL: [(0, 1), (1, 0)]}
    has_table = [any(_mentioned(side, ctes)) for side in (join.larg, join.rarg)]
    return any(has_table[other] and not has_table[kept] for kept, other in sides.get(join.jointype, []))


def _mentioned(node: Any, ctes: frozenset[str]) -> Iterator[str]:
    for one in _walk(node):
        if isinstance(one, ast.RangeVar) and one.relname in distributed() and one.relname not in ctes:
            yield one.relname


def _held(tables: dict[str, str], conditions: list[Any], outer: frozenset[str]) -> frozenset[str]:
    """The names whose environment is `$1`, or is that of another name of which this is so."""
    equations = (
        condition
        for condition in conditions
        if isinstance(condition, ast.A_Expr)
        and condition.kind == A_Expr_Kind.AEXPR_OP
        and condition.name[0].sval == "="
    )
    pairs = [(_side(equation.lexpr, tables), _side(equation.rexpr, tables)) for equation in equations]
    held: set[str] = {"$1"} | (outer - tables.keys())
    while grown := {a for pair in pairs for a, b in (pair, pair[::-1]) if b in held and a in tables} - held:
        held |= grown
    return frozenset(held & tables.keys())


def _side(node: Any, tables: dict[str, str]) -> str | None:
    """`$1`, or the name whose environment this side of an equation is."""
    if _is_environment(node):
        return "$1"
    if isinstance(node, ast.ColumnRef):
        fields = [field.sval for field in node.fields if isinstance(field, ast.String)]
        if fields[-1:] == ["environment_id"]:
            return fields[0] if len(fields) == 2 else next(iter(tables)) if len(tables) == 1 else None
    return None


def _is_environment(node: Any) -> bool:
    plain = node.arg if isinstance(node, ast.TypeCast) else node
    return isinstance(plain, ast.ParamRef) and plain.number == 1


def _conjuncts(node: Any) -> Iterator[Any]:
    if isinstance(node, ast.BoolExpr) and node.boolop == BoolExprType.AND_EXPR:
        for one in node.args:
            yield from _conjuncts(one)
    elif node is not None:
        yield node


_STATEMENTS = (ast.SelectStmt, ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt)


def _walk(node: Any) -> Iterator[Any]:
    """The node and everything inside of it."""
    if isinstance(node, tuple):
        for one in node:
            yield from _walk(one)
    elif isinstance(node, ast.Node):
        yield node
        for name in node.__slots__:
            yield from _walk(getattr(node, name))


def _levels(node: Any) -> Iterator[Any]:
    """The statements right inside of this one, without those of its WITH."""
    for name in node.__slots__:
        if name != "withClause":
            yield from _outermost(getattr(node, name))


def _outermost(node: Any) -> Iterator[Any]:
    if isinstance(node, _STATEMENTS):
        yield node
    elif isinstance(node, tuple):
        for one in node:
            yield from _outermost(one)
    elif isinstance(node, ast.Node):
        for name in node.__slots__:
            yield from _outermost(getattr(node, name))


def _columns(node: Any) -> Iterator[str]:
    """The names of the columns that the statement mentions, at any level."""
    for one in _walk(node):
        if isinstance(one, ast.ColumnRef) and isinstance(one.fields[-1], ast.String):
            yield one.fields[-1].sval
