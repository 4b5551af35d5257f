"""The TypeScript SDK decides snapshots as the engine decides their profiles: random flags, contexts and instants.

Laws    value, variant, reason and rule are equal, at the snapshot's instant and later, until the snapshot ends.
        An answer holds until its `validUntil`. That is the server's own, but where one of the two is early: a list of
        values ends before, or a look-ahead does
Source  dsl/SNAPSHOT.md
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from javascript import Package
from local_worlds import START, World
from tinycdp.engine.flags.decide import Decision
from tinycdp.model import NEVER

FOLDER = Path(__file__).parents[2] / "sdk-ts"
SEEDS = range(24)
CONTEXTS = 4


@pytest.fixture(scope="module")
def sdk() -> Package:
    package = Package(FOLDER)
    package.build()
    return package


def questions() -> Iterator[tuple[World, str, dict[str, Any], int]]:
    for seed in SEEDS:
        world = World(seed)
        for key in world.catalog.live.flags:
            for _ in range(CONTEXTS):
                context = world.context()
                for now in world.instants():
                    yield world, key, context, now


def test_no_answer_differs_from_the_engine_s(sdk: Package, tmp_path: Path) -> None:
    asked = list(questions())
    last: World | None = None
    lines = []
    for world, key, context, now in asked:
        lines.append(json.dumps([world.snapshot() if world is not last else None, key, context, now]))
        last = world
    (tmp_path / "questions.jsonl").write_text("\n".join(lines))
    answers = sdk.script("test/local/answers.mjs", str(tmp_path / "questions.jsonl")).splitlines()
    met: Counter[str] = Counter()
    for (world, key, context, now), line in zip(asked, answers, strict=True):
        answer, decision = json.loads(line), world.decided(key, now, context)
        where = f"{world.seed} {key} {context} {now - START}: {answer}"
        if "ask" in answer:
            expected = world.snapshot()["flags"][key].get("ask", "ended" if now > START else None)
            assert answer == {"ask": expected}, where
            met[answer["ask"]] += 1
            continue
        assert plain(answer) == of(decision), where
        met[decision.reason] += 1
        until = answer["validUntil"] if answer["validUntil"] is not None else NEVER
        assert until > now, where
        if until == decision.until:
            met["until"] += 1
            continue
        # Either end is early. Where the answer's is later, the engine's was: its answer stays the same there.
        earlier = min(until, decision.until)
        then = world.decided(key, earlier, context)
        met["early at once" if now == START else "early"] += 1
        if until > decision.until:
            assert of(then) == of(decision), where
            before = world.decided(key, min(until, START + 10**12) - 1, context)
            assert of(before) == of(decision), where
    assert {"TARGETING_MATCH", "SPLIT", "DEFAULT", "server", "flag", "ended", "until"} <= met.keys(), met
    assert met["until"] > 10 * met["early"] and met["until"] > 50 * met["early at once"], met


def plain(answer: dict[str, Any]) -> tuple[Any, ...]:
    return json.dumps(answer["value"], sort_keys=True), answer["variant"], answer["reason"], answer.get("rule")


def of(decision: Decision) -> tuple[Any, ...]:
    value = json.dumps(decision.value, sort_keys=True, default=float)
    return value, decision.variant, str(decision.reason), decision.rule
