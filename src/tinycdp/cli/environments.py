"""`environment list`, `create`, `rename`, and `promote`: the environments of a database."""

import argparse
import sys
from typing import TYPE_CHECKING

import msgspec

from tinycdp.cli.database import on_database
from tinycdp.cli.options import DATA, SCOPED, command, group
from tinycdp.settings import Settings

if TYPE_CHECKING:
    from tinycdp.cli.options import Commands
    from tinycdp.runtime.definitions.publish import PublishPlan
    from tinycdp.runtime.environment import Environment


def add_to(commands: "Commands") -> None:
    environments = group(commands, "environment", "list, create and rename environments")
    command(environments, "list", run_list, "print the environments", SCOPED)
    create = command(environments, "create", run_create, "create an environment and print its first admin key", SCOPED)
    create.add_argument("name", help="key of the new environment, such as staging")
    create.add_argument("--zone", help="its time zone; default: that of TINYCDP_ENVIRONMENT")
    rename = command(environments, "rename", run_rename, "give an environment another key; its data stays", DATA)
    rename.add_argument("name", help="its key")
    rename.add_argument("new", help="its new key")
    promote = command(commands, "promote", run_promote, "take definitions over from another environment", DATA)
    promote.add_argument("--from", dest="source", required=True, metavar="KEY", help="environment to read")
    promote.add_argument("--to", dest="target", required=True, metavar="KEY", help="environment to change")
    promote.add_argument("--only", action="append", default=[], metavar="WHAT", help="such as flag, or flag:paywall")
    promote.add_argument("--prune", action="store_true", help="delete definitions that the source does not have")
    promote.add_argument("--dry-run", action="store_true", help="show the plan; exit status 2 if anything would change")
    promote.add_argument("--note", default="", metavar="TEXT", help="the reason, shown in the history")


def run_list(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime.access.environments import list_environments

    for row in on_database(settings, list_environments):
        print(f"{row.key:24}{row.zone:24}revision {row.live_revision}")
    return 0


def run_create(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime.access.environments import create_environment

    made = on_database(settings, lambda beside: create_environment(beside, arguments.name, arguments.zone))
    print(made.admin_key.key)
    print(f"This is the admin key of {made.key}. Copy it now: only its hash is stored.", file=sys.stderr)
    return 0


def run_rename(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime.access.environments import rename_environment

    own = msgspec.structs.replace(settings, environment=arguments.name)
    on_database(own, lambda environment: rename_environment(environment, arguments.new))
    print(f"renamed {arguments.name} to {arguments.new}")
    if settings.environment == arguments.name:
        print(f"Set TINYCDP_ENVIRONMENT={arguments.new} before the next start.", file=sys.stderr)
    return 0


def run_promote(arguments: argparse.Namespace, settings: Settings) -> int:
    from dataclasses import replace

    from tinycdp.runtime.access.keys import environment_named
    from tinycdp.runtime.definitions.files import plan_text
    from tinycdp.runtime.definitions.promotion import promote, read_selection
    from tinycdp.runtime.edits import Edit

    only = [read_selection(text, "--only") for text in arguments.only]

    async def run(target: "Environment") -> "PublishPlan":
        source = replace(target, id=await environment_named(target.pool, arguments.source))
        edit = Edit("command line", target.now(), arguments.note, dry_run=arguments.dry_run)
        return await promote(source, target, edit, only=only, prune=arguments.prune)

    plan = on_database(msgspec.structs.replace(settings, environment=arguments.target), run)
    for found in plan.warnings:
        for diagnostic in found["diagnostics"]:
            print(f"warning: {found['kind']} {found['key']}: {diagnostic['message']}", file=sys.stderr)
    if not arguments.dry_run:
        print(plan)
        return 0
    print(plan_text(plan.steps))
    return 2 if plan.changed else 0
