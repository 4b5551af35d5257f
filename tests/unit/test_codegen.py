"""`tinycdp codegen`: generated modules have the types that the tracking plan and the flags declare.

Laws    any plan gives a Python module that compiles, whatever its names and descriptions are
Source  docs/reference/cli-codegen.md
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinycdp.cli.codegen.python import python
from tinycdp.cli.codegen.shapes import event_shape
from tinycdp.cli.codegen.typescript import typescript
from tinycdp.cli.main import main
from tinycdp.engine.flags.document import Flag, read_flag
from tinycdp.engine.schema.tracking_plan import PlannedEvent

PLAN = {
    "purchase": {
        "description": "A basket is paid.",
        "additional": False,
        "properties": {
            "amount": {"type": "number", "required": True, "description": "in euros"},
            "currency": {"values": ["EUR", "USD"]},
            "ship.city": {"type": "string", "required": True},
            "ship.at": {"type": "datetime"},
            "n-1": {"type": "integer"},
        },
    },
    "Order Completed": {"status": "deprecated"},
    "gone": {"status": "blocked"},
    "$identify": {"properties": {"plan": {"type": "string"}}},
}


def _plan(entries: dict[str, Any]) -> dict[str, PlannedEvent]:
    return msgspec.convert(entries, dict[str, PlannedEvent])


def _flag(key: str, kind: str, **variants: Any) -> Flag:
    serve = next(iter(variants))
    document = {"key": key, "type": kind, "variants": variants, "offVariant": serve, "default": {"serve": serve}}
    return read_flag(document, "salt")


FLAGS = [
    _flag("reminder", "string", none="", banner="banner"),
    _flag("limit", "integer", low=1, high=10),
    _flag("layout", "object", a={"columns": 2, "title": "x"}, b={"columns": 3, "title": "y"}, c=[1]),
    _flag("premium", "boolean", on=True, off=False),
]


def test_typescript_augments_the_sdk() -> None:
    text = typescript(_plan(PLAN), FLAGS)
    assert text == (Path(__file__).parent / "codegen_types.ts.txt").read_text(encoding="utf-8")


def test_a_required_part_needs_what_it_is_in() -> None:
    shape = event_shape(_plan(PLAN)["purchase"])
    assert shape.fields["ship"].required
    assert not shape.fields["currency"].required


_USES = """
from typing import assert_type
from generated import MembersFlag, LimitFlag, track_order_completed, track_purchase

class Sync:
    def track(self, user_id=None, event="", properties=None, **options: object) -> str: return event

class Later:
    async def track(self, user_id=None, event="", properties=None, **options: object) -> str: return event

async def uses() -> None:
    assert_type(track_purchase(Sync(), "ada", {"amount": 3.5, "ship": {"city": "Bern"}, "currency": "EUR"}), str)
    assert_type(await track_purchase(Later(), "ada", {"amount": 3, "ship": {"city": "Bern"}}), str)
    track_order_completed(Sync(), "ada", {"anything": 1})
    limit: LimitFlag = 10
    track_purchase(Sync(), "ada", {"ship": {"city": "Bern"}})  # wrong: amount is missing
    track_purchase(Sync(), "ada", {"amount": "3", "ship": {"city": "Bern"}})  # wrong: a text
    track_purchase(Sync(), "ada", {"amount": 3, "ship": {"city": "Bern"}, "currency": "CHF"})  # wrong: no such value
    limit = 11  # wrong: no variant has it
"""


def test_a_type_checker_finds_what_the_plan_forbids_in_python(tmp_path: Path) -> None:
    (tmp_path / "generated.py").write_text(python(_plan(PLAN), FLAGS))
    uses = _USES.replace("MembersFlag", "PremiumFlag")
    (tmp_path / "uses.py").write_text(uses)
    command = [sys.executable, "-m", "mypy", "--python-version", "3.11", "--cache-dir", ".cache", "uses.py"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    wrong = {n for n, line in enumerate(uses.splitlines(), start=1) if "# wrong" in line}
    assert {int(n) for n in re.findall(r"^uses\.py:(\d+): error", found, re.MULTILINE)} == wrong, found
    assert "generated.py" not in found


_names = st.text(min_size=1, max_size=8)
_properties = st.dictionaries(
    _names.filter(lambda name: all(name.split("."))),
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["string", "number", "integer", "boolean", "datetime", "list", "object"]),
            "required": st.booleans(),
            "description": st.text(max_size=10),
            "values": st.lists(st.one_of(st.text(max_size=4), st.integers(), st.booleans(), st.none()), max_size=3),
        },
    ),
    max_size=6,
)
_entries = st.fixed_dictionaries({"description": st.text(max_size=12), "properties": _properties})


@given(st.dictionaries(_names, _entries, max_size=5))
def test_any_plan_gives_a_module_that_runs(entries: dict[str, Any]) -> None:
    scope: dict[str, Any] = {}
    exec(compile(python(_plan(entries), FLAGS), "generated", "exec"), scope)
    sent: list[tuple[Any, ...]] = []

    class Client:
        def track(self, *arguments: Any) -> None:
            sent.append(arguments)

    tracked = [name for name in entries if not name.startswith("$")]
    for function in [value for name, value in scope.items() if name.startswith("track_")]:
        function(Client(), "ada", {})
    assert sorted(name for _, name, _ in sent) == sorted(tracked)


def test_a_file_is_written_and_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan, flags, output = tmp_path / "plan.json", tmp_path / "flags.yaml", tmp_path / "types.ts"
    plan.write_text('{"entries": [{"event": "purchase", "entry": {}}]}')
    flags.write_text('flags:\n  - {key: vip, rule: "true"}\n')
    command = ["codegen", "ts", str(flags), "--plan", str(plan), "--output", str(output)]
    assert main(command) == 0
    assert "vip: boolean" in output.read_text()
    assert main([*command, "--check"]) == 0
    flags.write_text('flags:\n  - {key: gold, rule: "true"}\n')
    assert main([*command, "--check"]) == 1
    assert "not current" in capsys.readouterr().err
    assert main(["codegen", "ts", str(flags), "--plan", str(plan), "--check"]) == 2
    assert "OUTPUT_MISSING" in capsys.readouterr().err
