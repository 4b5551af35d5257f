"""`key create`, `list`, `rotate` and `revoke`: the API keys of an environment."""

import argparse
import sys
from typing import TYPE_CHECKING

from tinycdp.cli.options import REMOTE, Misuse, command, group
from tinycdp.cli.project import project_of
from tinycdp.settings import Settings

if TYPE_CHECKING:
    from tinycdp.cli.options import Commands
    from tinycdp.model import Instant

# The scope sets shown in the help; finer scopes may be given, too.
_SCOPES = ("admin", "write", "decide", "read")


def add_to(commands: "Commands") -> None:
    keys = group(commands, "key", "create, list, rotate and revoke API keys")
    create = command(keys, "create", run_create, "create a key and print it once", REMOTE)
    create.add_argument(
        "--scope", action="append", required=True, metavar="SCOPE", help=", ".join(_SCOPES) + " or finer"
    )
    create.add_argument("--name", default="command line", help="what the key is for")
    create.add_argument("--expires", metavar="WHEN", help="in 90d, or at 2030-12-01T09:00:00Z; default: never")
    create.add_argument(
        "--origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="website whose pages may use it, such as https://shop.example; repeat for several; default: all",
    )
    command(keys, "list", run_list, "print the environment's keys, without their secrets", REMOTE)
    rotate = command(keys, "rotate", run_rotate, "print a key's successor; the key expires after an overlap", REMOTE)
    rotate.add_argument("prefix", help="the key's prefix, as `key list` prints it")
    rotate.add_argument("--overlap", default="7d", help="how long the old key stays valid (default: %(default)s)")
    revoke = command(keys, "revoke", run_revoke, "revoke a key", REMOTE)
    revoke.add_argument("prefix", help="the key's prefix, as `key list` prints it")


def run_create(arguments: argparse.Namespace, settings: Settings) -> int:
    expires_at = _expiry(arguments.expires)
    print(project_of(settings).create_key(arguments.scope, arguments.name, expires_at, arguments.origin))
    print("Copy the key now: only its hash is stored.", file=sys.stderr)
    return 0


def _expiry(text: str | None) -> "Instant | None":
    """The instant that `--expires` names; None for never."""
    from tinycdp.dsl.values.scalars import parse_duration, parse_instant
    from tinycdp.runtime import clock

    if text is None:
        return None
    duration = parse_duration(text)
    at = clock.now() + duration if duration is not None else parse_instant(text)
    if at is None:
        raise Misuse("INVALID_EXPIRY", f"--expires {text}: write a duration as 90d, or an instant with a zone.")
    return at


def run_list(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.runtime import clock
    from tinycdp.times import iso

    now = clock.now()
    for key in project_of(settings).list_keys():
        state = key.state(now)
        used = f"used {iso(key.last_used_at)[:16]}Z" if key.last_used_at is not None else "never used"
        more = [f"until {iso(key.expires_at)}"] if key.expires_at is not None and state == "active" else []
        more += [f"only {', '.join(key.origins)}"] if key.origins else []
        line = f"{key.prefix}  {state:8}{','.join(key.scopes):24}{used:24}{key.name}"
        print(f"{line} ({'; '.join(more)})" if more else line)
    return 0


def run_rotate(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.dsl.values.scalars import parse_duration
    from tinycdp.times import iso

    overlap = parse_duration(arguments.overlap)
    if overlap is None:
        raise Misuse("INVALID_OVERLAP", f"--overlap {arguments.overlap}: write a duration, such as 30m, 24h or 7d.")
    key, until = project_of(settings).rotate_key(arguments.prefix, overlap)
    print(key)
    print(
        f"Copy the key now: only its hash is stored. {arguments.prefix} is valid until {iso(until)}.", file=sys.stderr
    )
    return 0


def run_revoke(arguments: argparse.Namespace, settings: Settings) -> int:
    project_of(settings).revoke_key(arguments.prefix)
    print(f"revoked {arguments.prefix}")
    return 0
