"""`key create`, `key list` and `key revoke`: the API keys of an environment."""

import argparse
import sys
from typing import TYPE_CHECKING

from tinycdp.cli.database import on_database
from tinycdp.cli.options import SCOPED, command, group
from tinycdp.settings import Settings

if TYPE_CHECKING:
    from tinycdp.cli.options import Commands

# The scope sets shown in the help; finer scopes may be given, too.
_SCOPES = ("admin", "write", "decide", "read")


def add_to(commands: "Commands") -> None:
    keys = group(commands, "key", "create, list and revoke API keys")
    create = command(keys, "create", run_create, "create a key and print it once", SCOPED)
    create.add_argument(
        "--scope", action="append", required=True, metavar="SCOPE", help=", ".join(_SCOPES) + " or finer"
    )
    create.add_argument("--name", default="command line", help="what the key is for")
    command(keys, "list", run_list, "print the environment's keys, without their secrets", SCOPED)
    revoke = command(keys, "revoke", run_revoke, "revoke a key", SCOPED)
    revoke.add_argument("prefix", help="the key's prefix, as `key list` prints it")


def run_create(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime.access.keys import create_key

    created = on_database(
        settings,
        lambda environment: create_key(environment, arguments.scope, arguments.name),
    )
    print(created.key)
    print("Copy the key now: only its hash is stored.", file=sys.stderr)
    return 0


def run_list(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime.access.keys import list_keys

    for key in on_database(settings, list_keys):
        state = "revoked" if key.revoked_at else "active"
        print(f"{key.prefix}  {state:8}{','.join(key.scopes):24}{key.name}")
    return 0


def run_revoke(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime.access.keys import revoke_key

    on_database(settings, lambda environment: revoke_key(environment, arguments.prefix))
    print(f"revoked {arguments.prefix}")
    return 0
