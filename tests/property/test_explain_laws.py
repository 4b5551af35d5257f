"""The laws of explanations: what is explained is what the step that serves says, part by part."""

from hypothesis import assume, given, note
from hypothesis import strategies as st

from laws import examples
from strategies.expressions import conditions
from strategies.histories import History, expressions, histories, instants
from tinycdp.dsl import ir
from tinycdp.dsl.check.workspace import check_workspace
from tinycdp.dsl.values.numbers import SCALE
from tinycdp.engine import recompute
from tinycdp.engine.catalog import Catalog, Definition, build_catalog, sources
from tinycdp.engine.flags import explanation_text
from tinycdp.engine.flags.explain import Explanation, explain, explain_definition
from tinycdp.engine.profile import Profile
from tinycdp.model import NEVER
from tinycdp.runtime.decisions.snapshots import snapshot_of

law = examples(60, deep=2_000)

#: What conditions() refers to.
OTHERS = {
    ("trait", "spend"): "events.purchase.sum(amount, 30d)",
    ("trait", "power_user"): "events.a.unique_days_7d >= 2 || spend > 3",
    ("segment", "whales"): "power_user && events.a.count_24h >= 1",
}


@law
@given(history=histories(), expression=st.one_of(expressions(), conditions()), data=st.data())
def test_what_is_explained_is_what_the_step_says(history: History, expression: str, data: st.DataObject) -> None:
    catalog = catalog_of(history, expression)
    now = data.draw(instants(history))
    profile = replayed(history, catalog, now)
    note(f"{expression} at {now}")
    for name in catalog.live.nodes:
        step = catalog.live.evaluators[name](catalog.activation(catalog.live, profile, now), now)
        found = explain_definition(catalog, name, catalog.activation(catalog.live, profile, now))
        assert (found.value, found.until) == step
        assert explanation_text.of_definition(found, history.zone)
        alone = explain(catalog.live.nodes[name], "", catalog.activation(catalog.live, profile, now), catalog)
        assert (alone.value is True if name[0] == "segment" else alone.value, alone.until) == step


@law
@given(history=histories(), expression=st.one_of(expressions(), conditions()), data=st.data())
def test_every_part_agrees_with_the_whole(history: History, expression: str, data: st.DataObject) -> None:
    catalog = catalog_of(history, expression)
    now = data.draw(instants(history))
    activation = catalog.activation(catalog.live, replayed(history, catalog, now), now)
    note(f"{expression} at {now}")
    found = explain_definition(catalog, ("trait", "case"), activation)
    met = [("trait", "case")]
    for part in parts_of(found.tree):
        assert part.until > now
        if isinstance(part.node, ir.Logic):
            deciding = [operand for operand in part.parts if operand.decides]
            assert deciding and all(operand.value is part.value for operand in deciding)
            # Those that decide could do it alone.
            decisive = part.node.op == "or"
            assert part.value is decisive or decisive not in [operand.value for operand in part.parts]
        if part.inside is not None:
            met.append(part.inside.name)
        if isinstance(part.node, ir.AggregateRead):
            assert_window(part, part.node, now)
    assert len(set(met)) == len(met)


@law
@given(history=histories(), expression=st.one_of(expressions(), conditions()), data=st.data())
def test_the_future_is_explained_as_the_engine_will_find_it(
    history: History, expression: str, data: st.DataObject
) -> None:
    """And the present is explained afterwards as it was before."""
    catalog = catalog_of(history, expression)
    now, later = sorted([data.draw(instants(history)), data.draw(instants(history))])
    profile = replayed(history, catalog, now)
    note(f"{expression} at {now}, then {later}")
    snapshot = snapshot_of(profile, catalog, ("userId u-1",), now)
    present = {name: explain_definition(catalog, name, snapshot) for name in catalog.live.nodes}
    foreseen = {name: explain_definition(catalog, name, snapshot.moved_to(later)) for name in catalog.live.nodes}
    assert {name: explain_definition(catalog, name, snapshot) for name in present} == present
    recompute.advance(profile, catalog, later)
    for name, found in foreseen.items():
        assert found == explain_definition(catalog, name, catalog.activation(catalog.live, profile, later))
        if name[0] == "segment":
            fingerprint = next(one.fingerprint for one in catalog.segments if one.name == name)
            assert (found.value is True) is (fingerprint in profile.memberships)


def assert_window(part: Explanation, read: ir.AggregateRead, now: int) -> None:
    window = part.contents
    assert window is not None
    if read.function == "count":
        assert window.events is not None and window.events * SCALE == part.value
    if read.function == "exists":
        assert bool(window.events) is part.value
    if read.function in {"unique_days", "streak_days"}:
        assert len(window.days) * SCALE == part.value
    if window.leaves_at is not None:
        assert window.leaves_at > now
        if read.function in {"count", "unique", "unique_days", "streak_days", "last"} and not read.window.end_ms:
            assert part.until == window.leaves_at
    elif read.function == "count" and read.window.start_ms is None:
        assert part.until == NEVER
    if window.oldest_at is not None and window.newest_at is not None and read.window.start_ms is not None:
        edge = now - read.window.start_ms
        oldest = edge if window.exact else edge - ir.bucket_width_ms(read.window.start_ms)
        assert oldest < window.oldest_at
        assert window.oldest_at <= window.newest_at <= now - read.window.end_ms or not window.exact


def parts_of(found: Explanation) -> list[Explanation]:
    """Every node, those of definitions inside too."""
    inside = parts_of(found.inside.tree) if found.inside is not None else []
    return [found, *inside, *(inner for part in found.parts for inner in parts_of(part))]


def catalog_of(history: History, expression: str) -> Catalog:
    texts = {**OTHERS, ("trait", "case"): expression}
    definitions = [
        Definition(id=id, version=1, kind=kind, key=key, expression=text)
        for id, ((kind, key), text) in enumerate(texts.items(), 1)
    ]
    assume(not check_workspace(sources(definitions)).errors)
    return build_catalog(0, history.zone, definitions, definitions, live_revision=1, head_revision=1)


def replayed(history: History, catalog: Catalog, now: int) -> Profile:
    """The person as of an instant: what has arrived by then, each message once."""
    profile = Profile(1, "u-1", 0, backfilled=1)
    for name, value in history.profile.items():
        profile.set_property(name, value, (-NEVER, ""))
    arrived = {m.message_id: m for m in reversed(history.messages) if m.received_at <= now}
    for message in sorted(arrived.values(), key=lambda m: m.received_at):
        recompute.apply(profile, [message], catalog, message.received_at)
    return profile
