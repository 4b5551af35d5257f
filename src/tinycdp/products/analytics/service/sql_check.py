"""Whether SQL that a client wrote only reads the views of its environment.

Shape   check(tree, functions): `tree` is what ClickHouse's EXPLAIN AST says of the statement that will run
        FUNCTION_KINDS are the categories of ClickHouse's functions that compute, and do nothing else
Laws    what is not known to be harmless is refused: kinds of nodes, functions, names of tables.
        A tree whose lines do not add up is refused, so that no name in it can pretend to be a node.
        A table is named without its database; the statement runs in a database that has only the views
Errors  InvalidInput SQL_REFUSED, which says what is not allowed
Source  docs/reference/analytics-sql.md
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from tinycdp.errors import InvalidInput

#: Categories of functions in system.functions, in lower case and without a last "s".
FUNCTION_KINDS = frozenset(
    {
        "aggregate function",
        "arithmetic",
        "array",
        "bit",
        "bitmap",
        "comparison",
        "conditional",
        "dates and time",
        "distance",
        "encoding",
        "hash",
        "json",
        "logical",
        "map",
        "mathematical",
        "null",
        "random number",
        "rounding",
        "string",
        "string replacement",
        "string search",
        "string splitting",
        "time window",
        "tuple",
        "type conversion",
        "url",
        "uuid",
    }
)
#: Functions of these categories that do more than compute.
_FORBIDDEN_FUNCTIONS = frozenset(
    {"aggthrow", "flamegraph", "formatrow", "formatrownonewline", "groupformat", "generatesnowflakeid", "chdb"}
)
#: Functions of other categories that only compute, and what the parser makes of operators.
_MORE_FUNCTIONS = frozenset(
    {
        "_cast",
        "bar",
        "exists",
        "formatreadablequantity",
        "formatreadablesize",
        "formatreadabletimedelta",
        "grouping",
        "identity",
        "ignore",
        "lambda",
        "materialize",
        "totypename",
        "transform",
        "untuple",
        "varianttype",
        "variantelement",
    }
)
_SUFFIXES = (
    *("if", "array", "map", "simplestate", "state", "merge", "mergestate", "foreach", "distinct", "ordefault"),
    *("ornull", "resample", "argmin", "argmax"),
)
_NODES = frozenset(
    {
        "Asterisk",
        "ColumnsExceptTransformer",
        "ColumnsListMatcher",
        "ColumnsRegexpMatcher",
        "ColumnsTransformerList",
        "ExpressionList",
        "Function",
        "Identifier",
        "InterpolateElement",
        "Literal",
        "OrderByElement",
        "QualifiedAsterisk",
        "QualifiedColumnsListMatcher",
        "QualifiedColumnsRegexpMatcher",
        "SampleRatio",
        "SelectIntersectExceptQuery",
        "SelectQuery",
        "SelectWithUnionQuery",
        "Subquery",
        "TableExpression",
        "TableIdentifier",
        "TableJoin",
        "ArrayJoin",
        "TablesInSelectQuery",
        "TablesInSelectQueryElement",
        "WindowDefinition",
        "WindowListElement",
        "WithElement",
    }
)
#: What people try, in the words of SQL.
_CALLED = {
    "Set": "SETTINGS is not allowed",
    "ColumnsApplyTransformer": "APPLY is not allowed; write the function for each column",
    "ColumnsReplaceTransformer": "REPLACE is not allowed; write the columns",
    "QueryParameter": "a parameter has no value",
}
#: The format in which the tree is read. It is a node of the tree: the only one beside the SELECT.
TREE_FORMAT = "TSVRaw"
_TABLE_SETS = re.compile(r"(global)?(not)?(null)?in(ignoreset)?")
_LINE = re.compile(r"(?P<indent> *)(?P<node>\w+)(?P<said>.*?)(?: \(children (?P<children>\d+)\))?")


@dataclass(slots=True)
class _Node:
    """A node of the tree: its kind, and what its line says of it, such as a name."""

    kind: str
    said: str
    children: list["_Node"] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its name, without an alias."""
        return self.said.strip().partition(" (alias ")[0]

    def walk(self) -> Iterator["_Node"]:
        """This node and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()


def check(tree: str, functions: Collection[str]) -> None:
    """Raise unless the statement only computes over tables of its own database. functions: in lower case."""
    root = _read(tree)
    if root.kind != "SelectWithUnionQuery":
        raise sql_error("only SELECT is allowed")
    if [(node.kind, node.name) for node in root.children[1:]] != [("Identifier", TREE_FORMAT)]:
        raise sql_error("FORMAT, SETTINGS and INTO OUTFILE are not allowed; give `format` beside the SQL")
    for node in root.walk():
        if node.kind not in _NODES:
            raise sql_error(_CALLED.get(node.kind, f"{node.kind} is not allowed"))
        match node.kind:
            case "TableIdentifier":
                _check_table(node.name)
            case "TableExpression":
                _check_source(node)
            case "Function":
                _check_function(node, functions)


def sql_error(why: str) -> InvalidInput:
    """The error of a statement that is not run."""
    return InvalidInput("SQL_REFUSED", f"This SQL is not run: {why}.")


def _check_table(name: str) -> None:
    if not re.fullmatch(r"\w+", name):
        raise sql_error(f"the table {name[:80]!r} is not a view of this environment; see the list of views")


def _check_source(node: _Node) -> None:
    for child in node.children:
        if child.kind == "Function":
            raise sql_error(f"the table function {child.name[:80]}() is not allowed")


def _check_function(node: _Node, functions: Collection[str]) -> None:
    name = node.name.lower()
    if not (name in _MORE_FUNCTIONS or _known(name, functions)):
        raise sql_error(f"the function {node.name[:80]}() is not allowed, or does not exist")
    if _TABLE_SETS.fullmatch(name):
        # ClickHouse takes a name on the right side of IN for a table.
        for argument in node.children:
            for child in argument.children[1:]:
                if child.kind == "Identifier":
                    _check_table(child.name)


def _known(name: str, functions: Collection[str]) -> bool:
    if name in _FORBIDDEN_FUNCTIONS:
        return False
    if name in functions:
        return True
    return any(
        name.endswith(suffix) and len(name) > len(suffix) and _known(name.removesuffix(suffix), functions)
        for suffix in _SUFFIXES
    )


def _read(tree: str) -> _Node:
    """The tree of the text; every line is one node, indented by its depth, with as many below it as it says."""
    lines = tree.rstrip("\n").split("\n")
    at = 0

    def node(depth: int) -> _Node:
        nonlocal at
        found = _LINE.fullmatch(lines[at]) if at < len(lines) else None
        if found is None or len(found["indent"]) != depth:
            raise sql_error("a name in it has a line break, or it cannot be read")
        at += 1
        children = [node(depth + 1) for _ in range(int(found["children"] or 0))]
        return _Node(found["node"], found["said"], children)

    root = node(0)
    if at != len(lines):
        raise sql_error("a name in it has a line break, or it cannot be read")
    return root
