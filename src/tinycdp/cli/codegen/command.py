"""`codegen`: write the types of events and flags for an SDK."""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tinycdp.cli.options import REMOTE, Misuse, command
from tinycdp.cli.project import project_of
from tinycdp.cli.terminal import unwritable
from tinycdp.settings import Settings

if TYPE_CHECKING:
    from tinycdp.cli.options import Commands
    from tinycdp.engine.flags.document import Flag
    from tinycdp.engine.schema.tracking_plan import PlannedEvent


def add_to(commands: "Commands") -> None:
    codegen = command(commands, "codegen", run_codegen, "write the types of events and flags for an SDK", REMOTE)
    codegen.add_argument("language", choices=("ts", "py"), help="for @tinycdp/sdk or tinycdp-client")
    codegen.add_argument("files", nargs="*", type=Path, metavar="FILE", help="flags in files, not the environment's")
    codegen.add_argument("--plan", type=Path, metavar="FILE", help="tracking plan in a file, likewise")
    codegen.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
    codegen.add_argument("--check", action="store_true", help="write nothing; fail if the file is not current")


def run_codegen(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.cli.codegen.python import python
    from tinycdp.cli.codegen.typescript import typescript

    output: Path | None = arguments.output
    if arguments.check and output is None:
        raise Misuse("OUTPUT_MISSING", "--check compares with a file. Name it with --output.")
    plan, flags = _declared(arguments, settings)
    if not plan:
        print("the tracking plan is empty: `track` will take any event", file=sys.stderr)
    text = typescript(plan, flags) if arguments.language == "ts" else python(plan, flags)
    if output is None:
        print(text, end="")
        return 0
    if arguments.check:
        if output.is_file() and output.read_text(encoding="utf-8") == text:
            return 0
        print(f"{output} is not current. Run this command without --check.", file=sys.stderr)
        return 1
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as wrong:
        raise unwritable(output, wrong) from wrong
    print(f"{output}: {len(plan)} events, {len(flags)} flags", file=sys.stderr)
    return 0


def _declared(arguments: argparse.Namespace, settings: Settings) -> "tuple[dict[str, PlannedEvent], list[Flag]]":
    """The tracking plan and the flags. What no file has is read from the environment."""
    from tinycdp.runtime.definitions.observed import read_plan

    project = project_of(settings)
    plan = read_plan(arguments.plan) if arguments.plan else project.tracking_plan()
    flags = _flags_of(arguments.files) if arguments.files else _flags_in(project.definitions())
    return plan, flags


def _flags_in(definitions: "Iterable[object]") -> "list[Flag]":
    return [flag for one in definitions if (flag := getattr(one, "flag", None)) is not None]


def _flags_of(paths: list[Path]) -> "list[Flag]":
    from tinycdp.runtime.definitions.change_set import drafted, split_changes
    from tinycdp.runtime.definitions.files import find_files
    from tinycdp.runtime.definitions.sources import read_sources

    own, _ = split_changes(read_sources(find_files(paths)).changes)
    return _flags_in(drafted(own))
