"""Filters of questions in the workspace of an environment: its segments, what it has seen, and what its plan says."""

from dataclasses import replace

from tinycdp.dsl.ir import Type
from tinycdp.engine.catalog import Definition, build_catalog
from tinycdp.runtime.definitions.observed import Known
from tinycdp.runtime.definitions.workspace import Declared, Workspace, check_event_filter, check_profile_filter

DEFINITIONS = [
    Definition(id=1, kind="segment", key="vip", version=1, expression='profile.plan == "pro"'),
    Definition(id=2, kind="trait", key="spend", version=1, expression="events.purchase.sum(amount)"),
]
CATALOG = build_catalog(0, "UTC", DEFINITIONS, DEFINITIONS, live_revision=1, head_revision=1)
WORKSPACE = Workspace(
    CATALOG,
    CATALOG.live,
    ("purchase",),
    frozenset(),
    None,
    known=Known({"purchase": {"amount": Type.DYN}}, frozenset({"plan"})),
)
PLANNED = replace(WORKSPACE, declared=Declared({"plan": Type.STRING}, {"purchase": {"amount": Type.STRING}}))


def test_segments_of_the_environment_are_known_and_traits_are_refused() -> None:
    assert check_event_filter(WORKSPACE, "purchase", "amount > 1 && segments.vip").diagnostics == ()
    assert check_profile_filter(WORKSPACE, 'segments.vip && profile.plan == "pro"').diagnostics == ()
    assert [d.code for d in check_profile_filter(WORKSPACE, "segments.vpi").errors] == ["E303"]
    assert [d.code for d in check_profile_filter(WORKSPACE, "spend > 5").errors] == ["E508"]


def test_what_was_not_observed_is_a_warning() -> None:
    [warning] = check_event_filter(WORKSPACE, "purchase", "amuont > 1").diagnostics
    assert (warning.code, warning.severity) == ("E307", "warning")
    assert check_event_filter(WORKSPACE, None, "anything > 1").diagnostics == ()


def test_what_contradicts_the_tracking_plan_is_a_warning() -> None:
    for checked in (
        check_event_filter(PLANNED, "purchase", "amount > 1"),
        check_profile_filter(PLANNED, "profile.plan == 3"),
    ):
        assert checked.node is not None
        [warning] = checked.diagnostics
        assert warning.severity == "warning"
        assert warning.message.endswith("The tracking plan says so.")
