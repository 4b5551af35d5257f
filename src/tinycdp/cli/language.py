"""`check` and `eval`: the expression language, without a database."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tinycdp.cli.options import command
from tinycdp.cli.terminal import lines
from tinycdp.errors import InvalidInput
from tinycdp.settings import Settings

if TYPE_CHECKING:
    from tinycdp.cli.options import Commands
    from tinycdp.engine.catalog import Definition


def add_to(commands: "Commands") -> None:
    check = command(commands, "check", run_check, "check definitions without a database")
    check.add_argument("files", nargs="+", type=Path, metavar="FILE", help="definitions, JSON or YAML, or a folder")

    evaluate = command(commands, "eval", run_eval, "evaluate test cases in JSON lines")
    evaluate.add_argument("files", nargs="*", type=Path, metavar="FILE", help="JSON lines; default: standard input")


def run_check(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.dsl.check.workspace import check_workspace
    from tinycdp.dsl.diagnostics import render
    from tinycdp.engine.catalog import sources
    from tinycdp.runtime.definitions.files import find_files

    definitions = [found for path in find_files(arguments.files) for found in _definitions(path)]
    workspace = check_workspace(sources(definitions))
    for definition in definitions:
        found = [render("", workspace.graph.get(definition.name, ()))]
        found += [render(part.source, part.diagnostics) for part in workspace.parts(definition.name)]
        if problems := [text for text in found if text]:
            print(f"{definition.kind} {definition.key}", *problems, sep="\n", end="\n\n")
    wrong = len(workspace.errors)
    print(f"{len(definitions)} definitions, " + (f"{wrong} with errors" if wrong else "no errors"))
    return 1 if wrong else 0


def _definitions(path: Path) -> "Iterator[Definition]":
    """The definitions of a file, in order, as they would be after `apply`."""
    from tinycdp.engine.catalog import Definition
    from tinycdp.engine.flags.document import read_flag
    from tinycdp.runtime.definitions.files import read_documents

    for document in read_documents(path):
        try:
            for kind, field in (("trait", "expression"), ("segment", "rule")):
                for found in document.get(f"{kind}s") or ():
                    yield Definition(id=0, version=0, kind=kind, key=found["key"], expression=found[field])
            for found in document.get("flags") or ():
                flag = read_flag({name: found[name] for name in found if name != "was"}, found["key"])
                yield Definition(id=0, version=0, kind="flag", key=found["key"], flag=flag)
        except KeyError as missing:
            raise InvalidInput("FILE_MALFORMED", f"{path}: a definition has no {missing}.") from missing
        except (TypeError, AttributeError) as wrong:
            message = f"{path}: traits, segments and flags must be lists of mappings."
            raise InvalidInput("FILE_MALFORMED", message) from wrong


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
