"""The TypeScript SDK passes its own tests, and its package is one that every bundler and Node can read.

Shape   the tools of sdk-ts: Vitest, the TypeScript compiler, Biome, tsdown, publint, arethetypeswrong
"""

from pathlib import Path

import msgspec
import pytest

from javascript import Package
from tinycdp.cli.codegen.typescript import typescript
from tinycdp.engine.flags.document import read_flag
from tinycdp.engine.schema.tracking_plan import PlannedEvent

FOLDER = Path(__file__).parents[2] / "sdk-ts"


@pytest.fixture(scope="module")
def sdk() -> Package:
    return Package(FOLDER)


@pytest.fixture(scope="module")
def built(sdk: Package) -> Package:
    sdk.build()
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


def test_everything_public_is_described(sdk: Package) -> None:
    """TypeDoc's warnings are errors: what has no comment, and links that lead nowhere."""
    sdk.run("typedoc", "--emit", "none")


def test_no_entry_point_is_larger_than_promised(built: Package) -> None:
    print(built.script("sizes.ts"))


_PLAN = {
    "purchase": {
        "additional": False,
        "properties": {"amount": {"type": "number", "required": True}, "currency": {"values": ["EUR", "USD"]}},
    },
    "app_open": {},
}
_USES = """
import type { TinyCDP } from "@tinycdp/sdk"
declare const cdp: TinyCDP
cdp.track("purchase", { amount: 12, currency: "EUR" })
cdp.track("app_open", { anything: 1 })
const on: boolean = cdp.flag("premium", false)
const level: "low" | "high" = cdp.flag("level", "low")
// @ts-expect-error the plan has no such event
cdp.track("purchse", { amount: 12 })
// @ts-expect-error a required property is missing
cdp.track("purchase", { currency: "EUR" })
// @ts-expect-error a text is no number
cdp.track("purchase", { amount: "12" })
// @ts-expect-error the plan has no such value
cdp.track("purchase", { amount: 12, currency: "CHF" })
// @ts-expect-error there is no such flag
cdp.flag("premum", false)
// @ts-expect-error no variant has this value
const wrong: "middle" = cdp.flag("level", "low")
"""


def test_generated_types_are_those_of_the_sdk(built: Package, tmp_path: Path) -> None:
    boolean = {"key": "premium", "rule": "true"}
    variants = {"off": "low", "on": "high"}
    text = {"key": "level", "type": "string", "variants": variants, "offVariant": "off", "default": {"serve": "off"}}
    flags = [read_flag(document, "salt") for document in (boolean, text)]
    plan = msgspec.convert(_PLAN, dict[str, PlannedEvent])
    (tmp_path / "tinycdp.d.ts").write_text(typescript(plan, flags))
    (tmp_path / "uses.ts").write_text(_USES)
    scope = tmp_path / "node_modules" / "@tinycdp"
    scope.mkdir(parents=True)
    (scope / "sdk").symlink_to(built.folder)
    options = ["--strict", "--noEmit", "--module", "nodenext", "--target", "es2022"]
    built.run("tsc", "--ignoreConfig", *options, "tinycdp.d.ts", "uses.ts", folder=tmp_path)
