"""Wire structs of the members of segments, and of the lists of static ones."""

from typing import Literal

import msgspec

from tinycdp.api.profiles.schemas import IdentifierRef, ProfileSummary


class ListEdit(msgspec.Struct, forbid_unknown_fields=True):
    """An edit of a list: of identifiers, or of those of the members of another segment.

    identifiers  a text is a userId
    copy         the key of a segment: of each of its members now, the identifiers of the strongest kind are listed
    """

    mode: Literal["add", "remove", "replace"] = "add"
    identifiers: list[IdentifierRef | str] | None = None
    copy: str | None = None


class ListChange(msgspec.Struct, frozen=True, rename="camel"):
    """What an edit of a list did, or would do.

    received       identifiers that were sent; those without an effect were listed, or not listed, before
    suppressed     identifiers left out because they are suppressed
    entered, left  profiles that became members, or stopped being members; null for a dry run
    version        of the last profile written, for `minVersion`; null if none was
    """

    segment: str
    mode: Literal["add", "remove", "replace"]
    received: int
    added: int
    removed: int
    suppressed: int
    entered: int | None
    left: int | None
    version: int | None
    dry_run: bool


class ListedIdentifier(msgspec.Struct, frozen=True, rename="camel"):
    """An identifier on a list. profile_id: null until a message names it"""

    kind: str
    value: str
    listed_at: str
    profile_id: str | None


class ListedIdentifiers(msgspec.Struct, frozen=True):
    """A page of a list, by kind and value. next: `after` of the next page; null at the end"""

    identifiers: list[ListedIdentifier]
    next: str | None


class Member(ProfileSummary, frozen=True, rename="camel"):
    entered_at: str


class Members(msgspec.Struct, rename="camel"):
    """In the order of profile ids. `next` is what `after` takes for the following page.

    total  how many members there are on all pages; null on a page by `after`, and if it need not be counted"""

    members: list[Member]
    next: str | None
    as_of: str
    total: int | None
