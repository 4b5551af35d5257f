"""What editors and server exchange."""

from typing import Any, Literal

import msgspec

from tinycdp.api.definitions.schemas import Cost, Diagnostics, FlagDocument, Meaning, NamedDefinition
from tinycdp.dsl.editor.terms import SubjectKind
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


class TermPart(msgspec.Struct, rename={"start": "from", "end": "to"}, kw_only=True):
    """A part of a term: the characters that say it."""

    start: int
    end: int


class TermSubject(TermPart, rename={"start": "from", "end": "to"}, kw_only=True):
    """What a term is about.

    kind  `any` is every event, `property` one of the profile, `seen` the profile's first or last message
    name  of the event or property, or the key; `first` or `last` for `seen`; null for `any`"""

    kind: SubjectKind
    name: str | None


class TermText(TermPart, rename={"start": "from", "end": "to"}, kw_only=True):
    """A property, the filter of an event as it is written, or a window as `30d` or `90d..30d`."""

    text: str


class TermMeasure(TermPart, rename={"start": "from", "end": "to"}, kw_only=True):
    """What is taken of the subject.

    function  an aggregate, such as `count` or `last_days_ago`; for `seen` `at`, `days_ago` …; or a function
    property  of the event, for an aggregate that takes one; null for others
    quantile  of a percentile"""

    function: str
    property: TermText | None
    quantile: str | None


class TermComparison(TermPart, rename={"start": "from", "end": "to"}, kw_only=True):
    """op: an operator, `in`, `not in`, `between`, `exists`, `contains`, `starts_with` or `ends_with`"""

    op: str


class TermValue(TermPart, rename={"start": "from", "end": "to"}, kw_only=True):
    """What is compared with. value: an instant or a version as it is written, a duration as `3d`"""

    type: str
    value: Any


class TermShape(msgspec.Struct, kw_only=True):
    """A term taken apart.

    where       the filter of the event, null for all
    measure     null for the subject's own value
    window      null for all time
    comparison  null if the subject itself is the condition; `exists` has no value"""

    subject: TermSubject
    where: TermText | None
    measure: TermMeasure | None
    window: TermText | None
    comparison: TermComparison | None
    value: TermValue | None


class Term(TermPart, rename={"start": "from", "end": "to"}, kw_only=True, omit_defaults=True):
    """One term of the outermost `&&` or `||`.

    join     what joins it to the term before; null for the first
    negated  `!` or `not` stands before it
    shape    null if its form is not known: show it as text
    path     of the rule's condition in a flag"""

    join: Literal["and", "or"] | None
    negated: bool
    shape: TermShape | None
    path: str | msgspec.UnsetType = msgspec.UNSET


class CheckedSource(Meaning, frozen=True, rename="camel", kw_only=True):
    """The meaning, and the terms of the source; none if it does not parse."""

    terms: list[Term]


class Validity(CheckedSource, frozen=True, rename="camel", kw_only=True):
    """As for `check`, with the message of the first error; null if valid."""

    error: str | None


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
