"""Expressions for properties: trees the parser can build, token soup, and definitions that mean something.

Shape   trees() -> syntax.Expr · soups() -> text of the language's own pieces · conditions() -> source of a condition
"""

from decimal import Decimal
from functools import cache

from hypothesis import strategies as st

from tinycdp.dsl import ast, tokens
from tinycdp.dsl.ir import Type

WORDS = "a b profile events any purchase count_7d where segments whales x or and not in true false null if"
MARKS = ". , ( ) [ ] .. && || ! == != < <= > >= + - * / ?? = & | ? ' \" ` // \n"
PIECES = [
    *WORDS.split(" "),
    *MARKS.split(" "),
    *["7d", "30days", "90d..30d", "1", "1.5", "1_000", '"text"', "`any name`", "é", "\0", "\ud800"],
]

_plain = st.sampled_from(["a", "b", "order", "android", "plan", "_x1", "null", "in_"])
_odd = st.sampled_from(["or", "in", "true", "Order Completed", "any", "1st", "ünï", "a.b", 'q"', " "])
names = st.one_of(_plain, _plain, _odd)
_windows = st.sampled_from([0, 1_000, 60_000, 90_000, 3_600_000, 86_400_000, 604_800_000, 34_560_000_000])
_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)

numbers = st.one_of(
    st.integers(-(10**29) + 1, 10**29 - 1),
    st.decimals(-(10**6), 10**6, places=3).filter(lambda d: d != int(d)).map(lambda d: d.normalize() + Decimal(0)),
)
durations = _windows.map(lambda ms: ast.Literal(Type.DURATION, ms))
literals = st.one_of(
    st.booleans().map(lambda value: ast.Literal(Type.BOOL, value)),
    numbers.map(lambda value: ast.Literal(Type.NUMBER, value)),
    _text.map(lambda value: ast.Literal(Type.STRING, value)),
    durations,
)
lists = st.lists(literals, max_size=4).map(lambda items: ast.ListLiteral(tuple(items)))
ranges = st.builds(ast.Range, _windows, _windows)

_references = st.one_of(
    st.builds(ast.Ref, st.sampled_from(["trait", "segment", "flag"]), st.one_of(names, _text)),
    st.lists(names, min_size=2, max_size=4)
    .filter(lambda parts: parts[0] not in {"events", "traits", "segments"})
    .map(lambda parts: ast.Path(tuple(parts))),
    st.builds(ast.Path, st.tuples(st.just("profile"), names)),
)
_functions = st.one_of(names, st.sampled_from(["count", "sum", "last", "unique_days", "exists", "last_at", "p95"]))


def _flat(op: str, parts: list[ast.Expr]) -> ast.Expr:
    found: list[ast.Expr] = []
    for part in parts:
        found.extend(part.operands if isinstance(part, ast.Logic) and part.op == op else [part])
    return ast.Logic(op, tuple(found))


def _sign(operand: ast.Expr) -> ast.Expr:
    if isinstance(operand, ast.Literal) and operand.type is Type.NUMBER:
        return ast.Literal(Type.NUMBER, -operand.value)  # type: ignore[operator]
    return ast.Negate(operand)


def _compound(inner: st.SearchStrategy[ast.Expr]) -> st.SearchStrategy[ast.Expr]:
    arguments = st.lists(st.one_of(inner, ranges, durations), max_size=3).map(tuple)
    events = st.builds(ast.EventSelection, st.one_of(st.none(), names), st.one_of(st.none(), inner))
    return st.one_of(
        st.builds(_flat, st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)),
        st.builds(ast.Not, inner),
        st.builds(_sign, inner),
        st.builds(ast.Compare, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), inner, inner),
        st.builds(ast.In, inner, lists, st.booleans()),
        st.builds(ast.Arith, st.sampled_from("+-*/"), inner, inner),
        st.builds(ast.Coalesce, inner, inner),
        st.builds(ast.Call, st.sampled_from(["exists", "if", "f", "lower", "or", "a b"]), arguments),
        events,
        st.builds(ast.Aggregate, events, _functions, arguments),
    )


def _fits(tree: ast.Expr) -> bool:
    """Whether a source of it would pass the limits, roughly: what is larger is another test's matter."""
    nodes, stack = 0, [(tree, 1)]
    while stack:
        expr, depth = stack.pop()
        nodes += 1
        if (
            nodes > 60
            or depth > tokens.MAX_DEPTH
            or (isinstance(expr, ast.EventSelection) and expr.where and nodes > 30)
        ):
            return False
        stack.extend((part, depth + 1) for part in ast.operands(expr))
    return True


@cache
def trees() -> st.SearchStrategy[ast.Expr]:
    """Any tree the parser builds of some source."""
    leaves = st.one_of(literals, names.map(ast.Name), _references)
    return st.recursive(leaves, _compound, max_leaves=12).filter(_fits)


@cache
def soups() -> st.SearchStrategy[str]:
    """Text made of the language's own pieces, mostly no expression."""
    pieces = st.lists(st.sampled_from(PIECES), max_size=25)
    return st.tuples(st.sampled_from(["", " "]), pieces).map(lambda drawn: drawn[0].join(drawn[1]))


_values = st.sampled_from(
    ["profile.age", "spend", "events.purchase.count_7d", "events.purchase.sum(amount, 30d)", "last_seen_minutes_ago",
     "events.purchase.where(amount > 5 && sku == \"a\").count_30d", "events.purchase.unique_days_14d", "profile.other"]
)  # fmt: skip
_atoms = st.one_of(
    st.builds("{} {} {}".format, _values, st.sampled_from(["==", "!=", "<", ">="]), st.integers(0, 9)),
    st.sampled_from(["power_user", "segments.whales", "exists(profile.age)", 'profile.country in ["US"]']),
)


@cache
def conditions() -> st.SearchStrategy[str]:
    """Sources of conditions, most of which check."""
    return st.recursive(
        _atoms,
        lambda inner: st.one_of(
            st.builds("({} && {})".format, inner, inner),
            st.builds("({} || {})".format, inner, inner),
            st.builds("!({})".format, inner),
        ),
        max_leaves=6,
    )
