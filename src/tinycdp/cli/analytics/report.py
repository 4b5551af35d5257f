"""`report run`: answer a saved report, or all tiles of a dashboard."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

from tinycdp.cli.analytics.query import add_format, show_answer, show_json
from tinycdp.cli.options import REMOTE, command, group
from tinycdp.cli.project import project_of
from tinycdp.settings import Settings

if TYPE_CHECKING:
    from tinycdp.cli.options import Commands


def add_to(commands: "Commands") -> None:
    reports = group(commands, "report", "answer saved reports and dashboards")
    run = command(reports, "run", run_saved, "answer a saved report, or all tiles of a dashboard", REMOTE)
    run.add_argument("key", help="the report's key; with --dashboard the dashboard's")
    run.add_argument("--dashboard", action="store_true", help="answer all tiles of a dashboard, in their order")
    add_format(run)


def run_saved(arguments: argparse.Namespace, settings: Settings) -> int:
    project = project_of(settings)
    if not arguments.dashboard:
        show_answer(project.run_report(arguments.key), arguments.format)
        return 0
    tiles: list[dict[str, Any]] = (found := project.run_dashboard(arguments.key))["tiles"]
    if arguments.format == "json":
        show_json(found)
    else:
        for n, tile in enumerate(tiles):
            if n:
                print()
            _show_tile(tile, n, arguments.format)
    return 1 if any(tile["error"] is not None for tile in tiles) else 0


def _show_tile(tile: dict[str, Any], n: int, format: str) -> None:
    """A tile under its title. An error goes to standard error, and the other tiles are shown."""
    title = tile["title"] or (f"tile {n + 1}" if tile["answer"] or tile["error"] else "")
    if title:
        print(f"# {title}")
    if (error := tile["error"]) is not None:
        print(f"{title}: {error['message']} [{error['code']}]", file=sys.stderr)
    elif tile["answer"] is not None:
        show_answer(tile["answer"], format)
    else:
        print(tile["tile"]["text"])
