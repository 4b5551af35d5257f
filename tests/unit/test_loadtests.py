"""The benchmarks of the engine measure what is there: every one of them prepares, runs, and gives a figure."""

import runpy
from pathlib import Path

import pytest

from tinycdp.dsl.check.expressions import Scope, check

# It runs by itself, out of another commit's tree too, so it is no part of a package here either.
ENGINE = runpy.run_path(str(Path(__file__).parents[2] / "loadtests" / "engine.py"))


@pytest.mark.parametrize("name", ENGINE["BENCHMARKS"])
def test_a_benchmark_runs(name: str) -> None:
    timed = ENGINE["BENCHMARKS"][name]()
    timed()
    timed()


def test_the_sources_are_what_their_names_say() -> None:
    for source in (ENGINE["SHORT"], ENGINE["TYPICAL"], ENGINE["LONGEST"]):
        assert not check(source, Scope(kind="segment")).errors
    longest = check(ENGINE["LONGEST"], Scope(kind="segment"))
    assert longest.cost.nodes == 256 and len(longest.source) > 3_500
