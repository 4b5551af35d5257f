"""What clients and server exchange about traits, segments and flags."""

from typing import Annotated, Any, Literal

import msgspec

from tinycdp.api.exposures.schemas import RecentExposures
from tinycdp.api.http.encoding import Documented
from tinycdp.api.profiles.schemas import IdentifierRef


class ExpressionBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A trait or a segment.

    expression, rule  two names for the same field
    key               may be left out in a PUT, whose path has it"""

    key: str = ""
    expression: str = ""
    rule: str = ""
    description: str = ""


class SegmentBody(ExpressionBody, kw_only=True, omit_defaults=True):
    """A segment: with a rule, or static.

    static  it has no rule; its members are those of the identifiers on its list"""

    static: bool = False


class ExclusionBody(msgspec.Struct, rename={"since": "from"}):
    """A rule's share of an exclusion group, in per cent.

    Rules of one group never match the same profile."""

    group: str
    since: float
    to: float


class RuleBody(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """If `when` is true, serves one variant, or splits over several.

    split     in hundred-thousandths; they sum to 100000
    rollout   the percentage of profiles that match, with up to three decimals
    exposure  the percentage of these that take part in an experiment, with up to three decimals"""

    when: str
    id: str = ""
    serve: str = ""
    split: dict[str, int] = {}
    rollout: float = 100
    exposure: float = 100
    exclusion: ExclusionBody | None = None


class OverrideBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Serves a variant to one profile or to a segment, before any rule.

    profile  any of its identifiers
    identifier  one of its identifiers, with the kind"""

    serve: str
    profile: str = ""
    identifier: IdentifierRef | None = None
    segment: str = ""


class PrerequisiteBody(msgspec.Struct):
    """Another flag that must serve one of these variants; else this flag serves its off variant."""

    flag: str
    variants: list[str]


class StepBody(msgspec.Struct):
    """From an instant on, the values at these JSON pointers. A rule goes by its index or id."""

    at: str
    set: dict[str, Any]


class DefaultBody(msgspec.Struct):
    serve: str


