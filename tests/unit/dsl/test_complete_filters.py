"""What an editor is offered in the filters of questions, and what it shows there. `|` is the cursor."""

import pytest

from tinycdp.dsl.check.expressions import Scope, check
from tinycdp.dsl.editor.complete import Completion, complete
from tinycdp.dsl.editor.hover import hover
from tinycdp.dsl.ir import Type

SCOPES = {
    kind: Scope(
        kind=kind,  # type: ignore[arg-type]
        traits={"orders_90d": Type.NUMBER},
        segments=["vip"],
        flags={"beta": Type.BOOL},
        properties={"plan": Type.STRING, "address.city": Type.STRING},
        events={"purchase": {"amount": Type.NUMBER}},
        group=["size"],
        event={"amount": Type.NUMBER, "item.sku": Type.STRING, "plan": Type.NUMBER, "gift": Type.BOOL},
    )
    for kind in ("event filter", "profile filter")
}
EVENT, PEOPLE = SCOPES


def at(marked: str, kind: str) -> Completion:
    before, _, after = marked.rpartition("|")
    return complete(before + after, len(before), SCOPES[kind])


def labels(marked: str, kind: str) -> list[str]:
    return [item.label for item in at(marked, kind).items]


@pytest.mark.parametrize(
    ("marked", "kind", "first"),
    [
        ("|", EVENT, "gift"),
        ("am|", EVENT, "amount"),
        ("amount >= 5 && am|", EVENT, "amount"),
        ("item.|", EVENT, "sku"),
        ("amount |", EVENT, ">="),
        ("amount > 5 |", EVENT, "&&"),
        ("profile.|", EVENT, "plan"),
        ("profile.address.|", EVENT, "city"),
        ("group.|", EVENT, "size"),
        ("segments.|", EVENT, "vip"),
        ("conte|", EVENT, "context."),
        ("!seg|", PEOPLE, "segments."),
        ("segments.|", PEOPLE, "vip"),
        ("profile.pl|", PEOPLE, "plan"),
        ("profile.plan |", PEOPLE, "=="),
        ("group.|", PEOPLE, "size"),
        ("first_|", PEOPLE, "first_seen_at"),
        ('segment("|', PEOPLE, "vip"),
    ],
)
def test_the_best_offer(marked: str, kind: str, first: str) -> None:
    assert labels(marked, kind)[0] == first


@pytest.mark.parametrize("kind", SCOPES)
def test_whatever_is_offered_as_a_value_is_one(kind: str) -> None:
    """No traits, aggregates, events or flags; no context of people, and no moments seen of an event."""
    found = at("|", kind).items
    assert {one.kind for one in found} <= {"property", "segment", "name", "function", "keyword"}
    for one in found:
        if one.insert[-1] not in ".( ":
            checked = check(f"exists({one.insert})", SCOPES[kind])
            assert [d.code for d in checked.errors] in ([], ["TYPE_MISMATCH"]), one
    for marked in ("events.|", 'trait("|', 'flag("|', "traits.|"):
        assert at(marked, kind).items == ()
    assert ("context." in labels("|", kind)) == (kind == EVENT)
    assert ("first_seen_at" in labels("first|", kind)) == (kind == PEOPLE)


@pytest.mark.parametrize(
    ("source", "kind", "text"),
    [
        ("plan", EVENT, "**plan** · property of the event · number"),
        ("item.sku", EVENT, "**item.sku** · property of the event · string"),
        ("events.purchase", EVENT, "**events.purchase** · property of the event · dyn"),
        ("profile.plan", EVENT, "**profile.plan** · property of the profile · string"),
        ("profile.plan", PEOPLE, "**profile.plan** · property of the profile · string"),
        ("segments.vip", PEOPLE, "**vip** · segment · bool"),
        ("context.os", EVENT, "**context.os** · from the context of the event"),
        ("orders_90d", PEOPLE, None),
    ],
)
def test_what_is_shown(source: str, kind: str, text: str | None) -> None:
    found = hover(source, len(source), SCOPES[kind])
    assert (found.markdown if found is not None else None) == text
