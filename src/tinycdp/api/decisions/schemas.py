"""What clients and server exchange about decisions."""

from typing import Any, Literal

import msgspec

from tinycdp.api.definitions.schemas import ChangeBody, Document
from tinycdp.api.profiles.schemas import DefinitionExplanation, FlagExplanation, SkippedEvents
from tinycdp.engine.flags.local import LocalFlag
from tinycdp.errors import InvalidInput
from tinycdp.model import Identifier

#: How a request names a profile; the first that is not empty counts.
IDENTIFIER_FIELDS = ("userId", "profileId", "anonymousId", "deviceId", "externalId", "emailHash")


class Answer(msgspec.Struct, rename="camel"):
    """A flag's answer for one profile.

    allow        whether the flag is on: the value of a boolean flag, for others whether it is not the off variant
    reason       OpenFeature's word; `reasons` has a sentence for each step
    valid_until  the first instant at which the answer may change without a new event, null for never
    version      of the profile, 0 for an unknown one
    explanation  only where it was asked for: every rule, with the value of each part of its condition"""

    flag: str
    allow: bool
    variant: str
    value: Any
    reason: str
    reasons: tuple[str, ...]
    user_id: str | None
    profile_id: str | None
    revision: int
    version: int
    valid_until: str | None
    explanation: FlagExplanation | msgspec.UnsetType = msgspec.UNSET


class ProfileQuery(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """One profile, named in up to six ways; of those that are not empty the first counts."""

    user_id: str | None = None
    profile_id: str | None = None
    anonymous_id: str | None = None
    device_id: str | None = None
    external_id: str | None = None
    email_hash: str | None = None

    def identifiers(self) -> list[Identifier]:
        """The names that are not empty, in the order in which they count."""
        given = (self.user_id, self.profile_id, self.anonymous_id, self.device_id, self.external_id, self.email_hash)
        return [Identifier(kind, value) for kind, value in zip(IDENTIFIER_FIELDS, given, strict=True) if value]

    def identifier(self) -> Identifier:
        """The name that counts. Raises MISSING_IDENTIFIER if all are empty."""
        if found := self.identifiers():
            return found[0]
        raise InvalidInput("MISSING_IDENTIFIER", f"Name a profile with one of {', '.join(IDENTIFIER_FIELDS)}.")


class Question(ProfileQuery, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A question about one profile.

    flags       which to decide; all if left out
    context     what `context.…` in a rule reads
    session_id  keeps the variants of flags with `stickyFor` while the session lasts
    explain     adds the explanations
    exposure    false records no exposures"""

    flags: list[str] | None = None
    context: dict[str, Any] = {}
    min_version: int = 0
    session_id: str | None = None
    explain: bool = False
    exposure: bool = True


class Answers(msgspec.Struct, rename="camel"):
    """`errors` names the flags that were asked for and do not exist."""

    flags: dict[str, Answer]
    errors: dict[str, str]
    revision: int


class LocalQuestion(ProfileQuery, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A profile whose flags a client will decide itself. Without a name: a visitor who has no profile yet.

    min_version  the snapshot includes the write that got this version
    etag         the ETag that the stream sent: the snapshot is at least as new"""

    min_version: int = 0
    etag: str | None = None


class LocalSnapshot(msgspec.Struct, rename="camel"):
    """A profile's flags with everything evaluated that does not read the context. Instants are milliseconds.

    format       1
    as_of        the server's clock when this was made
    valid_until  the first instant at which a flag is not known any more, null for never
    unit         what rollouts and splits divide; null without an identifier
    flags        by key; `ask` if only the server can decide
    stale        the database is away, and this is what was last known
    stream       where the server says that the snapshot has changed, relative to this server"""

    format: int
    as_of: int
    valid_until: int | None
    revision: int
    version: int
    unit: str | None
    flags: dict[str, LocalFlag]
    stale: bool | msgspec.UnsetType = msgspec.UNSET
    stream: str | msgspec.UnsetType = msgspec.UNSET


class ReplayBody(ProfileQuery, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """at  ISO 8601 with a zone, and not in the future
    flags     left out, all there were
    context   what `context.…` in a rule read
    revision  by the definitions of this one, instead of those that served then"""

    at: str
    flags: list[str] | None = None
    context: dict[str, Any] = {}
    revision: int | None = None


class Replay(msgspec.Struct, rename="camel"):
    """Answers as they were at `as_of`; their `version` is 0, because a profile's versions are not kept.

    errors    the flags that were asked for and did not exist
    revision  that decided"""

    flags: dict[str, Answer]
    errors: dict[str, str]
    revision: int
    as_of: str


class ExplainBody(ProfileQuery, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """One definition, live or drafted, for one profile.

    key          of the definition; may be left out for a draft that has none yet
    document     the definition as drafted, as a PUT takes it
    expression   short for a document that has only this rule
    changes      drafts of other definitions, as /v1/admin/publish takes them
    context      what `context.…` in a flag's rules reads
    at           any instant, past or future, ISO 8601 with a zone; by default now
    min_version  the profile includes the write that got this version"""

    kind: Literal["trait", "segment", "flag"]
    key: str | None = None
    document: Document | None = None
    expression: str | None = None
    changes: list[ChangeBody] = []
    context: dict[str, Any] = {}
    at: str | None = None
    min_version: int = 0


class Explained(msgspec.Struct, rename="camel"):
    """One definition explained for one profile: either `definition` or `flag` is present.

    sentence    why, in words, with times in `zone`
    definition  a trait's value or a segment's membership
    flag        its rules, those that were not reached too
    stale       the database is away, and this is what was last known
    version     of the profile; 0 for an unknown one, and where it was computed from raw messages
    tense       whether `asOf` is past, now or to come; what is to come holds if nothing arrives
    draft       it is explained as drafted, on top of `revision`
    skipped     values that do not count because they are text; null if they were not looked for"""

    sentence: str
    definition: DefinitionExplanation | None
    flag: FlagExplanation | None
    profile_id: str | None
    version: int
    revision: int
    stale: bool
    zone: str
    as_of: str
    tense: Literal["past", "now", "future"]
    draft: bool
    skipped: list[SkippedEvents] | None
