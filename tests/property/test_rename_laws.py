"""Renaming changes names and nothing else: dsl/editor/rename.py."""

from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.expressions import trees
from tinycdp.dsl import ast, parser, tokens
from tinycdp.dsl.check.expressions import possible_references
from tinycdp.dsl.check.signatures import SEEN
from tinycdp.dsl.diagnostics import SourceError
from tinycdp.dsl.editor.format import format_expression
from tinycdp.dsl.editor.rename import needs_qualifier, renamed

_keys = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True).filter(lambda key: not needs_qualifier(key))
_wide = st.text("ab._~:-0", min_size=1, max_size=6)


def with_names(expr: Any, names: dict[tuple[str, str], str]) -> Any:
    """The tree that the renamed source should have."""
    match expr:
        case ast.Aggregate():
            return expr
        case ast.Name(name) if name not in SEEN:
            return replace(expr, name=names.get(("trait", name), name))
        case ast.Ref(kind, key):
            return replace(expr, key=names.get((kind, key), key))
        case tuple():
            return tuple(with_names(part, names) for part in expr)
        case _ if is_dataclass(expr):
            changed = {f.name: with_names(getattr(expr, f.name), names) for f in fields(expr) if f.name != "span"}
            return replace(expr, **{k: v for k, v in changed.items() if isinstance(v, ast.Expr | tuple)})  # type: ignore[type-var]
    return expr


@given(trees(), st.data())
def test_every_reference_has_its_new_key_and_nothing_else_changed(tree: ast.Expr, data: st.DataObject) -> None:
    source = format_expression(tree)
    known = sorted(possible_references(parser.parse(source)))
    chosen = data.draw(st.lists(st.sampled_from(known), unique=True)) if known else []
    names = {name: data.draw(_keys if name[0] == "trait" else _wide) for name in chosen}
    after = renamed(source, names)
    assert parser.parse(after) == with_names(parser.parse(source), names)
    assert renamed(source, {}) == source


@given(st.sampled_from(["plan", "in", "or_not", "count_7d"]))
def test_layout_comments_and_quotes_stay(key: str) -> None:
    source = "( opens )>3 // opens, often\n  and not segment( 'busy' ) or traits . opens /2 > events.opens.count(7d)"
    bare = f"`{key}`" if tokens.reserved(key) else key
    assert renamed(source, {("trait", "opens"): key, ("segment", "busy"): "very.busy"}) == (
        f"( {bare} )>3 // opens, often\n  and not segment( 'very.busy' ) or traits . {key} /2 > events.opens.count(7d)"
    )


@pytest.mark.parametrize(
    ("source", "after"),
    [
        ('segments.a && segment("a")', 'segments.`a-b` && segment("a-b")'),
        ("segments.`a` // a", "segments.`a-b` // a"),
        ("segments // a\n.a", "segments // a\n.`a-b`"),
        ("a", "a"),
        ("profile.a && traits.a", "profile.a && traits.a"),
        ("events.a.where(a == 1).sum(a, 7d) > 1", "events.a.where(a == 1).sum(a, 7d) > 1"),
    ],
)
def test_a_segment_is_renamed_and_what_is_called_alike_is_not(source: str, after: str) -> None:
    assert renamed(source, {("segment", "a"): "a-b"}) == after


def test_what_does_not_parse_is_refused() -> None:
    with pytest.raises(SourceError):
        renamed("a &&", {("trait", "a"): "b"})


def test_words_of_the_language_are_hidden() -> None:
    assert all(map(needs_qualifier, ["last_seen_at", "null", "events", "context"]))
    assert not any(map(needs_qualifier, ["in", "plan", "count_7d"]))
