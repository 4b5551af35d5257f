"""`forget` and `suppress`: erase or anonymise profiles, and reject their identifiers."""

import argparse
from typing import TYPE_CHECKING

from tinycdp.cli.database import on_database
from tinycdp.cli.options import SCOPED, Misuse, command
from tinycdp.settings import Settings

if TYPE_CHECKING:
    from tinycdp.cli.options import Commands
    from tinycdp.runtime.environment import Environment
    from tinycdp.runtime.privacy.erasure import Erasure


def add_to(commands: "Commands") -> None:
    forget = command(commands, "forget", run_forget, "erase or anonymise profiles, and print the receipt", SCOPED)
    forget.add_argument("profiles", nargs="+", metavar="PROFILE", help="kind:value of an identifier, or profileId:N")
    forget.add_argument(
        "--anonymize", action="store_true", help="keep their events and history, and drop who they are of"
    )
    forget.add_argument("--suppress", action="store_true", help="also reject messages of their identifiers from now on")
    forget.add_argument("--note", default="", help="the reason, stored in the receipt; no personal data")
    forget.add_argument("--dry-run", action="store_true", help="erase nothing; print what would be erased")

    suppress = command(commands, "suppress", run_suppress, "reject messages that name an identifier", SCOPED)
    suppress.add_argument("identifiers", nargs="+", metavar="KIND:VALUE", help="as userId:ada")
    suppress.add_argument("--note", default="", help="the reason, stored with them")
    suppress.add_argument("--remove", action="store_true", help="accept messages that name them again")


def run_forget(arguments: argparse.Namespace, settings: Settings) -> int:
    import msgspec

    from tinycdp.api.http.encoding import as_schema, encode
    from tinycdp.api.privacy import schemas
    from tinycdp.app import open_erasures

    async def forget(environment: "Environment") -> "Erasure":
        erasures = await open_erasures(environment.pool)
        return await erasures.erase(
            environment.id,
            arguments.profiles,
            "command line",
            arguments.note,
            also_suppress=arguments.suppress,
            dry_run=arguments.dry_run,
            kind="anonymization" if arguments.anonymize else "erasure",
        )

    receipt = as_schema(on_database(settings, forget), schemas.Erasure)
    print(msgspec.json.format(encode(receipt)).decode())
    return 0


def run_suppress(arguments: argparse.Namespace, settings: Settings) -> int:
    from tinycdp.app import open_privacy
    from tinycdp.model import Identifier
    from tinycdp.runtime import clock
    from tinycdp.runtime.edits import Edit
    from tinycdp.runtime.policies import privacy_rules as lists

    identifiers = []
    for text in arguments.identifiers:
        kind, _, value = text.partition(":")
        if not kind or not value:
            raise Misuse("INVALID_BODY", f"{text!r} is not KIND:VALUE; write for example userId:ada.")
        identifiers.append(Identifier(kind, value))

    async def change(environment: "Environment") -> int:
        privacy = await open_privacy(environment.pool)
        if arguments.remove:
            return await lists.release(environment, privacy, identifiers)
        return await lists.suppress(
            environment,
            privacy,
            identifiers,
            Edit("command line", clock.now(), arguments.note),
        )

    n = on_database(settings, change)
    print(f"{n} of {len(identifiers)} {'removed from' if arguments.remove else 'added to'} the list")
    return 0
