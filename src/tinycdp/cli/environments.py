"""`environment list`, `create` and `rename`: the environments of a project."""

import argparse
import sys
from typing import TYPE_CHECKING

from tinycdp.cli.options import REMOTE, REMOTE_NAMED, command, group
from tinycdp.cli.project import project_of
from tinycdp.settings import Settings

if TYPE_CHECKING:
    from tinycdp.cli.options import Commands


def add_to(commands: "Commands") -> None:
    environments = group(commands, "environment", "list, create and rename environments")
    command(environments, "list", run_list, "print the environments", REMOTE)
    create = command(environments, "create", run_create, "create an environment and print its first admin key", REMOTE)
    create.add_argument("name", help="key of the new environment, such as staging")
    create.add_argument("--zone", help="its time zone; default: that of the present environment")
    rename = command(
        environments, "rename", run_rename, "give an environment another key; its data stays", REMOTE_NAMED
    )
    rename.add_argument("name", help="its key")
    rename.add_argument("new", help="its new key")


def run_list(arguments: argparse.Namespace, settings: Settings) -> int:
    for one in project_of(settings).list_environments():
        known = f"revision {one.revision}" if one.revision is not None else ""
        print(f"{one.key:24}{one.zone:24}{known}".rstrip())
    return 0


def run_create(arguments: argparse.Namespace, settings: Settings) -> int:
    print(project_of(settings).create_environment(arguments.name, arguments.zone))
    print(f"This is the admin key of {arguments.name}. Copy it now: only its hash is stored.", file=sys.stderr)
    return 0


def run_rename(arguments: argparse.Namespace, settings: Settings) -> int:
    project_of(settings).rename_environment(arguments.name, arguments.new)
    print(f"renamed {arguments.name} to {arguments.new}")
    if settings.url is None and settings.environment == arguments.name:
        print(f"Set TINYCDP_ENVIRONMENT={arguments.new} before the next start.", file=sys.stderr)
    return 0
