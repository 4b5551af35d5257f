"""What the commands' parsers share: how one is added, and the options that several have."""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from tinycdp.errors import InvalidInput
from tinycdp.settings import Settings

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

#: Runs one command and answers its exit status.
Run = Callable[[argparse.Namespace, Settings], int]

#: Of every command that may use the embedded Postgres.
DATA = argparse.ArgumentParser(add_help=False)
DATA.add_argument("--data-dir", metavar="DIR", help="folder of the embedded Postgres (TINYCDP_DATA_DIR)")
#: Of every command that acts on one environment.
SCOPED = argparse.ArgumentParser(add_help=False, parents=[DATA])
SCOPED.add_argument("--environment", metavar="KEY", help="environment to act on (TINYCDP_ENVIRONMENT)")


class Misuse(InvalidInput):
    """The command line is wrong in a way that its parser cannot see: exit status 2."""


def command(
    commands: "Commands", name: str, run: Run, text: str, parent: argparse.ArgumentParser | None = None
) -> argparse.ArgumentParser:
    """The parser of one more command, which `run` runs."""
    parser = commands.add_parser(name, help=text, description=text, parents=[parent] if parent else [])
    parser.set_defaults(command=run)
    return parser


def group(commands: "Commands", name: str, text: str, metavar: str = "ACTION") -> "Commands":
    """Commands under one name, as in `tinycdp key create`."""
    return commands.add_parser(name, help=text, description=text).add_subparsers(required=True, metavar=metavar)
