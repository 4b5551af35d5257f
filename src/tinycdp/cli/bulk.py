"""`export segment`, `registry rebuild` and `import`: many profiles or events."""

import argparse
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tinycdp.cli.database import on_database
from tinycdp.cli.options import REMOTE, SCOPED, command, group
from tinycdp.cli.project import project_of
from tinycdp.cli.terminal import bar, end_progress, output, show_progress, unwritable
from tinycdp.errors import InvalidInput
from tinycdp.settings import Settings

if TYPE_CHECKING:
    from tinycdp.cli.options import Commands
    from tinycdp.runtime.transfer.import_reports import RejectedRow
    from tinycdp.runtime.transfer.imports import ImportProgress


def add_to(commands: "Commands") -> None:
    exports = group(commands, "export", "export data to a file", metavar="WHAT")
    segment = command(exports, "segment", run_export_segment, "export all members of a segment", REMOTE)
    segment.add_argument("key", help="the segment's key")
    segment.add_argument(
        "--output", type=Path, metavar="FILE", help="a file that ends in .csv or .jsonl; default: standard output"
    )
    segment.add_argument("--format", choices=("csv", "jsonl"), help="default: by the file's ending, else csv")
    segment.add_argument("--columns", metavar="NAMES", help="properties, separated by commas; default: all")
    segment.add_argument("--traits", metavar="NAMES", default="", help="traits, separated by commas; default: none")
    segment.add_argument("--raw", action="store_true", help="do not escape texts that spreadsheets run as formulas")

    registry = group(commands, "registry", "maintain the registry of events and properties")
    command(registry, "rebuild", run_registry_rebuild, "rebuild the registry from raw events", SCOPED)

    importing = command(commands, "import", run_import, "import history from files, as if it were sent live", REMOTE)
    importing.add_argument("files", nargs="+", type=Path, metavar="FILE", help="JSON lines, CSV or Parquet; also .gz")
    importing.add_argument("--format", choices=("jsonl", "csv", "parquet"), help="default: by the file's ending")
    importing.add_argument("--map", action="append", default=[], metavar="FIELD=COLUMN", help="as userId=customer_no")
    importing.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="as event=purchase")
    importing.add_argument("--text", action="append", default=[], metavar="COLUMN", help="keep its numbers as texts")
    importing.add_argument("--report", type=Path, metavar="FILE", help="append rejected rows to it, as JSON lines")


def run_export_segment(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime.transfer.export import SegmentRequest, form_of, split_names
    from tinycdp.times import iso

    path: Path | None = arguments.output
    wanted = SegmentRequest(
        segment=arguments.key,
        form=form_of(path, arguments.format),
        columns=split_names(arguments.columns) if arguments.columns is not None else None,
        traits=split_names(arguments.traits),
        raw=arguments.raw,
    )
    with output(path) as file:
        profiles, as_of = project_of(settings).export_segment(wanted, file.write)
    print(f"{profiles} profiles as of {iso(as_of)}", file=sys.stderr)
    return 0


def run_registry_rebuild(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime.schema.registry import rebuild

    print(f"{on_database(settings, rebuild):,} messages counted")
    return 0


def run_import(arguments: argparse.Namespace, settings: Settings) -> int:
    import msgspec

    from tinycdp.api.ingest.adapters.history import check_mapping
    from tinycdp.runtime.transfer.import_files import FileMapping, ImportFile, form_of

    encode_lines = msgspec.json.Encoder().encode_lines
    mapping = check_mapping(
        FileMapping(_pairs("--map", arguments.map), _pairs("--set", arguments.set), tuple(arguments.text))
    )
    sources = [ImportFile(path, form_of(path, arguments.format), mapping) for path in arguments.files]
    with contextlib.ExitStack() as stack:
        report: BinaryIO | None = None
        if arguments.report is not None:
            try:
                report = stack.enter_context(arguments.report.open("ab"))
            except OSError as error:
                raise unwritable(arguments.report, error) from error

        def on_progress(progress: "ImportProgress") -> None:
            show_progress(
                f"{progress.name} {bar(progress.share)} {progress.share:.0%}, {progress.rows:,} rows,"
                f" {progress.rate or 0:,.0f} a second"
            )

        def on_rejected(name: str, rows: "Sequence[RejectedRow]") -> None:
            assert report is not None
            report.write(encode_lines([{"file": name, **msgspec.structs.asdict(row)} for row in rows]))

        done = project_of(settings).import_files(sources, on_progress, on_rejected if report is not None else None)
    end_progress()
    for progress in done:
        print(
            f"{progress.name}: {progress.rows:,} rows, {progress.accepted:,} stored,"
            f" {progress.duplicates:,} duplicates, {progress.rejected:,} rejected"
        )
        if progress.error is not None:
            print(f"{progress.name}: {progress.error}", file=sys.stderr)
    return int(any(progress.error is not None for progress in done))


def _pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        field, equals, value = text.partition("=")
        if not field or not equals:
            raise InvalidInput(
                "INVALID_MAPPING", f"{option} {text!r} has no field; write FIELD=…, for example userId=customer_no."
            )
        found[field] = value
    return found
