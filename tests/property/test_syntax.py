"""Laws of the language's surface: parse and format undo each other, and every input is understood or refused."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from laws import examples
from strategies.expressions import conditions, soups, trees
from tinycdp.dsl.ast import Expr, Not
from tinycdp.dsl.check.expressions import Scope, check
from tinycdp.dsl.diagnostics import CODES, SourceError, apply, render, to_wire
from tinycdp.dsl.editor.format import format_expression, format_source
from tinycdp.dsl.editor.terms import TermShape, terms_of
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


@examples(300)
@given(trees())
def test_the_terms_of_a_source_say_all_of_it(tree: Expr) -> None:
    """Joined again they are the source, and one that has a shape is what its parts say."""
    source = format_expression(tree)
    terms = terms_of(source)
    assert parse(f" {'&&' if terms[-1].join == 'and' else '||'} ".join(source[t.start : t.end] for t in terms)) == tree
    for term in terms:
        inner = parse(source[term.start : term.end])
        negated = False
        while isinstance(inner, Not):
            negated, inner = not negated, inner.operand
        assert negated is term.negated
        if term.shape is not None:
            assert parse(written(term.shape, source)) == inner


def written(shape: TermShape, source: str) -> str:
    """The term that the parts make, each as it stands in the source."""

    def text(part: Any) -> str:
        return source[part.start : part.end]

    subject, measure, window = text(shape.subject), shape.measure, shape.window.text if shape.window else None
    if shape.subject.kind in {"event", "any"}:
        assert measure is not None
        where = f".where({shape.where.text})" if shape.where is not None else ""
        quantile = measure.quantile if measure.function == "percentile" else None
        arguments = [text(measure.property) if measure.property else None, quantile, window]
        given = ", ".join(one for one in arguments if one is not None)
        found = f"events.{subject}{where}.{measure.function}" + (f"({given})" if given else "")
    elif measure is None or shape.subject.kind == "seen":
        found = subject
    else:
        found = f"{measure.function}({subject})"
    if shape.comparison is None:
        return found
    op, value = shape.comparison.op, text(shape.value) if shape.value is not None else None
    if op.isidentifier() and op != "in":
        return f"{op}({found}{f', {value}' if value else ''})"
    return f"{found} {op} {value}"
