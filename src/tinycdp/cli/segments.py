"""`segment add`, `segment remove` and `segment replace`: the lists of static segments."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tinycdp.cli.options import REMOTE, Misuse, command, group
from tinycdp.cli.project import project_of
from tinycdp.cli.terminal import bar, end_progress, show_progress
from tinycdp.settings import Settings

if TYPE_CHECKING:
    from tinycdp.cli.options import Commands
    from tinycdp.runtime.segments.lists import Mode

_WHAT: "dict[Mode, str]" = {
    "add": "put identifiers on the list of a static segment",
    "remove": "take identifiers off the list of a static segment",
    "replace": "make a file the whole list of a static segment",
}


def add_to(commands: "Commands") -> None:
    segments = group(commands, "segment", "edit the lists of static segments")
    for mode, text in _WHAT.items():
        edit = command(segments, mode, run_edit, text, REMOTE)
        edit.set_defaults(mode=mode)
        edit.add_argument("key", help="the segment's key")
        edit.add_argument("file", nargs="?", type=Path, metavar="FILE", help="CSV of identifiers, or its .gz")
        edit.add_argument("--kind", help="the kind of all identifiers in the file; default: the header says it")
        edit.add_argument("--column", metavar="NAME", help="the column they are in; needs --kind")
        edit.add_argument("--dry-run", action="store_true", help="change nothing; print what would change")
        if mode != "remove":
            edit.add_argument("--copy", metavar="SEGMENT", help="the identifiers of its members now, instead of a file")
        else:
            edit.set_defaults(copy=None)


def run_edit(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime.segments.list_files import ListFile

    path: Path | None = arguments.file
    if (path is None) == (arguments.copy is None):
        raise Misuse("INVALID_REQUEST", "Name a FILE" + (" or --copy SEGMENT." if arguments.mode != "remove" else "."))
    if arguments.column is not None and arguments.kind is None:
        raise Misuse("INVALID_REQUEST", "--column needs --kind: say which kind the identifiers in it have.")

    def on_progress(done: int, total: int) -> None:
        show_progress(f"{arguments.key} {bar(done / total)} {done:,} of {total:,} identifiers")

    source = arguments.copy if path is None else ListFile(path, arguments.kind, arguments.column)
    done = project_of(settings).edit_list(arguments.key, arguments.mode, source, on_progress, dry_run=arguments.dry_run)
    end_progress()
    be = " would be" if done.dry_run else ""
    print(f"{done.segment}: {done.received:,} identifiers, {done.added:,}{be} added, {done.removed:,}{be} removed")
    if not done.dry_run:
        print(f"{done.entered:,} profiles entered, {done.left:,} left")
    if done.suppressed:
        print(f"{done.suppressed:,} identifiers are suppressed and were left out", file=sys.stderr)
    return 0
