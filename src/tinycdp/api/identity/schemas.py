"""What clients and server exchange about identity."""

from typing import Annotated, Literal

import msgspec

from tinycdp.api.http.params import Note
from tinycdp.runtime.identity.graph import Blocked, Merge, Refusal
from tinycdp.runtime.profiles.views import Identifier


class MergeBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """profiles  2 to 20 people, each by an identifier, as `kind:value`, or as `profileId:number`
    survivor  whose profile id stays; left out for the oldest's. The bucketing key is the oldest's in any case
    note      why, for the history
    dry_run   keep nothing; say what would happen"""

    profiles: list[str]
    survivor: str | None = None
    note: Note = ""
    dry_run: bool = False


class UndoBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """note     why, for the history
    dry_run  keep nothing; say what would happen"""

    note: Note = ""
    dry_run: bool = False


class SplitBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """identifiers  of this person, to be a person of their own together with what they own
    note         why, for the history
    dry_run      keep nothing; say what would happen"""

    identifiers: Annotated[list[Identifier], msgspec.Meta(min_length=1, max_length=1_000)]
    note: Note = ""
    dry_run: bool = False


class Merges(msgspec.Struct):
    """Newest first."""

    merges: list[Merge]
    next: str | None


class IdentityRefusals(msgspec.Struct):
    """Newest first."""

    refusals: list[Refusal]
    next: str | None


class BlockedValues(msgspec.Struct):
    """The most frequent first."""

    blocked: list[Blocked]


#: Why two identifiers were not joined.
RefusalReason = Literal["CLAIMED", "LIMIT", "NEW_LIMIT", "RULE", "KEPT_APART"]
