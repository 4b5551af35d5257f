"""What the parsers of commands share: adding one, and common options."""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from tinycdp.errors import InvalidInput
from tinycdp.settings import Settings

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

#: Runs one command and returns its exit status.
Run = Callable[[argparse.Namespace, Settings], int]

#: Options of every command that may use the embedded Postgres.
DATA = argparse.ArgumentParser(add_help=False)
DATA.add_argument("--data-dir", metavar="DIR", help="folder of the embedded Postgres (TINYCDP_DATA_DIR)")
#: Options of every command that acts on one environment.
SCOPED = argparse.ArgumentParser(add_help=False, parents=[DATA])
SCOPED.add_argument("--environment", metavar="KEY", help="environment to act on (TINYCDP_ENVIRONMENT)")

#: Options of every command that acts on one environment, by its database or over HTTP.
REMOTE = argparse.ArgumentParser(add_help=False, parents=[SCOPED])
REMOTE.add_argument("--url", help="a server to use instead of the database (TINYCDP_URL)")
REMOTE.add_argument("--key", dest="api_key", help="an admin key of that server's environment (TINYCDP_KEY)")


class Misuse(InvalidInput):
    """A wrong command line that the parser cannot detect: exit status 2."""


def command(
    commands: "Commands", name: str, run: Run, text: str, parent: argparse.ArgumentParser | None = None
) -> argparse.ArgumentParser:
    """Add a command that calls `run`, and return its parser."""
    parser = commands.add_parser(name, help=text, description=text, parents=[parent] if parent else [])
    parser.set_defaults(command=run)
    return parser


def group(commands: "Commands", name: str, text: str, metavar: str = "ACTION") -> "Commands":
    """Add a group of commands under one name, as in `tinycdp key create`."""
    return commands.add_parser(name, help=text, description=text).add_subparsers(required=True, metavar=metavar)
