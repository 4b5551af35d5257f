"""Filters of questions: what they may read, and what is said of the rest."""

import pytest

from tinycdp.dsl import ir
from tinycdp.dsl.check.expressions import Checked, Scope
from tinycdp.dsl.check.filters import check_event_filter, check_event_name, check_profile_filter
from tinycdp.dsl.diagnostics import apply
from tinycdp.dsl.ir import Span, Type

SCOPE = Scope(
    traits={"spend": Type.NUMBER},
    segments={"vip", "whales"},
    flags={"checkout": Type.BOOL},
    events={"purchase": {"amount": Type.DYN, "sku": Type.DYN}, "Order Completed": {"total": Type.DYN}},
    known={"country", "plan"},
)


def of_event(source: str, event: str | None = "purchase") -> Checked:
    return check_event_filter(source, SCOPE, event)


def of_profiles(source: str) -> Checked:
    return check_profile_filter(source, SCOPE)


@pytest.mark.parametrize(
    "source",
    [
        "amount >= 50",
        'sku == "a" && context.app.version == "1"',
        'profile.country == "DE" || segments.vip',
        'segment("vip") && group.seats > 3',
        'days(ago(profile.signed_up_at)) < 7 && profile.plan == "pro"',
        'datetime(context.at) > date("2026-01-01")',
        "true",
    ],
)
def test_an_event_filter_reads_the_event_and_what_was_so_then(source: str) -> None:
    assert of_event(source).errors == ()


def test_a_bare_name_is_a_property_of_the_event() -> None:
    for source, expected in (("amount > 1", ("amount",)), ("a.b.c > 1", ("a", "b", "c")), ("`x y` > 1", ("x y",))):
        node = of_event(source).node
        assert isinstance(node, ir.Compare)
        assert isinstance(node.left, ir.EventProperty)
        assert node.left.path == expected


@pytest.mark.parametrize(
    "source",
    [
        'profile.country == "DE"',
        "segments.vip && !segments.whales",
        'first_seen_days_ago < 30 && last_seen_at > date("2026-01-01")',
        "group.seats >= 3",
        "until(datetime(profile.ends_at)) < 3d",
    ],
)
def test_a_profile_filter_reads_what_is_so_now(source: str) -> None:
    assert of_profiles(source).errors == ()


@pytest.mark.parametrize("check", [of_event, of_profiles])
@pytest.mark.parametrize(
    ("source", "what", "instead"),
    [
        ("events.purchase.count_30d > 1", "the aggregate 'events.purchase.count_30d'", "write segments.<key>"),
        ("events.purchase", "the aggregate 'events.purchase'", "write segments.<key>"),
        ("traits.spend > 1", "the trait 'spend'", "write segments.<key>"),
        ('trait("spend") > 1', "the trait 'spend'", "write segments.<key>"),
        ('flag("checkout")', "the flag 'checkout'", "write the condition of its rule instead"),
    ],
)
def test_what_only_a_profile_has_is_refused_with_a_remedy(check: object, source: str, what: str, instead: str) -> None:
    found = check(source).errors  # type: ignore[operator]
    assert [error.code for error in found] == ["E508"]
    assert what in found[0].message
    assert instead in found[0].message


def test_a_profile_has_no_context_and_no_bare_properties() -> None:
    assert [e.code for e in of_profiles('context.page == "/"').errors] == ["E508"]
    assert [e.code for e in of_profiles("spend > 1").errors] == ["E508"]
    unknown = of_profiles('country == "DE"')
    assert [e.code for e in unknown.errors] == ["E302"]
    [fix] = unknown.errors[0].fixes
    assert apply('country == "DE"', fix.edits) == 'profile.country == "DE"'
    assert of_profiles("vip").errors[0].fixes[0].title == "did you mean 'segments.vip'?"
    assert "Write profile.name for a property" in of_profiles("shoe_size > 3").errors[0].message


def test_what_was_never_seen_is_a_warning_with_the_nearest_name() -> None:
    [warning] = of_event("amuont > 5").diagnostics
    assert (warning.code, warning.severity, warning.span) == ("E307", "warning", Span(0, 6))
    assert warning.fixes[0].title == "did you mean 'amount'?"
    [warning] = of_event('profile.contry == "DE"').diagnostics
    assert (warning.code, warning.severity) == ("E307", "warning")
    assert "did you mean 'profile.country'?" in [fix.title for fix in warning.fixes]


def test_an_unknown_segment_is_an_error_with_the_nearest_key() -> None:
    for check in (of_event, of_profiles):
        [error] = check("segments.whale").errors
        assert (error.code, error.fixes[0].title) == ("E303", "did you mean 'whales'?")


def test_a_name_of_the_profile_beside_an_event_says_where_it_is_read() -> None:
    [warning] = of_event("first_seen_days_ago < 7").diagnostics
    assert warning.severity == "warning"
    assert "read in 'people'" in warning.message
    [warning] = of_event("spend > 100", None).diagnostics
    assert "Save a condition over it as a segment first" in warning.message


def test_a_filter_is_a_condition_and_is_linted() -> None:
    assert [e.code for e in of_event("amount + 1").errors] == ["E407"]
    assert [d.code for d in of_event('sku != "a"').diagnostics] == ["W-NULL"]
    assert [d.code for d in of_profiles('profile.plan != "a"').diagnostics] == ["W-NULL"]
    assert [e.code for e in of_event("len(sku) < 0").errors] == ["E503"]
    assert [e.code for e in of_event("amount = 1").errors] == ["E101"]


def test_the_name_of_an_event_is_checked_alone() -> None:
    assert check_event_name("purchase", SCOPE) is None
    assert check_event_name("page", SCOPE) is None
    assert check_event_name("anything", Scope()) is None
    found = check_event_name("Order Complete", SCOPE)
    assert found is not None
    assert (found.code, found.severity, found.span) == ("E301", "warning", Span(0, 14))
    assert apply("Order Complete", found.fixes[0].edits) == "Order Completed"