class FlagBody(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A flag. `{"key", "rule"}` is short for a boolean flag that is on if the rule is true.

    holdouts  boolean flags: if one of them is true for a profile, no rule of this flag applies
    schema    a JSON Schema for the values of all variants
    sticky_for  how long an inactive session keeps its variant, such as `30m`
    sticky    profiles keep the variant that a rollout or split gave them when its numbers change
    evaluation  `client` lets clients decide the flag by its rules, which they then see; see POST /v1/snapshot
    archived  the flag is kept, but never served
    metadata  flat; returned by OFREP"""

    key: str = ""
    rule: str = ""
    type: str = "boolean"
    variants: dict[str, Any] = {}
    off_variant: str = ""
    default: DefaultBody | None = None
    enabled: bool = True
    prerequisites: list[PrerequisiteBody] = []
    holdouts: list[str] = []
    overrides: list[OverrideBody] = []
    rules: list[RuleBody] = []
    schedule: list[StepBody] = []
    schema: dict[str, Any] = {}
    sticky_for: str = ""
    sticky: bool = False
    evaluation: Literal["server", "client"] = "server"
    archived: bool = False
    metadata: dict[str, Any] = {}
    description: str = ""
    salt: str = ""


#: A flag's document, as a plain object: flags/document.py reads it and reports errors.
FlagDocument = Annotated[dict[str, Any], Documented(FlagBody)]
#: A trait's or a segment's.
ExpressionDocument = Annotated[dict[str, Any], Documented(ExpressionBody)]
SegmentDocument = Annotated[dict[str, Any], Documented(SegmentBody)]
#: What PUT takes for a kind.
Document = Annotated[dict[str, Any], Documented(SegmentBody | FlagBody)]


class Span(msgspec.Struct):
    """Characters of the source from `start` to before `end`; `line` and `col` count from 1."""

    start: int
    end: int
    line: int
    col: int


class TextEdit(msgspec.Struct):
    """Replace the characters from `start` to before `end` by `text`."""

    start: int
    end: int
    text: str


class Fix(msgspec.Struct):
    """One quick fix: all its edits together remove the diagnostic."""

    title: str
    edits: list[TextEdit]


class Diagnostic(msgspec.Struct, omit_defaults=True):
    """An error or a warning about an expression.

    path  of the expression in a flag"""

    code: str
    severity: Literal["error", "warning"]
    span: Span
    message: str
    fixes: list[Fix]
    path: str | msgspec.UnsetType = msgspec.UNSET


Diagnostics = Annotated[list[dict[str, Any]], Documented(list[Diagnostic])]


class BackfillProgress(msgspec.Struct, frozen=True, rename="camel"):
    """How far a backfill is, in profiles.

    rate_per_second  of the last seconds, or of the whole run if it is finished; null, like seconds_left, until the
                     first profiles are done and while no worker advances it"""

    done: int
    total: int
    rate_per_second: float | None
    seconds_left: float | None


class Cost(msgspec.Struct, frozen=True, rename="camel"):
    """An estimate for one profile with as many events as are kept.

    state_bytes      of its state
    wakeups_per_day  how often it is computed again without an event
    nodes            the size of the expressions"""

    state_bytes: int
    wakeups_per_day: float
    nodes: int


class Meaning(msgspec.Struct, frozen=True, rename="camel"):
    """What an expression or a flag would mean if it were saved.

    type         bool, number, string, datetime, duration, version, list or dyn; for a flag the type of its values
    canonical    the canonical text; null for a flag, and for an expression that does not parse
    diagnostics  errors and warnings; for a flag with the `path` of the expression"""

    valid: bool
    type: str
    nullable: bool
    canonical: str | None
    cost: Cost
    diagnostics: Diagnostics


class NamedDefinition(msgspec.Struct, frozen=True):
    """The name of a definition."""

    kind: str
    key: str


class EventRead(msgspec.Struct, frozen=True):
    """An event and its properties that are read; the event null means every event."""

    event: str | None
    properties: list[str]


class Impact(msgspec.Struct, frozen=True, rename="camel"):
    """What depends on a definition, and what it depends on.

    used_by     the definitions that name it
    reaches     these and all that depend on them, the nearest first
    uses        the definitions it names
    needs       these and all that they depend on
    events      the events that it or a definition it needs reads
    properties  likewise the properties of the profile, by the first name of each path"""

    kind: str
    key: str
    used_by: list[NamedDefinition]
    reaches: list[NamedDefinition]
    uses: list[NamedDefinition]
    needs: list[NamedDefinition]
    events: list[EventRead]
    properties: list[str]
    revision: int


class Described(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True):
    """What traits, segments and flags have in common.

    status       "live", or "backfilling" until the newest version serves
    type         of its values: bool, number, string, datetime, duration, version, list or dyn
    used_by      the definitions that name it
    updated_at, updated_by  when and by which key or command this version was published
    progress     of the backfill; null if absent
    diagnostics  warnings; only in answers about one definition
    cost         an estimate; only in answers about one definition
    revision     after a save: its revision
    backfilling      after a save: whether its revision backfills"""

    key: str
    description: str
    version: int
    status: str
    type: str
    used_by: list[NamedDefinition]
    updated_at: str
    updated_by: str
    progress: BackfillProgress | None = None
    diagnostics: Diagnostics | msgspec.UnsetType = msgspec.UNSET
    cost: Cost | msgspec.UnsetType = msgspec.UNSET
    revision: int | msgspec.UnsetType = msgspec.UNSET
    backfilling: bool | msgspec.UnsetType = msgspec.UNSET


class Trait(Described, kw_only=True):
    expression: str
    canonical: str
    nullable: bool


class Segment(Described, kw_only=True):
    """A segment.

    static   its members are those of the identifiers on its list; rule and canonical are then empty
    members  as of as_of; null until the segment first goes live
    listed   how many identifiers are on the list of a static segment; null for a rule"""

    rule: str
    canonical: str
    static: bool
    members: int | None
    listed: int | None
    as_of: str


class Flag(Described, kw_only=True):
    """A flag.

    archived   it is kept, and never served
    killed     it is turned off by hand
    rule       the condition of its only rule; null if it has none or several
    document   the whole flag without abbreviations, as PUT takes it
    exposures  profiles per variant lately; only in GET of one flag; null if counting takes too long
    """

    enabled: bool
    archived: bool
    killed: bool
    rule: str | None
    document: FlagDocument
    exposures: RecentExposures | msgspec.UnsetType | None = msgspec.UNSET


class CreatedTrait(Trait, kw_only=True):
    """What was created: its fields, and all of them as `trait` again."""

    trait: Trait


class CreatedSegment(Segment, kw_only=True):
    """What was created: its fields, and all of them as `segment` again."""

    segment: Segment


class CreatedFlag(Flag, kw_only=True):
    """What was created: its fields, and all of them as `flag` again."""

    flag: Flag


class Traits(msgspec.Struct):
    traits: list[Trait]
    revision: int


class Segments(msgspec.Struct):
    segments: list[Segment]
    revision: int


class Flags(msgspec.Struct):
    flags: list[Flag]
    revision: int


class Deleted(msgspec.Struct, rename="camel"):
    """What was deleted, or with `dryRun` would be.

    revision  the newest one now
    """

    key: str
    revision: int
    backfilling: bool
    dry_run: bool


class Backfill(msgspec.Struct, rename="camel"):
    """A revision's backfill.

    finished_at  when it ended, also if it was superseded
    status       `running`, `finished`, or `superseded`: a later revision was published before it was done
    """

    revision: int
    started_at: str
    finished_at: str | None
    status: str
    progress: BackfillProgress


class Backfills(msgspec.Struct):
    backfills: list[Backfill]


class ChangeBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The wanted state of one definition.

    document  as PUT takes it for this kind; null deletes the definition
    expects   the version to replace, 0 for a new definition; if absent, any version
    was       the former key: the definition is renamed, unless that was done before
    """

    kind: str
    key: str
    document: Document | None
    expects: int | None = None
    was: str | None = None


class PromoteBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What to take over from the environment of `X-Source-Key`.

    only     kinds as `flag`, or definitions as `flag:paywall`; by default everything
    note     the reason, shown in the history
    dry_run  save nothing, and answer what would happen
    prune    delete what is selected and not in the source
    """

    only: list[str] = []
    note: str = ""
    dry_run: bool = False
    prune: bool = False


class PublishBody(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True
):
    """Changes to publish as one revision.

    note     the reason, shown in the history
    dry_run  save nothing, and answer what would happen
    prune    delete every definition that is not named
    """

    changes: list[ChangeBody]
    note: str = ""
    dry_run: bool = False
    prune: bool = False


class RestoreBody(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True
):
    """How to restore a revision or a version.

    note     the reason, shown in the history
    dry_run  save nothing, and answer what would happen
    """

    note: str = ""
    dry_run: bool = False


class RenameBody(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True
):
    """A new key for a definition.

    key      the new key
    note     the reason, shown in the history
    dry_run  save nothing, and answer what would happen
    """

    key: str
    note: str = ""
    dry_run: bool = False


class Field(msgspec.Struct, frozen=True):
    """One value that differs. path: a JSON pointer in which rules go by their ids."""

    path: str
    before: Any
    after: Any


class Changed(msgspec.Struct, frozen=True, rename="camel"):
    """How one definition differs.

    action         create, update, rename or delete
    was            its key before, if it was renamed
    version        of what it became, or of what was deleted
    same_meaning   only its name, its layout or its description changed: no membership changes because of it
    before, after  its document; null if absent
    text           the difference as text: lines with - and +, expressions in canonical form
    """

    action: str
    kind: str
    key: str
    was: str | None
    version: int
    same_meaning: bool
    fields: list[Field]
    text: str
    before: Document | None
    after: Document | None


class DefinitionWarnings(msgspec.Struct, frozen=True):
    """The warnings about one definition, such as an event that was never seen."""

    kind: str
    key: str
    diagnostics: Diagnostics


class Published(msgspec.Struct, rename="camel"):
    """What a publish changed, or with `dryRun` would change.

    revision  the newest one now; unchanged if nothing changed
    backfilling   whether the revision backfills before it serves
    warnings  about definitions that it contains; they do not prevent it
    """

    changes: list[Changed]
    revision: int
    backfilling: bool
    dry_run: bool
    warnings: list[DefinitionWarnings]


class Version(msgspec.Struct, frozen=True, rename="camel"):
    """One version of a definition: of the revisions from `revision` to before `until`.

    until     null for the newest version
    live_at   null while its revision backfills
    document  a trait's or segment's expression and description, or the whole flag
    """

    version: int
    key: str
    revision: int
    until: int | None
    author: str
    note: str
    published_at: str
    live_at: str | None
    document: Document


class DefinitionVersions(msgspec.Struct):
    """Newest first."""

    versions: list[Version]


class Revision(msgspec.Struct, frozen=True, rename="camel"):
    """One revision. live_at: null while it backfills."""

    revision: int
    author: str
    note: str
    published_at: str
    live_at: str | None


class NamedChange(NamedDefinition, frozen=True):
    """A definition that a revision changed. action: as of `Changed`."""

    action: str


class ListedRevision(Revision, frozen=True):
    """A revision, and the first 20 definitions that it changed. more: how many others it changed."""

    changed: list[NamedChange]
    more: int


class RevisionDetail(Revision, frozen=True):
    """A revision, and what it changed."""

    changes: list[Changed]


class Revisions(msgspec.Struct):
    """Newest first. `next` is what `before` takes for the following page."""

    revisions: list[ListedRevision]
    next: int | None


class Differences(msgspec.Struct, rename={"since": "from", "until": "to"}):
    since: int
    until: int
    changes: list[Changed]


class KillBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a flag is turned off.

    note  the reason, shown in every decision that the kill affects
    """

    note: str = ""


class Kill(msgspec.Struct, frozen=True, rename="camel"):
    """One time that a flag was off.

    revived_at, revived_by  null while it still is
    """

    killed_at: str
    killed_by: str
    note: str
    revived_at: str | None
    revived_by: str | None


class Kills(msgspec.Struct):
    """Newest first.

    killed  whether the flag is off because of the newest one
    """

    key: str
    killed: bool
    kills: list[Kill]
