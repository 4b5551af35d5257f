"""What clients and server exchange about erasure, export and suppression."""

from typing import Annotated, Literal

import msgspec

from tinycdp.api.http.params import Note
from tinycdp.api.identity.schemas import IdentityGraph
from tinycdp.api.profiles.schemas import IdentifierRef, Profile, ProfileGroup, Transition


class ErasureBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """Profiles to erase.

    profiles  1 to 1,000, each by an identifier, as `kind:value`, or as `profileId:number`
    note      the reason, for the receipt; without personal data
    suppress  also reject messages with these identifiers from now on
    dry_run   change nothing; answer what would be erased
    kind      anonymization: keep events, transitions and exposures, without who they are of"""

    profiles: list[str]
    note: Note = ""
    suppress: bool = False
    dry_run: bool = False
    kind: Literal["erasure", "anonymization"] = "erasure"


class AnonymizationBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """How to anonymise a profile.

    note      the reason, for the receipt; without personal data
    suppress  also reject messages with its identifiers from now on
    dry_run   change nothing; answer what would be anonymised"""

    note: Note = ""
    suppress: bool = False
    dry_run: bool = False


class SuppressionBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """Identifiers to suppress, or to release.

    note     the reason, for the list
    dry_run  change nothing; answer how many would change"""

    identifiers: Annotated[list[IdentifierRef], msgspec.Meta(min_length=1, max_length=10_000)]
    note: Note = ""
    dry_run: bool = False


class CheckBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Identifiers of the erased profiles to search for, too; they are not stored."""

    identifiers: list[IdentifierRef] = []


class SuppressionChange(msgspec.Struct, rename="camel"):
    """How many identifiers were added to the list, or removed from it; or with `dryRun` would be."""

    changed: int
    dry_run: bool


class Erasure(msgspec.Struct, frozen=True, rename="camel"):
    """A receipt.

    id           null for a dry run
    kind         whether events were deleted, or kept without who they are of
    profiles       how many profiles and unknown identifiers were erased
    counts       deleted rows, by table; `blanked` are rows of other profiles without what mentioned these. Events,
                 transitions and exposures of an anonymisation are kept rows
    digests      keyed hashes of the identifiers: a check verifies identifiers against them
    profile_ids  the erased profiles; the ids are never used again"""

    id: str | None
    profiles: int
    identifiers: int
    counts: dict[str, int]
    digests: list[str]
    profile_ids: list[str]
    note: str
    erased_at: str
    erased_by: str
    dry_run: bool = False
    kind: Literal["erasure", "anonymization"] = "erasure"


class Erasures(msgspec.Struct):
    """Newest first."""

    erasures: list[Erasure]
    next: str | None


class ErasureTrace(msgspec.Struct, frozen=True):
    """The rows of a table that still mention the erased profiles."""

    table: str
    rows: int


class ErasureCheck(msgspec.Struct, frozen=True):
    """The result of searching every table."""

    clean: bool
    found: list[ErasureTrace]


class SuppressedIdentifier(msgspec.Struct, rename="camel"):
    """A suppressed identifier.

    digest  its keyed hash; the identifier itself is not stored"""

    id: str
    digest: str
    kind: str
    note: str
    created_at: str
    created_by: str


class Suppressions(msgspec.Struct):
    """Newest first."""

    suppressions: list[SuppressedIdentifier]
    next: str | None


class ExportedExposure(msgspec.Struct, frozen=True, rename="camel"):
    """An exposure of a profile."""

    day: str
    version: int
    variant: str
    rule: str
    unit: str
    first_at: str
    flag: str


class ExportedVariant(msgspec.Struct, frozen=True, rename="camel"):
    """A variant that a session of a profile keeps, or the profile itself.

    session, kept_until  empty and null if the profile keeps it"""

    unit: str
    session: str
    variant: str
    kept_until: str | None


class ExportedListing(msgspec.Struct, frozen=True, rename="camel"):
    """An identifier of a profile on the list of a static segment, now or in the past."""

    segment: str
    kind: str
    value: str
    listed_at: str
    unlisted_at: str | None


class ProfileExport(msgspec.Struct, frozen=True, rename="camel"):
    """Everything stored about a profile; `events` follows, all of them, newest first."""

    profile: Profile
    group: ProfileGroup | None
    exposures: list[ExportedExposure]
    variants: list[ExportedVariant]
    lists: list[ExportedListing]
    rejected_messages: list[str]
    graph: IdentityGraph
    transitions: list[Transition]
