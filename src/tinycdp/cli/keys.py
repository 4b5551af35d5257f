"""`key create`, `key list` and `key revoke`: the API keys of an environment."""

import argparse
import sys
from typing import TYPE_CHECKING

from tinycdp.cli.options import REMOTE, command, group
from tinycdp.cli.project import project_of
from tinycdp.settings import Settings

if TYPE_CHECKING:
    from tinycdp.cli.options import Commands

# The scope sets shown in the help; finer scopes may be given, too.
_SCOPES = ("admin", "write", "decide", "read")


def add_to(commands: "Commands") -> None:
    keys = group(commands, "key", "create, list and revoke API keys")
    create = command(keys, "create", run_create, "create a key and print it once", REMOTE)
    create.add_argument(
        "--scope", action="append", required=True, metavar="SCOPE", help=", ".join(_SCOPES) + " or finer"
    )
    create.add_argument("--name", default="command line", help="what the key is for")
    command(keys, "list", run_list, "print the environment's keys, without their secrets", REMOTE)
    revoke = command(keys, "revoke", run_revoke, "revoke a key", REMOTE)
    revoke.add_argument("prefix", help="the key's prefix, as `key list` prints it")


def run_create(arguments: argparse.Namespace, settings: Settings) -> int:
    print(project_of(settings).create_key(arguments.scope, arguments.name))
    print("Copy the key now: only its hash is stored.", file=sys.stderr)
    return 0


def run_list(arguments: argparse.Namespace, settings: Settings) -> int:
    for key in project_of(settings).list_keys():
        state = "revoked" if key.revoked_at else "active"
        print(f"{key.prefix}  {state:8}{','.join(key.scopes):24}{key.name}")
    return 0


def run_revoke(arguments: argparse.Namespace, settings: Settings) -> int:
    project_of(settings).revoke_key(arguments.prefix)
    print(f"revoked {arguments.prefix}")
    return 0
