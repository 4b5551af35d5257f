"""The history of a profile against its values, computed anew from the messages that had arrived at each instant."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from laws import examples
from strategies.histories import History, expressions, histories, instants
from tinycdp.dsl.ir import Type
from tinycdp.engine import recompute
from tinycdp.engine.catalog import Catalog, Definition, Name, build_catalog
from tinycdp.engine.profile import Profile, same_json
from tinycdp.engine.value_history import ReplayedInstant, value_changes
from tinycdp.model import DAY_MS, Message

law = examples(100)
_MOST_STEPS = 300


def catalog_of(history: History, texts: list[str]) -> Catalog:
    definitions = [
        Definition(id=n, version=1, kind="trait", key=f"t{n}", expression=text) for n, text in enumerate(texts)
    ]
    return build_catalog(0, history.zone, definitions, definitions, live_revision=1, head_revision=1)


def naive(messages: list[Message], catalog: Catalog, names: list[Name], at: int) -> tuple[dict[Name, Any], Profile]:
    """The values at an instant, from the messages that had arrived."""
    profile = Profile(1, "u-1", 0, backfilled=1)
    for message in messages:
        if message.received_at <= at:
            recompute.apply_message(profile, message, catalog, complete=True)
    activation = catalog.activation(catalog.live, profile, at)
    return {name: activation.result(name, at)[0] for name in names}, profile


@law
@given(history=histories(), texts=st.lists(expressions(), min_size=1, max_size=3), data=st.data())
def test_between_two_changes_a_value_holds(history: History, texts: list[str], data: st.DataObject) -> None:
    catalog = catalog_of(history, texts)
    names: list[Name] = [("trait", f"t{n}") for n in range(len(texts))]
    messages = list({message.message_id: message for message in history.messages}.values())
    since = data.draw(instants(history))
    until = since + data.draw(st.sampled_from((1, DAY_MS, 30 * DAY_MS)))
    arrivals = [(message.received_at, message) for message in messages]
    steps: list[ReplayedInstant] = []
    profile = Profile(1, "u-1", 0, backfilled=1)
    for step in value_changes(profile, arrivals, catalog, names, None, {}, [], since, until):
        assert since <= step.at < until
        assert not steps or steps[-1].at < step.at
        steps.append(step)
        if len(steps) == _MOST_STEPS:
            until = step.at + 1
            break

    values, before = naive(messages, catalog, names, since - 1)
    known = dict(before.properties)
    at_instants = {instant for step in steps[:20] for instant in (step.at - 1, step.at)} | {until - 1}
    at_instants |= {data.draw(st.integers(since, until - 1)) for _ in range(5)}
    following = iter(steps)
    step = next(following, None)
    for instant in sorted(one for one in at_instants if since <= one < until):
        while step is not None and step.at <= instant:
            for change in step.changes:
                kind, key = change.name
                if kind == "property":
                    assert same_json(known.get(key), change.before)
                    known[key] = change.after
                else:
                    values[kind, key] = change.after
                assert not same_json(change.before, change.after)
                assert bool(change.messages) is any(m.received_at == change.at for m in messages)
            step = next(following, None)
        want, profile = naive(messages, catalog, names, instant)
        for name in names:
            if catalog.live.nodes[name].type is not Type.DURATION:
                assert same_json(values[name], want[name]), (texts, name, instant)
        assert same_json({k: v for k, v in known.items() if k in profile.properties}, dict(profile.properties))
