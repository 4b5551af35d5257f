"""`make bench-engine`: the cost of the language and the engine, against another commit.

Shape   BENCHMARKS: name → what prepares, which gives what is timed. The other commit runs its own copy of this file in
        a process of its own, out of a worktree in a temporary folder that is removed afterwards
Units   microseconds of processor time for one call; ratios below 1 are faster than the other commit
Laws    the two commits take turns, pair by pair, so that disturbances slow both; a ratio is the median over the pairs.
        What the other commit cannot run is shown without a ratio
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
#: A timed call lasts at least this long, and is the best of this many: disturbances only slow it down.
_LEAST_SECONDS, _TRIES = 0.01, 3
_DAY_MS = 86_400_000
NOW = 1_790_000_000_000

SHORT = "events.purchase.count_30d >= 3"
TYPICAL = (
    'events.purchase.sum(amount, 30d) > 100 && last_seen_days_ago < 7 && profile.country in ["DE", "AT", "CH"]'
    ' && (profile.plan != "free" || events.app_open.unique_days_14d >= 5)'
)
#: As long and as large as a source may be: 85 comparisons and their `||` are 256 nodes.
LONGEST = " || ".join(f"profile.property_with_a_name_{n:06d} == {n}" for n in range(85))

Timed = Callable[[], Any]


# The benchmarks. Each prepares, and returns what one timed call does


def parse_short() -> Timed:
    from tinycdp.dsl.parser import parse

    return lambda: parse(SHORT)


def parse_typical() -> Timed:
    from tinycdp.dsl.parser import parse

    return lambda: parse(TYPICAL)


def parse_longest() -> Timed:
    from tinycdp.dsl.parser import parse

    return lambda: parse(LONGEST)


def check_typical() -> Timed:
    from tinycdp.dsl.check.expressions import Scope, check

    scope = Scope(kind="segment")
    return lambda: check(TYPICAL, scope)


def check_longest() -> Timed:
    from tinycdp.dsl.check.expressions import Scope, check

    scope = Scope(kind="segment")
    return lambda: check(LONGEST, scope)


def explain_typical() -> Timed:
    from tinycdp.dsl.check.expressions import Scope, check
    from tinycdp.dsl.editor.describe import describe_expression

    node = check(TYPICAL, Scope(kind="segment")).node
    assert node is not None
    return lambda: describe_expression(node, "segment")


def check_workspace_of_200() -> Timed:
    from tinycdp.dsl.check.workspace import check_workspace
    from tinycdp.engine.catalog import sources

    listed = sources(_definitions(100, 60, 40))
    return lambda: check_workspace(listed)


def build_catalog_of_200() -> Timed:
    definitions = _definitions(100, 60, 40)
    return lambda: _catalog(definitions)


def evaluate_remembered() -> Timed:
    """A segment evaluated again at the same instant, as by the second flag of a request."""
    catalog = _catalog(_definitions(5, 3, 1))
    activation = catalog.activation(catalog.live, _profile(catalog, 300), NOW)
    return lambda: activation.result(("segment", "s0"), NOW)


def evaluate_anew() -> Timed:
    """The same for a profile without results yet, or after a new message."""
    catalog = _catalog(_definitions(5, 3, 1))
    profile = _profile(catalog, 300)
    return lambda: catalog.activation(catalog.live, profile, NOW).result(("segment", "s0"), NOW)


def evaluate_typical_condition() -> Timed:
    """One condition, in an activation without earlier results."""
    catalog = _catalog([_definition(0, "segment", "typical", TYPICAL)])
    profile = _profile(catalog, 300)
    return lambda: catalog.activation(catalog.live, profile, NOW).result(("segment", "typical"), NOW)


def event_for_5_traits_and_3_segments() -> Timed:
    return _applying(_definitions(5, 3, 0))


def event_for_50_traits_and_50_segments() -> Timed:
    return _applying(_definitions(50, 50, 0))


def event_of_a_busy_profile() -> Timed:
    """One event a second: more events than are kept one by one fall into one bucket."""
    return _applying(_definitions(5, 3, 0), every_ms=1_000)


def event_without_an_aggregate() -> Timed:
    return _applying(_definitions(5, 3, 0), "unheard_of")


def decide_warm() -> Timed:
    from tinycdp.engine.flags.decide import FlagActivation, decide

    catalog = _catalog(_definitions(5, 3, 20))
    profile = _profile(catalog, 300)
    activation = FlagActivation(
        NOW,
        calendar=catalog.calendar,
        properties=profile.properties,
        state=profile.state,
        first_seen=profile.first_seen,
        last_seen=profile.last_seen,
        evaluators=catalog.live.evaluators,
    )
    activation.unit, activation.names = "u-1", ()
    with contextlib.suppress(AttributeError):  # commits without kill switches
        activation.killed = {}
    program = catalog.live.flags["f7"]
    return lambda: decide(program, activation, NOW)


def save_and_read_a_profile() -> Timed:
    from tinycdp.engine.profile import Profile

    catalog = _catalog(_definitions(5, 3, 0))
    profile = _profile(catalog, 300)

    def again() -> None:
        blob = profile.encode()
        Profile(1, "u-1", NOW).decode(blob)

    return again


BENCHMARKS: dict[str, Callable[[], Timed]] = {
    f"parse, {len(SHORT)} characters": parse_short,
    f"parse, {len(TYPICAL)} characters": parse_typical,
    f"parse, {len(LONGEST):,} characters": parse_longest,
    f"check, {len(TYPICAL)} characters": check_typical,
    f"check, {len(LONGEST):,} characters": check_longest,
    f"explain in words, {len(TYPICAL)} characters": explain_typical,
    "check a workspace of 200 definitions": check_workspace_of_200,
    "build a catalog of 200 definitions": build_catalog_of_200,
    "evaluate a segment, remembered": evaluate_remembered,
    "evaluate a segment over a trait, anew": evaluate_anew,
    "evaluate four conditions, anew": evaluate_typical_condition,
    "an event for 5 traits and 3 segments": event_for_5_traits_and_3_segments,
    "an event for 50 traits and 50 segments": event_for_50_traits_and_50_segments,
    "an event that no aggregate counts": event_without_an_aggregate,
    "an event of a profile with one a second": event_of_a_busy_profile,
    "decide a flag with a rollout, warm": decide_warm,
    "encode and decode a profile of 300 events": save_and_read_a_profile,
}


def _definitions(traits: int, segments: int, flags: int) -> list[Any]:
    """Traits over ten events, segments over the traits and the clock, flags over the segments."""
    from tinycdp.engine.catalog import Definition
    from tinycdp.engine.flags.document import read_flag

    forms = ("count_30d", "sum(amount, 30d)", "unique_days_14d", "max(amount, 90d)", "last(category)")
    found = []
    for n in range(traits):
        found.append(_definition(len(found), "trait", f"t{n}", f"events.e{n // 5 % 10}.{forms[n % 5]}"))
    for n in range(segments):
        trait = n * 5 % max(traits, 1)
        rule = f'(t{trait} >= {n % 7} && last_seen_days_ago < 30) || profile.plan == "pro"'
        found.append(_definition(len(found), "segment", f"s{n}", rule))
    for n in range(flags):
        when = f'segments.s{n % max(segments, 1)} || profile.plan == "gold"'
        rules = [
            {"id": "in", "when": when, "serve": "on", "rollout": 50},
            {"id": "rest", "when": "last_seen_days_ago < 1", "serve": "on"},
        ]
        flag = read_flag({"key": f"f{n}", "rules": rules}, f"salt{n}")
        found.append(Definition(id=len(found), version=1, kind="flag", key=f"f{n}", flag=flag))
    return found


def _definition(id: int, kind: str, key: str, expression: str) -> Any:
    from tinycdp.engine.catalog import Definition

    return Definition(id=id, version=1, kind=kind, key=key, expression=expression)


def _catalog(definitions: list[Any]) -> Any:
    from tinycdp.engine.catalog import build_catalog

    return build_catalog(0, "Europe/Berlin", definitions, definitions, live_revision=1, head_revision=1)


def _profile(catalog: Any, events: int) -> Any:
    """A profile with `events` events over the last sixty days."""
    from tinycdp.engine import recompute
    from tinycdp.engine.profile import Profile

    profile = Profile(1, "u-1", NOW - 60 * _DAY_MS, backfilled=1)
    profile.set_property("country", "DE", (0, ""))
    profile.set_property("plan", "free", (0, ""))
    for n in range(events):
        at = NOW - 60 * _DAY_MS + n * (60 * _DAY_MS // events)
        name = ("purchase", "app_open", *(f"e{m}" for m in range(10)))[n % 12]
        recompute.apply(profile, [_message(n, name, at)], catalog, at)
    recompute.advance(profile, catalog, NOW)
    profile.version = 1
    return profile


def _message(n: int, name: str, at: int) -> Any:
    from tinycdp.model import Identifier, IdentifierKind, Message

    return Message(
        kind="track",
        message_id=f"{name}-0000-4000-8000-{n:012d}",
        identifiers=(Identifier(IdentifierKind.USER, "u-1"),),
        occurred_at=at,
        received_at=at,
        name=name,
        properties={"amount": n % 100, "category": "abcd"[n % 4]},
    )


def _applying(definitions: list[Any], name: str = "e0", every_ms: int = 600_000) -> Timed:
    """Apply one event after another to one profile: windows fill, slide and fold.

    By default the events are ten minutes apart."""
    from tinycdp.engine import recompute

    catalog = _catalog(definitions)
    profile = _profile(catalog, 300)
    n = 0

    def apply() -> None:
        nonlocal n
        n += 1
        at = NOW + n * every_ms
        recompute.apply(profile, [_message(n, name, at)], catalog, at)

    return apply


# How it is measured


def _microseconds(timed: Timed) -> float:
    """Processor time of one call: the best of a few runs, each of enough calls to last."""
    calls, best = 1, float("inf")
    tries = 0
    while tries < _TRIES:
        before = time.process_time()
        for _ in range(calls):
            timed()
        spent = time.process_time() - before
        if spent < _LEAST_SECONDS:
            calls *= 2
            continue
        best, tries = min(best, spent / calls), tries + 1
    return best * 1e6


def _serve() -> None:
    """Run as one of the two processes: for each line read, measure the benchmark it names."""
    for line in sys.stdin:
        try:
            answer: float | None = _microseconds(BENCHMARKS[json.loads(line)]())
        except (ImportError, AttributeError, TypeError, KeyError):
            answer = None  # an older commit that cannot run it
        print(json.dumps(answer), flush=True)


class _Tree:
    """A process that runs one tree's code by the tree's own copy of this file.

    Modules move between commits."""

    def __init__(self, root: Path) -> None:
        environ = dict(os.environ) | {"PYTHONPATH": str(root / "src")}
        command = [sys.executable, str(root / "loadtests" / "engine.py"), "--serve"]
        self._process = subprocess.Popen(
            command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root
        )

    def measure(self, name: str) -> float | None:
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps(name), file=self._process.stdin, flush=True)
        answer: float | None = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


@contextlib.contextmanager
def worktree(revision: str) -> Iterator[Path | None]:
    """The tree of another commit; None if this is not a checkout or the commit is unknown."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        made = git("worktree", "add", "--detach", str(tree), revision)
        try:
            yield tree if made is not None else None
        finally:
            if made is not None:
                git("worktree", "remove", "--force", str(tree))


