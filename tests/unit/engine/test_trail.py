"""A decision's steps in words."""

from typing import get_args

import msgspec
import pytest

from tinycdp.engine.flags import trail
from tinycdp.engine.flags.trail import Admission, Cause, Gate, texts_of

RAMP = Gate("rollout", "salt", 0, 20_000)
GROUP = Gate("exclusion", "home", 50_000, 100_000)

SAID: list[tuple[Cause, str]] = [
    (trail.FlagOff(), "the flag is off"),
    (trail.Killed("ada", 0), "killed by ada at 1970-01-01T00:00:00.000Z"),
    (trail.Killed("ada", 0, "it burns"), "killed by ada at 1970-01-01T00:00:00.000Z: it burns"),
    (trail.Killed(), "killed"),
    (
        trail.PrerequisiteFailed("billing", "off", frozenset({"on", "beta"})),
        "prerequisite 'billing' serves 'off', needs beta or on",
    ),
    (trail.Overridden("segment", "staff"), "override: in segment 'staff'"),
    (trail.Overridden("identifier", "ada", "userId"), "override: for userId 'ada'"),
    (trail.Overridden("profile", "ada"), "override: for 'ada'"),
    (trail.HeldOut("control"), "held out by 'control'"),
    (trail.RuleMatched("all", "true"), "rule 'all' matched: true"),
    (
        trail.RuleMatched("all", "true", (Admission(RAMP, 19_999), Admission(GROUP, 50_000))),
        "rule 'all' matched: true; bucket 19999 is below 20000 of 100000;"
        " bucket of group 'home' 50000 is from 50000 to below 100000 of 100000",
    ),
    (trail.RuleFailed("all", "false"), "rule 'all' did not match: false"),
    (trail.RuleUnknown("all", "x"), "rule 'all' is unknown: x"),
    (trail.RuleUnknown("all", "x", ("trait x", "y")), "rule 'all' is unknown: x (trait x, y: BACKFILLING)"),
    (
        trail.RuleUnknown("all", "x == y", because=("x is unknown", "y is unknown")),
        "rule 'all' is unknown: x == y (x is unknown, y is unknown)",
    ),
    (
        trail.RolloutMiss("all", "true", Admission(Gate("exposure", "salt", 0, 20_000), 20_000)),
        "rule 'all' matched: true, but exposure bucket 20000 is not below 20000 of 100000",
    ),
    (
        trail.UnitMissing("all", "true"),
        "rule 'all' matched: true, but there is no one to bucket: name a profile or a targeting key",
    ),
    (trail.SplitTo(7, "b"), "split: bucket 7 falls to 'b'"),
    (trail.NoRuleMatched(), "no rule matched"),
    (trail.NoRules(), "the flag has no rules"),
    (trail.KeptBySession("b"), "the session holds 'b', which it was given before"),
    (trail.KeptByProfile("b"), "the profile keeps 'b' from an earlier decision"),
]


@pytest.mark.parametrize(("cause", "words"), SAID)
def test_a_step_in_words(cause: Cause, words: str) -> None:
    assert cause.text == words


def test_every_kind_of_step_has_its_words_here() -> None:
    assert {type(cause) for cause, _ in SAID} == set(get_args(Cause))


def test_a_trail_is_said_in_order() -> None:
    assert texts_of([trail.RuleFailed("a", "x"), trail.NoRuleMatched()]) == (
        "rule 'a' did not match: x",
        "no rule matched",
    )


@pytest.mark.parametrize("cause", [cause for cause, _ in SAID])
def test_steps_are_distinguished_as_json(cause: Cause) -> None:
    assert msgspec.json.decode(msgspec.json.encode(cause), type=Cause) == cause
