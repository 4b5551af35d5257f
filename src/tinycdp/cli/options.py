"""What the parsers of commands share: adding one, and common options."""

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tinycdp.errors import InvalidInput
from tinycdp.settings import Settings, variable

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

#: Runs one command and returns its exit status.
Run = Callable[[argparse.Namespace, Settings], int]


class DatabaseOption(argparse.Action):
    """An option that means nothing on a server, and is refused there. why: completes the sentence "On a server, …"."""

    def __init__(self, *arguments: Any, why: str, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.why = why

    def __call__(
        self, parser: object, namespace: argparse.Namespace, values: object, option: str | None = None
    ) -> None:
        setattr(namespace, self.dest, values)
        namespace.database_options = [*getattr(namespace, "database_options", ()), (option, self.why)]


_KEY_NAMES_IT = "the key names the environment: use a key of the one that you mean"

#: Options of every command that may use the embedded Postgres.
DATA = argparse.ArgumentParser(add_help=False)
DATA.add_argument(
    "--data-dir", metavar="DIR", action=DatabaseOption, why="the data is in the server's own database",
    help="folder of the embedded Postgres (TINYCDP_DATA_DIR)",
)  # fmt: skip
#: Options of every command that runs or migrates its own database, whatever server the settings name.
OWN = argparse.ArgumentParser(add_help=False, parents=[DATA])
OWN.set_defaults(owns_database=True)
#: Options of every command that acts on one environment.
SCOPED = argparse.ArgumentParser(add_help=False, parents=[DATA])
SCOPED.add_argument(
    "--environment", metavar="KEY", action=DatabaseOption, why=_KEY_NAMES_IT,
    help="environment to act on (TINYCDP_ENVIRONMENT)",
)  # fmt: skip

#: Options of every command that may ask a server.
SERVER = argparse.ArgumentParser(add_help=False)
SERVER.add_argument("--url", help="a server to use instead of the database (TINYCDP_URL)")
SERVER.add_argument("--key", dest="api_key", help="an admin key of that server's environment (TINYCDP_KEY)")
#: Options of every command that acts on one environment, by its database or over HTTP.
REMOTE = argparse.ArgumentParser(add_help=False, parents=[SCOPED, SERVER])
#: The same of commands whose arguments name the environment.
REMOTE_NAMED = argparse.ArgumentParser(add_help=False, parents=[DATA, SERVER])


class Misuse(InvalidInput):
    """A wrong command line that the parser cannot detect: exit status 2."""


def check_way(arguments: argparse.Namespace, settings: Settings, environ: Mapping[str, str]) -> None:
    """Raise if a command, or one of its options, has no meaning on the database or server that it is to use."""
    works_on_servers = hasattr(arguments, "api_key")
    if settings.url is None:
        if works_on_servers and arguments.api_key is not None:
            raise Misuse("URL_MISSING", "--key belongs to a server. Name the server with --url or TINYCDP_URL.")
        return
    if not works_on_servers:
        if hasattr(arguments, "data_dir") and not hasattr(arguments, "owns_database"):
            message = "This command needs the database. Unset TINYCDP_URL, and set DATABASE_URL or --data-dir instead."
            raise Misuse("DATABASE_NEEDED", message)
        return
    given = list(getattr(arguments, "database_options", ()))
    if environ.get(name := variable("environment")):
        given.append((name, _KEY_NAMES_IT))
    for option, why in given:
        message = f"{option} needs the database. On a server, {why}. Leave it out, or leave out --url and TINYCDP_URL."
        raise Misuse("OPTION_NEEDS_DATABASE", message)


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
