"""`plan`, `apply` and `pull`: definitions in files. `promote`: those of another environment."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tinycdp.cli.options import REMOTE, REMOTE_NAMED, DatabaseOption, Misuse, command
from tinycdp.cli.project import project_of
from tinycdp.cli.terminal import bar, end_progress, output, show_progress, unwritable
from tinycdp.errors import InvalidInput
from tinycdp.settings import Settings

if TYPE_CHECKING:
    from tinycdp.cli.options import Commands
    from tinycdp.cli.project import Project
    from tinycdp.runtime.definitions.publish import PublishPlan
    from tinycdp.runtime.definitions.sources import Sources
    from tinycdp.runtime.definitions.workspace import BackfillProgress


def add_to(commands: "Commands") -> None:
    files = argparse.ArgumentParser(add_help=False, parents=[REMOTE])
    files.add_argument("files", nargs="+", type=Path, metavar="FILE", help="definitions, JSON or YAML, or a folder")
    files.add_argument("--prune", action="store_true", help="delete definitions that are not in the files")
    files.add_argument("--strict", action="store_true", help="fail on warnings too, and publish nothing")
    plan = command(commands, "plan", run_plan, "show what `apply` would change; exit status 2 if anything", files)
    plan.add_argument("--preview", action="store_true", help="also show how many profiles it would affect")
    apply = command(commands, "apply", run_apply, "publish definitions from files as one revision", files)
    apply.add_argument("--wait", action="store_true", help="wait until the revision is live")
    apply.add_argument("--note", default="", metavar="TEXT", help="the reason, shown in the history")
    pull = command(commands, "pull", run_pull, "write the environment's definitions to files", REMOTE)
    pull.add_argument("folder", type=Path, metavar="DIR", help="folder for traits.yaml, segments.yaml, flags.yaml …")
    promote = command(commands, "promote", run_promote, "take definitions over from another environment", REMOTE_NAMED)
    promote.add_argument(
        "--from", dest="source", metavar="KEY", action=DatabaseOption,
        why="--source-key or TINYCDP_SOURCE_KEY names the environment to read", help="environment to read",
    )  # fmt: skip
    promote.add_argument(
        "--to", dest="target", metavar="KEY", action=DatabaseOption,
        why="--key or TINYCDP_KEY names the environment to change", help="environment to change",
    )  # fmt: skip
    promote.add_argument("--source-key", help="on a server: an admin key of the one to read (TINYCDP_SOURCE_KEY)")
    promote.add_argument("--only", action="append", default=[], metavar="WHAT", help="such as flag, or flag:paywall")
    promote.add_argument("--prune", action="store_true", help="delete definitions that the source does not have")
    promote.add_argument("--dry-run", action="store_true", help="show the plan; exit status 2 if anything would change")
    promote.add_argument("--strict", action="store_true", help="fail on warnings too, and publish nothing")
    promote.add_argument("--wait", action="store_true", help="wait until the revision is live")
    promote.add_argument("--note", default="", metavar="TEXT", help="the reason, shown in the history")


def run_plan(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime.definitions.files import plan_text

    files = _sources(arguments)
    plan = _publish(arguments, settings, files, dry_run=True)
    print(plan_text(plan.steps))
    _show_warnings(files, plan)
    status = _status_of(plan, strict=arguments.strict)
    if arguments.preview and status == 2:
        print(_preview(arguments, settings))
    return status


def _status_of(plan: "PublishPlan", *, strict: bool) -> int:
    """The exit status of a plan that was only made; it says if there is something to backfill."""
    if plan.warnings and strict:
        return 1
    if not plan.changed:
        return 0
    if plan.backfilling:
        print("these definitions backfill before they serve; the live revision serves until then")
    return 2


def _preview(arguments: argparse.Namespace, settings: Settings) -> str:
    """How many profiles the files of the command line would affect."""
    from tinycdp.runtime.time_travel.preview import preview_text

    return preview_text(project_of(settings).preview(_sources(arguments).changes, prune=arguments.prune))


def run_apply(arguments: argparse.Namespace, settings: Settings) -> int:
    files = _sources(arguments)
    plan = _publish(arguments, settings, files, arguments.note)
    _show_warnings(files, plan)
    return _finish(project_of(settings), plan, strict=arguments.strict, wait=arguments.wait)


def _finish(project: "Project", plan: "PublishPlan", *, strict: bool, wait: bool) -> int:
    """Print what a publish did, wait for its revision if that is wanted, and return the exit status.

    With `strict`, a plan that has warnings was not published."""
    if plan.warnings and strict:
        print("nothing was published: there are warnings, and --strict fails on them", file=sys.stderr)
        return 1
    print(plan)
    if plan.backfilling and not wait:
        print(
            f"revision {plan.revision} backfills; the live revision serves until then (use --wait to wait)",
            file=sys.stderr,
        )
    if wait:
        project.wait_until_live(plan.revision, show_backfill)
        end_progress()
        print(f"revision {plan.revision} is live")
    return 0


def show_backfill(progress: "BackfillProgress") -> None:
    """Show the progress of a backfill on a terminal."""
    done, total = progress.done, progress.total
    text = f"backfilling {bar(done / max(total, 1))} {done:,} of {total:,} profiles"
    if done < total and progress.rate_per_second is not None and progress.seconds_left is not None:
        text += f", {progress.rate_per_second:,.0f} a second, {progress.seconds_left:,.0f} s left"
    show_progress(text)


def run_pull(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime.definitions.files import find_files, to_files

    folder: Path = arguments.folder
    definitions = project_of(settings).definitions()
    existing = {path.name for path in folder.glob("*.yaml")}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error
    written = {folder / name: text for name, text in to_files(definitions, existing).items()}
    for path, text in written.items():
        with output(path) as file:
            file.write(text.encode())
        print(path)
    if others := [str(path) for path in find_files([folder]) if path not in written]:
        print(f"other definition files in {folder}: {', '.join(others)}", file=sys.stderr)
    return 0


def run_promote(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime.definitions.files import plan_text
    from tinycdp.runtime.definitions.promotion import read_selection

    source, own = _ends(arguments, settings)
    only = [read_selection(text, "--only") for text in arguments.only]
    target = project_of(own)

    def promote(*, dry_run: bool) -> "PublishPlan":
        return target.promote(source, arguments.note, only=only, dry_run=dry_run, prune=arguments.prune)

    plan = promote(dry_run=arguments.dry_run or arguments.strict)
    if arguments.strict and not arguments.dry_run and not plan.warnings:
        plan = promote(dry_run=False)
    if arguments.dry_run:
        print(plan_text(plan.steps))
    for found in plan.warnings:
        for diagnostic in found["diagnostics"]:
            print(f"warning: {found['kind']} {found['key']}: {diagnostic['message']}", file=sys.stderr)
    if arguments.dry_run:
        return _status_of(plan, strict=arguments.strict)
    return _finish(target, plan, strict=arguments.strict, wait=arguments.wait)


def _ends(arguments: argparse.Namespace, settings: Settings) -> tuple[str, Settings]:
    """What names the environment to read, and the settings of the one to change."""
    if settings.url is None:
        if arguments.source_key is not None:
            raise Misuse("URL_MISSING", "--source-key belongs to a server. Name it with --url or TINYCDP_URL.")
        if arguments.source is None or arguments.target is None:
            raise Misuse(
                "INVALID_REQUEST", "Name the environment to read with --from, and the one to change with --to."
            )
        return arguments.source, msgspec.structs.replace(settings, environment=arguments.target)
    if not (source := arguments.source_key or settings.source_key):
        message = "`promote` reads an environment with an admin key of it; give --source-key or set TINYCDP_SOURCE_KEY."
        raise InvalidInput("KEY_MISSING", message)
    return source, settings


def _publish(
    arguments: argparse.Namespace, settings: Settings, files: "Sources", note: str = "", *, dry_run: bool = False
) -> "PublishPlan":
    """Publish files, or with `dry_run` only plan it. With --strict, files with warnings are only planned."""
    from tinycdp.runtime.definitions import file_reports
    from tinycdp.runtime.definitions.product_kinds import DocumentFinding

    project = project_of(settings)
    try:
        if arguments.strict and not dry_run:
            planned = project.publish(files.changes, note, dry_run=True, prune=arguments.prune)
            if planned.warnings:
                return planned
        return project.publish(files.changes, note, dry_run=dry_run, prune=arguments.prune)
    except InvalidInput as error:
        if "findings" in error.details:
            found = [DocumentFinding(**one) for one in error.details["findings"]]
            text = file_reports.of_findings(files, found)
        elif "definitions" in error.details:
            text = file_reports.of_errors(files, error.details["definitions"])
        elif "flag" in error.details:
            text = file_reports.of_flags(files, error)
        else:
            raise
        raise InvalidInput(error.code, f"nothing was published\n{text}\n") from None


def _show_warnings(files: "Sources", plan: "PublishPlan") -> None:
    from tinycdp.runtime.definitions.file_reports import of_warnings

    if plan.warnings:
        print(of_warnings(files, plan.warnings), file=sys.stderr)


def _sources(arguments: argparse.Namespace) -> "Sources":
    from tinycdp.runtime.definitions.files import find_files
    from tinycdp.runtime.definitions.sources import read_sources

    return read_sources(find_files(arguments.files))
