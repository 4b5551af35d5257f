"""`check` and `eval`: the expression language, without a database."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tinycdp.cli.options import SERVER, command
from tinycdp.cli.project import project_of
from tinycdp.cli.terminal import lines
from tinycdp.settings import Settings

if TYPE_CHECKING:
    from tinycdp.cli.options import Commands
    from tinycdp.runtime.definitions.observed import Known


def add_to(commands: "Commands") -> None:
    check = command(commands, "check", run_check, "check definitions without a database", SERVER)
    check.add_argument("files", nargs="+", type=Path, metavar="FILE", help="definitions, JSON or YAML, or a folder")
    check.add_argument("--plan", type=Path, metavar="FILE", help="tracking plan: the names that may be read")
    check.add_argument("--strict", action="store_true", help="fail on warnings too")

    evaluate = command(commands, "eval", run_eval, "evaluate test cases in JSON lines")
    evaluate.add_argument("files", nargs="*", type=Path, metavar="FILE", help="JSON lines; default: standard input")


def run_check(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.dsl.editor.humanize import plural
    from tinycdp.runtime import clock
    from tinycdp.runtime.definitions.file_reports import check_sources
    from tinycdp.runtime.definitions.files import find_files
    from tinycdp.runtime.definitions.sources import read_sources

    files = read_sources(find_files(arguments.files))
    known, unchecked = _known(arguments, settings)
    found = check_sources(files, known, clock.now())
    if found.text:
        print(found.text, end="\n\n")
    errors = f"{found.errors} with errors" if found.errors else "no errors"
    warnings = f", {found.warnings} {plural('warning', found.warnings)}" if found.warnings else ""
    if not known:
        print(f"names of events and properties are not checked: {unchecked}", file=sys.stderr)
    print(f"{found.definitions} definitions, {errors}{warnings}")
    return 1 if found.errors or (arguments.strict and found.warnings) else 0


def _known(arguments: argparse.Namespace, settings: Settings) -> "tuple[Known, str]":
    """The names that are known, and why none are."""
    from tinycdp.runtime.definitions.observed import NOTHING_KNOWN, known_of_plan, read_plan

    if arguments.plan is not None:
        return known_of_plan(read_plan(arguments.plan)), f"{arguments.plan} declares none"
    if settings.url is not None:
        return project_of(settings).known_names(), f"{settings.url} has received none, and its plan declares none"
    return NOTHING_KNOWN, "name a tracking plan with --plan, or a server with --url"


def run_eval(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.engine.case_runner import run_case

    status = 0
    for number, line in enumerate(lines(arguments.files), start=1):
        try:
            case = json.loads(line)
            if not isinstance(case, dict):
                raise ValueError("a case is a JSON object")
            answer = run_case(case)
        except ValueError as wrong:
            answer = {"error": {"code": "INVALID_CASE", "message": f"line {number}: {wrong}"}}
        status = 1 if "error" in answer else status
        print(json.dumps(answer, ensure_ascii=False, separators=(",", ":"), default=str), flush=True)
    return status
