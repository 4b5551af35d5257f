"""Check the filters of questions of analytics.

Shape   check_event_filter(source, scope, event) and check_profile_filter(source, scope) → Checked
        check_event_name(name, scope) → a warning about a name that stands alone
Laws    an event filter reads the event's properties by bare or dotted names, and `context.…`, `profile.…`, `segments.…`
        and `group.…` as of the event; `ago` and `until` count from the event's instant
        a profile filter reads `profile.…`, `segments.…`, `group.…`, `first_seen_…` and `last_seen_…` as of now
        traits, aggregates and flags are errors: a segment is one membership, so a condition over them is saved as one
Errors  none: a problem in the source is a Diagnostic
Source  dsl/SPEC.md "Filters of questions"
"""

from dataclasses import replace

from tinycdp.dsl.check.aggregates import unknown_event
from tinycdp.dsl.check.expressions import Checked, Scope, check
from tinycdp.dsl.diagnostics import Diagnostic
from tinycdp.dsl.ir import Span


def check_event_filter(source: str, scope: Scope, event: str | None) -> Checked:
    """Check the `where` of an event. An event of None means every event, whose properties are not known."""
    properties = scope.events.get(event, {}) if event is not None else {}
    return check(source, replace(scope, kind="event filter", event=properties))


def check_profile_filter(source: str, scope: Scope) -> Checked:
    """Check a condition on people as they are now."""
    return check(source, replace(scope, kind="profile filter"))


def check_event_name(name: str, scope: Scope) -> Diagnostic | None:
    """A warning if events are known and this one is not. Its span is the whole name."""
    return unknown_event(name, scope.events, Span(0, len(name)), quoted=True)
