"""The TypeScript SDK passes its own tests, and its package is one that every bundler and Node can read.

Shape   the tools of sdk-ts: Vitest, the TypeScript compiler, Biome, tsdown, publint, arethetypeswrong
"""

from pathlib import Path

import pytest

from javascript import Missing, Package

FOLDER = Path(__file__).parents[2] / "sdk-ts"


@pytest.fixture(scope="module")
def sdk() -> Package:
    try:
        return Package(FOLDER)
    except Missing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def built(sdk: Package) -> Package:
    sdk.run("tsdown")
    return sdk


def test_its_own_tests_pass(sdk: Package) -> None:
    sdk.run("vitest", "run")


def test_its_types_hold(sdk: Package) -> None:
    sdk.run("tsc", "--noEmit")


def test_its_style_is_the_project_s(sdk: Package) -> None:
    sdk.run("biome", "check", ".")


def test_every_resolver_finds_its_files_and_types(built: Package) -> None:
    built.run("publint", "--strict")
    built.run("attw", "--pack", ".", "--profile", "node16")


def test_no_entry_point_is_larger_than_promised(built: Package) -> None:
    print(built.script("sizes.ts"))
