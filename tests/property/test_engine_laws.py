"""The laws of the engine, on random expressions over random histories, against the oracle.

A failure prints a vector: paste it into a file under dsl/vectors and it stays.
"""

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import assume, given, note
from hypothesis import strategies as st

from builders import at, iso
from laws import examples
from oracle import Oracle
from strategies.histories import History, booleans, expressions, histories, instants
from tinycdp.dsl import ir
from tinycdp.dsl.check.workspace import DefinitionSource, check_workspace
from tinycdp.engine import recompute
from tinycdp.engine.case_runner import run_case
from tinycdp.engine.catalog import Definition, build_catalog
from tinycdp.engine.flags.bucketing import bucket
from tinycdp.engine.profile import Profile
from tinycdp.model import NEVER, Message

law = examples(100, deep=3_000)


@law
@given(history=histories(), expression=expressions(), data=st.data())
def test_the_engine_is_the_oracle(history: History, expression: str, data: st.DataObject) -> None:
    moments = sorted(data.draw(st.lists(instants(history), min_size=1, max_size=4)))
    assert answers(history, expression, moments) == expected(history, expression, moments)


@law
@given(history=histories(), expression=expressions(), data=st.data())
def test_order_and_duplicates_of_arrival_do_not_matter(history: History, expression: str, data: st.DataObject) -> None:
    assume(history.messages)
    arrival = max(message.received_at for message in history.messages)
    together = [replace_arrival(message, arrival) for message in history.messages]
    extra = data.draw(st.lists(st.sampled_from(together), max_size=3))
    shuffled = data.draw(st.permutations(together)) if len(together) < 20 else together[::-1]
    moment = max(arrival, data.draw(instants(history)))
    other = replace(history, messages=(*shuffled, *extra))
    assert answers(other, expression, [moment]) == answers(history, expression, [moment])


@law
@given(history=histories(), expression=expressions(), data=st.data())
def test_merging_either_way_is_the_union(history: History, expression: str, data: st.DataObject) -> None:
    owners = data.draw(st.lists(st.sampled_from("ab"), min_size=1, max_size=7))
    moments = [data.draw(instants(history))]
    document = vector(replace(history, profile={}), expression, moments)
    split = [{**event, "profile": owners[n % len(owners)]} for n, event in enumerate(document["events"])]
    swapped = [{**event, "profile": "ab"[event["profile"] == "a"]} for event in split]
    union = results({**document, "profile": {}})
    assert results({**document, "events": split, "merge": True}) == union
    assert results({**document, "events": swapped, "merge": True}) == union


