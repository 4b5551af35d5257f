"""What an editor is offered at a place, and what it shows there. `|` is the cursor."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.expressions import trees
from tinycdp.dsl.ast import Expr
from tinycdp.dsl.check.expressions import Scope, check
from tinycdp.dsl.check.signatures import AGGREGATES, FUNCTIONS, GENERIC, REFERENCES, ROOTS, SEEN
from tinycdp.dsl.editor import function_docs
from tinycdp.dsl.editor.complete import Completion, complete
from tinycdp.dsl.editor.format import format_expression, format_source, lay_out
from tinycdp.dsl.editor.hover import Hover, hover
from tinycdp.dsl.ir import Type

NAMES = {
    "traits": {"orders_90d": Type.NUMBER, "power_user": Type.BOOL, "favourite": Type.STRING},
    "segments": ["regulars", "big spenders"],
    "flags": {"beta": Type.BOOL},
    "properties": {"plan": Type.STRING, "address.city": Type.STRING, "age": Type.NUMBER},
    "events": {
        "purchase": {"amount": Type.NUMBER, "item.sku": Type.STRING},
        "app_open": {},
        "app_close": {},
        "Order Completed": {},
    },
}
SCOPES = {kind: Scope(kind=kind, **NAMES) for kind in ("trait", "segment", "flag")}  # type: ignore[arg-type]


def at(marked: str, kind: str = "segment") -> Completion:
    before, _, after = marked.rpartition("|")
    return complete(before + after, len(before), SCOPES[kind])


def labels(marked: str, kind: str = "segment") -> list[str]:
    return [item.label for item in at(marked, kind).items]


def inserted(marked: str, kind: str = "segment", n: int = 0) -> str:
    """The text after taking the n-th proposal."""
    found, text = at(marked, kind), "".join(marked.rpartition("|")[::2])
    return text[: found.start] + found.items[n].insert + text[found.end :]


def hovered(marked: str, kind: str = "segment") -> Hover | None:
    before, _, after = marked.rpartition("|")
    return hover(before + after, len(before), SCOPES[kind], {("trait", "orders_90d"): "Orders of late."})


@pytest.mark.parametrize(
    ("marked", "first"),
    [
        ("events.|", "purchase"),
        ("events.app|", "app_open"),
        ("events.purchse|", "purchase"),
        ("events.completed|", "Order Completed"),
        ("events.purchase.|", "count_30d"),
        ("events.purchase.su|", "sum(amount, 30d)"),
        ("events.purchase.unique_|", "unique_days_14d"),
        ("events.purchase.where(amount > 3).las|", "last(plan, 30d)"),
        ("events.purchase.sum(|", "amount"),
        ("events.purchase.sum(amount, |", "1d"),
        ("events.purchase.count(4|", "4d"),
        ("events.purchase.where(am|", "amount"),
        ("events.purchase.where(item.|", "sku"),
        ("profile.|", "plan"),
        ("profile.address.|", "city"),
        ("orders_90d > 3 && pow|", "power_user"),
        ("orders_90d > 3 && |", "power_user"),
        ("orders_90d > |", "orders_90d"),
        ("orders_90d |", ">="),
        ("orders_90d >|", ">"),
        ("orders_90d > 3 |", "&&"),
        ("orders_90d > 3 &|", "&&"),
        ("orders_90d > 3 an|", "and"),
        ("power_user |", "&&"),
        ("profile.plan not |", "in"),
        ("profile.plan == favou|", "favourite"),
        ("segments.reg|", "regulars"),
        ("segment('reg|", "regulars"),
        ('segment("reg|")', "regulars"),
        ("low|", "lower(text)"),
        ("purch|", "events.purchase"),
        ("pla|", "profile.plan"),
        ("last_seen_d|", "last_seen_days_ago"),
        ("(orders_90d > 3 || |", "power_user"),
    ],
)
def test_the_best_proposal_is_the_one_that_is_meant(marked: str, first: str) -> None:
    assert labels(marked)[0] == first


@pytest.mark.parametrize(
    "marked",
    [
        "// a comm|",
        "'a te|xt'",
        "profile.plan == 'pr|",
        "events.x // |",
        "group.|",
        "3|",
        "profile.plan in [|",
        "(1).|",
    ],
)
def test_where_no_name_can_stand_nothing_is_offered(marked: str) -> None:
    assert labels(marked) == []


@pytest.mark.parametrize(
    ("marked", "whole"),
    [
        ("events.pur| > 3", "events.purchase. > 3"),
        ("events.pur|.count_30d", "events.purchase.count_30d"),
        ("events.p|ur.count_30d", "events.purchase.count_30d"),
        ("events.Ord|", "events.`Order Completed`."),
        ("events.`Order Com|", "events.`Order Completed`."),
        ("segments.big|", "segments.`big spenders`"),
        ('segment("big|', 'segment("big spenders'),
        ("power_user &|", "power_user &&"),
        ("low|(profile.plan)", "lower(profile.plan)"),
    ],
)
def test_a_proposal_replaces_the_word_and_repeats_nothing(marked: str, whole: str) -> None:
    assert inserted(marked, "flag") == whole


@pytest.mark.parametrize("kind", ["trait", "segment"])
def test_only_flags_know_flags_and_context(kind: str) -> None:
    for marked in ("|", "fl|", "con|", "flag('|", "bet|"):
        offered = {(item.kind, item.label) for item in at(marked, kind).items}
        assert not {of for of, _ in offered} & {"flag"}
        assert not {label for _, label in offered} & {"context.", 'flag("key")', "beta"}
    assert "context." in labels("con|", "flag")
    assert labels("bet|", "flag")[0] == 'flag("beta")'
    assert labels("flag('|", "flag") == ["beta"]


def test_a_condition_of_events_sees_their_properties_only() -> None:
    offered = {item.label for item in at("events.purchase.where(|").items}
    assert {"amount", "item"} <= offered
    assert not offered & {"orders_90d", "segments.regulars", "events.", "ago(instant)"}


def test_a_prefix_ranks_before_a_part_and_a_part_before_a_likeness() -> None:
    scope = Scope(events={"reopen": {}, "app_open": {}, "open_app": {}})
    assert [item.label for item in complete("events.open", 11, scope).items] == ["open_app", "app_open", "reopen"]


def test_of_equally_good_names_the_more_used_comes_first() -> None:
    scope = Scope(events={"zap": {}, "zip": {}})
    assert [item.label for item in complete("events.z", 8, scope).items] == ["zap", "zip"]
    scope = Scope(events={"zip": {}, "zap": {}})
    assert [item.label for item in complete("events.z", 8, scope).items] == ["zip", "zap"]


@pytest.mark.parametrize("marked", ["|", "events.|", "events.purchase.|", "profile.|", "orders_90d > 1 && |"])
def test_what_is_offered_is_understood(marked: str) -> None:
    """Each proposal that asks for nothing more leaves a text without a complaint about it."""
    for n, item in enumerate(at(marked, "flag").items):
        if item.insert.endswith((".", "(")) or item.label in {"not", "address"}:
            continue
        checked = check(inserted(marked, "flag", n), SCOPES["flag"])
        assert {d.code for d in checked.diagnostics} <= {"E407", "E401", "W-ALWAYS"}, item


@pytest.mark.parametrize(
    ("marked", "words", "type_"),
    [
        ("ord|ers_90d > 3", "Orders of late", Type.NUMBER),
        ("|traits.orders_90d", "by name", None),
        ("traits.orders|_90d", "Orders of late", Type.NUMBER),
        ("trait('orders|_90d')", "Orders of late", Type.NUMBER),
        ("segments.reg|ulars", "segment", Type.BOOL),
        ("events.pur|chase.count_30d", "amount, item.sku", None),
        ("events.purchase.co|unt_30d", "How many", Type.NUMBER),
        ("events.purchase.la|st(item.sku, 30d)", "last event", Type.STRING),
        ("events.purchase.where(amou|nt > 3).count", "property of the event", Type.NUMBER),
        ("events.purchase.wh|ere(amount > 3).count", "Only the events", None),
        ("events.purchase.sum(am|ount, 30d)", "property of the event", Type.NUMBER),
        ("events.purchase.sum(amount, 3|0d)", "30 days", Type.DURATION),
        ("profile.pl|an", "property of the profile", Type.STRING),
        ("low|er(profile.plan)", "lower case", Type.STRING),
        ("last_seen|_at", "last message", Type.DATETIME),
        ("true &|& false", "both are true", None),
        ("events.purchase.count( && 3|d", "3 days", Type.DURATION),
    ],
)
def test_a_hover_describes_what_stands_there(marked: str, words: str, type_: Type | None) -> None:
    found = hovered(marked)
    assert found is not None
    assert words in found.markdown
    assert found.type is type_


@pytest.mark.parametrize("marked", ["|", "nob|ody", "traits.nob|ody", "// a com|ment", "  |  ", "(1).fo|o", "3|"])
def test_a_hover_over_nothing_known_is_empty(marked: str) -> None:
    assert hovered(marked) is None


def test_every_word_of_the_language_is_explained() -> None:
    assert AGGREGATES.keys() == function_docs.AGGREGATES.keys()
    assert FUNCTIONS.keys() | GENERIC.keys() == function_docs.FUNCTIONS.keys()
    assert SEEN.keys() == function_docs.BUILT_IN.keys()
    assert set(ROOTS) == function_docs.ROOTS.keys()
    assert set(REFERENCES) == function_docs.REFERENCES.keys()


_PIECES = st.sampled_from(
    [
        *(
            "events",
            "profile",
            "purchase",
            "where",
            "segments",
            "orders_90d",
            "count_30d",
            "sum",
            "&&",
            "and",
            "not",
            "in",
        ),
        *("3", "30d", "30x", "//", ".."),
        *".()[]>=!,`\"' é\n\0",
    ]
)


@given(st.lists(_PIECES, max_size=25).map("".join), st.integers(-2, 120), st.sampled_from(sorted(SCOPES)))
def test_any_text_and_any_position_have_an_answer(source: str, position: int, kind: str) -> None:
    found = complete(source, position, SCOPES[kind])
    assert 0 <= found.start <= found.end <= len(source)
    assert all(0 <= item.score <= 1 and item.insert for item in found.items)
    assert list(found.items) == sorted(found.items, key=lambda item: -item.score)
    hover(source, position, SCOPES[kind])


@given(trees(), st.lists(st.sampled_from(["// why", "// a && b  "]), max_size=2))
def test_a_layout_says_the_same_keeps_comments_and_is_final(tree: Expr, comments: list[str]) -> None:
    text = format_expression(tree)
    if len(text.encode()) > 3_900:
        return
    laid = lay_out("\n".join([text, *comments]))
    assert format_source(laid) == text
    assert laid.split("\n")[: len(comments)] == [comment.rstrip() for comment in comments]
    assert lay_out(laid) == laid


def test_a_long_layout_has_a_line_for_each_outermost_term() -> None:
    term = "(profile.plan == 'pro' || orders_90d > 3)"
    assert [line.strip()[:3] for line in lay_out(" && ".join([term] * 4)).splitlines()] == ["(pr", "&& ", "&& ", "&& "]


def test_a_text_that_is_too_long_is_not_read() -> None:
    assert complete("a" * 5_000, 5_000, SCOPES["trait"]).items == ()
    assert hover("a" * 5_000, 3, SCOPES["trait"]) is None