def git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtests.engine", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--against", metavar="REV", default="HEAD~1", help="commit to compare with")
    parser.add_argument("--pairs", type=int, default=7, help="how many turns each commit gets")
    parser.add_argument("--only", metavar="TEXT", default="", help="only benchmarks with this text in their name")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        _serve()
        return
    with worktree(arguments.against) as tree:
        ours, theirs = _Tree(ROOT), _Tree(tree) if tree is not None else None
        other = git("rev-parse", "--short", arguments.against)
        changed = " and what is not committed" if git("status", "--porcelain", "--", "src") else ""
        print(
            f"commit {git('rev-parse', '--short', 'HEAD')}{changed}, against {other or 'nothing: no such commit here'}"
        )
        try:
            for name in BENCHMARKS:
                if arguments.only in name:
                    _report(name, ours, theirs, arguments.pairs, arguments.against)
        finally:
            for child in filter(None, (ours, theirs)):
                child.close()


def _report(name: str, ours: _Tree, theirs: _Tree | None, pairs: int, against: str) -> None:
    here, ratios = [], []
    for _ in range(pairs):
        mine = ours.measure(name)
        other = theirs.measure(name) if theirs is not None else None
        if mine is not None:
            here.append(mine)
            if other is not None:
                ratios.append(mine / other)
    ratio = f"{median(ratios):7.2f} of {against}" if ratios else "    new"
    print(f"{name:44}{median(here):>12,.1f} µs {ratio}" if here else f"{name:44}cannot be measured", flush=True)


if __name__ == "__main__":
    main()
