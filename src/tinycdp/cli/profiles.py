"""`forget` and `suppress`: people who are to be known no longer."""

import argparse
from typing import TYPE_CHECKING

from tinycdp.cli.database import on_database
from tinycdp.cli.options import SCOPED, Misuse, command
from tinycdp.runtime import clock
from tinycdp.runtime.edits import Edit
from tinycdp.settings import Settings

if TYPE_CHECKING:
    from tinycdp.cli.options import Commands
    from tinycdp.runtime.privacy.erasure import Erasure
    from tinycdp.store.pool import Pool


def add_to(commands: "Commands") -> None:
    forget = command(commands, "forget", run_forget, "erase people, and print the receipt", SCOPED)
    forget.add_argument("people", nargs="+", metavar="PERSON", help="an identifier, kind:value, or profileId:number")
    forget.add_argument("--suppress", action="store_true", help="refuse messages of their identifiers, too")
    forget.add_argument("--note", default="", help="why, without personal data: it is kept")
    forget.add_argument("--dry-run", action="store_true", help="keep nothing; say what would go")

    suppress = command(commands, "suppress", run_suppress, "refuse messages that name an identifier", SCOPED)
    suppress.add_argument("identifiers", nargs="+", metavar="KIND:VALUE", help="as in userId:ada")
    suppress.add_argument("--note", default="", help="why")
    suppress.add_argument("--remove", action="store_true", help="take them again")


def run_forget(arguments: argparse.Namespace, settings: Settings) -> int:
    import msgspec

    from tinycdp.api.http.responses import as_schema, encode
    from tinycdp.api.privacy import schemas
    from tinycdp.app import open_erasures

    async def forget(pool: "Pool", environment: int) -> "Erasure":
        erasures = await open_erasures(pool)
        return await erasures.erase(
            environment,
            arguments.people,
            "command line",
            arguments.note,
            refuse=arguments.suppress,
            dry_run=arguments.dry_run,
        )

    receipt = as_schema(on_database(settings, forget), schemas.Erasure)
    print(msgspec.json.format(encode(receipt)).decode())
    return 0


def run_suppress(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.app import open_privacy
    from tinycdp.model import Alias
    from tinycdp.runtime.policies import privacy_rules as lists

    aliases = []
    for text in arguments.identifiers:
        kind, _, value = text.partition(":")
        if not kind or not value:
            raise Misuse("INVALID_BODY", f"{text!r} is not KIND:VALUE, as in userId:ada")
        aliases.append(Alias(kind, value))

    async def change(pool: "Pool", environment: int) -> int:
        privacy = await open_privacy(pool)
        if arguments.remove:
            return await lists.release(pool, privacy, environment, aliases)
        return await lists.suppress(
            pool, privacy, environment, aliases, Edit("command line", clock.now(), arguments.note)
        )

    n = on_database(settings, change)
    print(f"{n} of {len(aliases)} {'taken from' if arguments.remove else 'added to'} the list")
    return 0
