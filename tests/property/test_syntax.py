"""Laws of the language's surface: parse and format undo each other, and every input is understood or refused."""

from hypothesis import given
from hypothesis import strategies as st

from laws import examples
from strategies.expressions import conditions, soups, trees
from tinycdp.dsl.ast import Expr
from tinycdp.dsl.check.expressions import Scope, check
from tinycdp.dsl.diagnostics import CODES, SourceError, apply, render, to_wire
from tinycdp.dsl.editor.format import format_expression, format_source
from tinycdp.dsl.ir import Type
from tinycdp.dsl.parser import parse

SCOPE = Scope(
    kind="segment",
    traits={"power_user": Type.BOOL, "spend": Type.NUMBER},
    segments={"whales"},
    properties={"age": Type.NUMBER, "country": Type.STRING},
    events={"purchase": {"amount": Type.NUMBER, "sku": Type.STRING}},
    certain={"power_user", "spend"},
)


def refused_or_understood(source: str | bytes) -> None:
    """The one thing any input may do; and what is said about it can be printed and sent."""
    try:
        tree = parse(source)
    except SourceError as error:
        for diagnostic in error.diagnostics:
            assert diagnostic.code in CODES
            assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(error.source)
            assert to_wire(error.source, diagnostic)["span"]["line"] >= 1
        render(error.source, error.diagnostics).encode()
        return
    assert parse(format_expression(tree)) == tree
    checked = check(source, SCOPE)
    assert (checked.node is None) == bool(checked.errors)


@examples(300)
@given(trees())
def test_parse_undoes_format(tree: Expr) -> None:
    text = format_expression(tree)
    assert parse(text) == tree
    assert format_source(text) == text


@examples(300)
@given(st.one_of(soups(), st.text(max_size=40)))
def test_any_text_is_refused_or_understood(source: str) -> None:
    refused_or_understood(source)


@examples(100)
@given(st.binary(max_size=40))
def test_any_bytes_are_refused_or_understood(source: bytes) -> None:
    refused_or_understood(source)


@examples(50)
@given(
    st.sampled_from(
        ["(", "!", "-", "a||", "a&&", "a??", "a+", "a.", "f(", "events.x.", "[", "not ", '"', "`", "a==", "1,"]
    )
)
def test_no_repetition_exhausts_the_parser(piece: str) -> None:
    for times in (30, 300, 4_096 // len(piece), 4_097):
        refused_or_understood(piece * times)
        refused_or_understood(piece * times + "a" + ")" * times)


@examples(200)
@given(trees())
def test_check_never_raises(tree: Expr) -> None:
    checked = check(tree, SCOPE)
    assert (checked.node is None) == bool(checked.errors)
    render(checked.source, checked.diagnostics).encode()


@examples(200)
@given(conditions())
def test_the_canonical_text_means_the_same(source: str) -> None:
    first = check(source, SCOPE)
    again = check(first.canonical, SCOPE)
    assert again.canonical == first.canonical
    assert (again.type, again.nullable) == (first.type, first.nullable)
    assert [read.spec.key for read in again.reads] == [read.spec.key for read in first.reads]


@examples(100)
@given(conditions())
def test_either_rewrite_ends_a_null_lint(source: str) -> None:
    checked = check(source, SCOPE)
    if checked.errors:
        return
    for lint in (d for d in checked.diagnostics if d.code == "W-NULL"):
        for fix in lint.fixes:
            after = check(apply(source, fix.edits), SCOPE)
            assert not after.errors
            assert sum(d.code == "W-NULL" for d in after.diagnostics) < sum(
                d.code == "W-NULL" for d in checked.diagnostics
            )
