"""What clients and server exchange about erasure and suppression."""

from typing import Annotated

import msgspec

from tinycdp.api.http.params import Note
from tinycdp.runtime.privacy.erasure import Erasure
from tinycdp.runtime.profiles.views import Identifier


class ErasureBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """profiles  1 to 1,000 people, each by an identifier, as `kind:value`, or as `profileId:number`
    note      why, for the receipt; without personal data
    suppress  refuse messages of these identifiers from now on, too
    dry_run   keep nothing; say what would go"""

    profiles: list[str]
    note: Note = ""
    suppress: bool = False
    dry_run: bool = False


class SuppressionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """identifiers  whose messages are refused
    note         why, for the list"""

    identifiers: Annotated[list[Identifier], msgspec.Meta(min_length=1, max_length=10_000)]
    note: Note = ""


class CheckBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """identifiers  of the erased people, to be looked for as well; they are not kept"""

    identifiers: list[Identifier] = []


class SuppressionChange(msgspec.Struct):
    """How many identifiers were added to the list, or taken from it."""

    changed: int


class Erasures(msgspec.Struct):
    """Newest first."""

    erasures: list[Erasure]
    next: str | None


class Suppressed(msgspec.Struct, rename="camel"):
    """digest  the keyed hash of an identifier, which is not kept itself"""

    id: str
    digest: str
    kind: str
    note: str
    created_at: str
    created_by: str


class Suppressions(msgspec.Struct):
    """Newest first."""

    suppressions: list[Suppressed]
    next: str | None
