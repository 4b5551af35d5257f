"""`export`, `registry rebuild` and `import`: many profiles or events."""

import argparse
import contextlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from tinycdp.cli.database import on_database
from tinycdp.cli.options import REMOTE, SCOPED, command, group
from tinycdp.cli.project import project_of
from tinycdp.cli.terminal import Progress, bar, end_progress, output, show_progress, unwritable
from tinycdp.errors import Conflict, InvalidInput, TinyCDPError
from tinycdp.settings import Settings

if TYPE_CHECKING:
    from tinycdp.cli.options import Commands
    from tinycdp.runtime.transfer.import_reports import RejectedRow
    from tinycdp.runtime.transfer.imports import ImportProgress

_FORMATS = ("csv", "json", "jsonl", "xlsx", "parquet")
_ENDINGS = "." + ", .".join(_FORMATS[:-1]) + " or ." + _FORMATS[-1]


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

    run = command(exports, "run", run_export, "export a segment, all profiles or events, as a job", REMOTE)
    run.add_argument("what", choices=("segment", "profiles", "events"), help="what to export")
    run.add_argument("segment", nargs="?", metavar="KEY", help="the segment's key")
    run.add_argument("--output", type=Path, metavar="FILE", help="where to write it; default: standard output")
    run.add_argument("--format", choices=_FORMATS, help="default: by the file's ending, else csv")
    run.add_argument("--columns", metavar="NAMES", help="properties, separated by commas; default: all")
    run.add_argument("--traits", metavar="NAMES", default="", help="traits, separated by commas; default: none")
    run.add_argument("--event", action="append", default=[], metavar="NAME", help="only these events; repeat it")
    run.add_argument("--from", dest="since", metavar="TIME", help="events from this instant or day on")
    run.add_argument("--to", dest="until", metavar="TIME", help="events before this instant or day")
    run.add_argument("--last", metavar="SPAN", help="events of the last 24h, 7d or 4w")
    run.add_argument("--raw", action="store_true", help="do not escape texts that spreadsheets run as formulas")
    run.add_argument("--no-wait", action="store_true", help="print its number; the worker of a server writes it")
    listing = command(exports, "list", run_export_list, "list exports, newest first", REMOTE)
    listing.add_argument("--limit", type=int, default=20, choices=range(1, 201), metavar="N", help="default: 20")
    ending = command(exports, "cancel", run_export_cancel, "cancel an export, or remove its file", REMOTE)
    ending.add_argument("id", type=int, help="the export's number")

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


def run_export(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime.transfer.export import split_names

    path: Path | None = arguments.output
    form = arguments.format or (path.suffix.lower()[1:].replace("ndjson", "jsonl") if path is not None else "csv")
    if form not in _FORMATS:
        raise InvalidInput("EXPORT_FORMAT", f"{path}: name the file {_ENDINGS}, or pass --format.")
    if path is None and form in ("xlsx", "parquet") and sys.stdout.isatty() and not arguments.no_wait:
        raise InvalidInput("EXPORT_FORMAT", f"A terminal shows no {form}: name a file with --output.")
    request: dict[str, Any] = {
        "what": arguments.what,
        "segment": arguments.segment or "",
        "columns": split_names(arguments.columns) if arguments.columns is not None else None,
        "traits": split_names(arguments.traits),
        "events": arguments.event,
        "from": arguments.since,
        "to": arguments.until,
        "last": arguments.last,
        "format": form,
        "raw": arguments.raw,
    }
    project, progress = project_of(settings), Progress()
    if arguments.no_wait:
        print(project.run_export(request, lambda _: None, None)["id"])
        return 0

    def show(job: "Mapping[str, Any]") -> None:
        rows = f"{job['rows']:,} of {job['total']:,} rows" if job["total"] is not None else job["status"]
        progress.show(f"export {job['id']} {bar(float(job['share']))} {float(job['share']):.0%}, {rows}")

    with output(path) as file:
        done = project.run_export(request, show, file.write)
        end_progress()
        if done["status"] != "done":
            raise _unfinished(done)
    print(f"{done['rows']:,} rows as of {done['asOf']}", file=sys.stderr)
    if done["note"]:
        print(done["note"], file=sys.stderr)
    return 0


def _unfinished(job: "Mapping[str, Any]") -> TinyCDPError:
    error = job["error"]
    if error is None:
        return Conflict("EXPORT_NOT_DONE", f"Export {job['id']} was {job['status']}.")
    return InvalidInput(error["code"], error["message"])


def run_export_list(arguments: argparse.Namespace, settings: Settings) -> int:
    for job in project_of(settings).list_exports(arguments.limit):
        share = f" {float(job['share']):.0%}" if job["status"] == "running" else ""
        error = f"  {job['error']['message']}" if job["error"] is not None else ""
        print(
            f"{job['id']:>6}  {job['createdAt']}  {job['status'] + share:<13}  {job['rows']:>12,}  {job['name']}{error}"
        )
    return 0


def run_export_cancel(arguments: argparse.Namespace, settings: Settings) -> int:
    print(f"export {arguments.id}: {project_of(settings).end_export(arguments.id)['status']}")
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
