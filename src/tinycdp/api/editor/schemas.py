"""What editors and server exchange."""

import msgspec

from tinycdp.api.definitions.schemas import Cost, Diagnostics, FlagDocument, NamedDefinition
from tinycdp.runtime.definitions.workspace import Kind
from tinycdp.runtime.schema.editor import Edited


class DraftBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An `expression`, or a whole `flag`.

    A `key` makes cycles visible. With the kind flag, an expression is a rule's condition."""

    kind: Kind = "segment"
    key: str | None = None
    expression: str | None = None
    flag: FlagDocument | None = None


class ExpressionBody(DraftBody, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """As for `check`; `type` is another name for `kind`."""

    type: Kind | None = None


class Place(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A cursor in a source.

    kind   of the definition; or of a filter of a question: `where` of an event, or `people`
    key    of the definition that is being edited
    event  whose properties a `where` reads"""

    source: str
    position: int
    kind: Edited = "segment"
    key: str | None = None
    event: str | None = None


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    source: str


class Proposal(msgspec.Struct):
    """One completion. If `insert` ends in a dot or a bracket, complete again after it.

    kind   trait, segment, flag, event, property, aggregate, function, name, window, operator or keyword
    score  from 0 to 1, greater is better
    """

    label: str
    insert: str
    kind: str
    detail: str
    score: float


class Proposals(msgspec.Struct, rename={"start": "from", "end": "to"}):
    """Best first, at most 50; each replaces the characters from `from` up to `to`."""

    start: int
    end: int
    items: tuple[Proposal, ...]


class Formatted(msgspec.Struct):
    """A formatted source.

    formatted  null if the source does not parse; `diagnostics` has the reasons
    """

    formatted: str | None
    diagnostics: Diagnostics


class ExplainedPart(msgspec.Struct, rename={"start": "from", "end": "to"}, omit_defaults=True):
    """One part of an expression in words, in the order of the source.

    path  of a rule's whole condition in its flag
    """

    start: int
    end: int
    text: str
    parts: list["ExplainedPart"] = []
    path: str | None = None


class SourceReads(msgspec.Struct):
    """What an expression or a flag reads.

    events      their names; `any` is every event
    properties  of the profile
    group       traits of the profile's group
    context     fields of the request's context
    """

    events: list[str]
    properties: list[str]
    group: list[str]
    context: list[str]
    definitions: list[NamedDefinition]


class ExplainedSource(msgspec.Struct):
    """An expression or a flag in plain English.

    text     one sentence, for a flag one for each rule; null if there are errors
    tree     the same, part by part; for a flag one tree for each rule
    changes  what can change the value without a new event
    unknown  which parts may be unknown, and the consequence
    cost     as in `check`
    """

    valid: bool
    text: str | None
    tree: list[ExplainedPart]
    reads: SourceReads
    changes: list[str]
    unknown: list[str]
    cost: Cost
    diagnostics: Diagnostics


class Hover(msgspec.Struct, rename={"start": "from", "end": "to"}):
    """The explanation of a name.

    markdown  null if the name is unknown
    type      of its value; null for a name without a value, such as an event
    """

    start: int
    end: int
    markdown: str | None
    type: str | None