@law
@given(history=histories(), expression=booleans(), data=st.data())
def test_valid_until_is_never_late(history: History, expression: str, data: st.DataObject) -> None:
    """The truth is constant on [now, valid_until), asked of the oracle wherever anything could happen."""
    now = data.draw(instants(history))
    [result] = results(vector(history, expression, [now]), whole=True)
    until = NEVER if result["valid_until"] == "never" else at(result["valid_until"])
    assert until > now
    oracle, node = oracle_of(history, expression)
    value = oracle.value(node, now)
    points = oracle.breakpoints(node, now) | {m.received_at for m in history.messages}
    probes = sorted({p + step for p in points for step in (-1, 0, 1)} | ({until - 1} if until < NEVER else set()))
    inside = [probe for probe in probes if now <= probe < until]
    if len(inside) > 40:  # those next to either end, and some between
        inside = [*inside[:12], *inside[12 : -12 : max(1, len(inside) // 16)], *inside[-12:]]
    for probe in inside:
        assert oracle.value(node, probe) is value, f"changed at {iso(probe)}, valid until {result['valid_until']}"


@law
@given(history=histories(), expression=booleans(), data=st.data())
def test_memberships_change_at_the_true_instant(history: History, expression: str, data: st.DataObject) -> None:
    """Woken only at recompute_at, a segment is entered and left when its truth changes, to the millisecond."""
    definitions = [Definition(id=1, version=1, kind="segment", key="s", expression=expression)]
    catalog = build_catalog(0, history.zone, definitions, definitions, live_revision=1, head_revision=1)
    profile = Profile(1, "u-1", 0, backfilled=1)
    for name, value in history.profile.items():
        profile.set_property(name, value, (-NEVER, ""))
    oracle, node = oracle_of(history, expression)
    end = data.draw(instants(history))
    seen: set[str] = set()
    transitions = []
    for message in sorted(history.messages, key=lambda m: m.received_at):
        if message.received_at <= end and message.message_id not in seen:
            transitions += recompute.apply(profile, [message], catalog, message.received_at)
            if not seen:  # a new profile may be a member of what none of its messages touch
                transitions += recompute.review_all(profile, catalog, message.received_at)
            seen.add(message.message_id)
    assume(seen)
    transitions += recompute.advance(profile, catalog, end)
    note(vector_text(vector(history, expression, [end])))
    assert bool(profile.memberships) is (oracle.value(node, end) is True)
    assert all(t.entered is not following.entered for t, following in itertools.pairwise(transitions))
    arrivals = {m.received_at for m in history.messages}
    for transition in transitions:
        if transition.at not in arrivals:
            assert (oracle.value(node, transition.at) is True) is transition.entered
            assert (oracle.value(node, transition.at - 1) is True) is not transition.entered


@law
@given(history=histories(crowds=False), left=booleans(), right=booleans(), data=st.data())
def test_de_morgan(history: History, left: str, right: str, data: st.DataObject) -> None:
    moment = [data.draw(instants(history))]
    assert answers(history, f"!(({left}) && ({right}))", moment) == answers(history, f"!({left}) || !({right})", moment)
    assert answers(history, f"({left}) && ({right})", moment) == answers(history, f"({right}) && ({left})", moment)


@law
@given(
    salt=st.text(max_size=8),
    units=st.lists(st.text(max_size=8), min_size=1, max_size=50, unique=True),
    percents=st.tuples(st.integers(0, 100_000), st.integers(0, 100_000)).map(sorted),
)
def test_raising_a_rollout_removes_no_unit(salt: str, units: list[str], percents: list[int]) -> None:
    low, high = ({u for u in units if served(salt, units, Decimal(p) / 1000)[u] == "on"} for p in percents)
    assert low <= high
    assert low == {unit for unit in units if bucket(salt, "rollout", unit) < percents[0] and unit}


# Helpers


def served(salt: str, units: Sequence[str], percent: Decimal) -> dict[str, str]:
    flag = {"key": "f", "salt": salt, "rules": [{"id": "ramp", "when": "true", "rollout": percent, "serve": "on"}]}
    answered = run_case({"flag": flag, "unit": list(units), "at": 0})["results"]
    return {unit: result["decision"]["variant"] for unit, result in zip(units, answered, strict=True)}


def replace_arrival(message: Message, arrival: int) -> Message:
    return msgspec.structs.replace(message, received_at=arrival)


def vector(history: History, expression: str, moments: Sequence[int]) -> dict[str, Any]:
    return {**history.given(), "expr": expression, "at": list(moments)}


def vector_text(document: dict[str, Any]) -> str:
    return "as a vector: " + json.dumps(document, default=float)


def results(document: dict[str, Any], *, whole: bool = False) -> list[Any]:
    """The engine's answers; printed as a vector where the test then fails."""
    note(vector_text(document))
    answer = run_case(document)
    assert "results" in answer, answer
    return [result if whole else result["value"] for result in answer["results"]]


def answers(history: History, expression: str, moments: Sequence[int]) -> list[Any]:
    return [normal(value) for value in results(vector(history, expression, moments))]


def expected(history: History, expression: str, moments: Sequence[int]) -> list[Any]:
    oracle, node = oracle_of(history, expression)
    return [normal(oracle.value(node, moment)) for moment in moments]


def normal(value: Any) -> Any:
    """A value so that equal ones are equal, and True is not 1."""
    if isinstance(value, bool):
        return (value,)
    return Decimal(repr(value)) if isinstance(value, float) else value


def oracle_of(history: History, expression: str) -> tuple[Oracle, ir.Node]:
    [checked] = check_workspace([DefinitionSource("trait", "case", expression)]).checked["trait", "case"]
    assert checked.node is not None, checked.diagnostics
    return Oracle(history.messages, zone=history.zone, properties=history.profile), checked.node
