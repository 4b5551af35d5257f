"""`check` and `eval`: the expression language, without a database."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tinycdp.cli.options import command
from tinycdp.cli.terminal import lines
from tinycdp.dsl.editor.humanize import plural
from tinycdp.settings import Settings

if TYPE_CHECKING:
    from tinycdp.cli.options import Commands


def add_to(commands: "Commands") -> None:
    check = command(commands, "check", run_check, "check definitions without a database")
    check.add_argument("files", nargs="+", type=Path, metavar="FILE", help="definitions, JSON or YAML, or a folder")

    check.add_argument("--strict", action="store_true", help="fail on warnings too")

    evaluate = command(commands, "eval", run_eval, "evaluate test cases in JSON lines")
    evaluate.add_argument("files", nargs="*", type=Path, metavar="FILE", help="JSON lines; default: standard input")


def run_check(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime.definitions.file_reports import check_sources
    from tinycdp.runtime.definitions.files import find_files
    from tinycdp.runtime.definitions.sources import read_sources

    found = check_sources(read_sources(find_files(arguments.files)))
    if found.text:
        print(found.text, end="\n\n")
    errors = f"{found.errors} with errors" if found.errors else "no errors"
    warnings = f", {found.warnings} {plural('warning', found.warnings)}" if found.warnings else ""
    print("names of events and properties are not checked without an environment; `plan` checks them", file=sys.stderr)
    print(f"{found.definitions} definitions, {errors}{warnings}")
    return 1 if found.errors or (arguments.strict and found.warnings) else 0


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
