"""What editors and server exchange."""

import msgspec

from tinycdp.api.definitions.schemas import Cost, Diagnostics, FlagDocument, NamedDefinition
from tinycdp.runtime.definitions.workspace import Kind


class DraftBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An `expression`, or a whole `flag`. With a `key`, cycles show. A flag's expression is a rule's condition."""

    kind: Kind = "segment"
    key: str | None = None
    expression: str | None = None
    flag: FlagDocument | None = None


class Place(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A cursor in a source. With a `key`, the definition that is being written is known too."""

    source: str
    position: int
    kind: Kind = "segment"
    key: str | None = None


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    source: str


class Proposal(msgspec.Struct):
    """An `insert` that ends in a dot or a bracket wants more: ask again after it.

    kind   trait, segment, flag, event, property, aggregate, function, name, window, operator or keyword
    score  from 0 to 1, greater is better"""

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
    """formatted  null for a source that cannot be read; `diagnostics` say why"""

    formatted: str | None
    diagnostics: Diagnostics


class Told(msgspec.Struct, rename={"start": "from", "end": "to"}, omit_defaults=True):
    """One part of an expression in words, in the order of the source.

    path  of the whole condition of a flag's rule: where in the flag it stands"""

    start: int
    end: int
    text: str
    parts: list["Told"] = []
    path: str | None = None


class Read(msgspec.Struct):
    """What is looked at: names of events (`any` is every event), of properties of the profile, of traits of its group,
    and of what the context brings."""

    events: list[str]
    properties: list[str]
    group: list[str]
    context: list[str]
    definitions: list[NamedDefinition]


class InWords(msgspec.Struct):
    """text     the whole in a sentence, for a flag one for each rule; null where there are errors
    tree     the same, part by part; for a flag one tree for each rule
    changes  what makes it another while nothing arrives
    unknown  where it may be unknown, and what that leads to
    cost     as `check` says it"""

    valid: bool
    text: str | None
    tree: list[Told]
    reads: Read
    changes: list[str]
    unknown: list[str]
    cost: Cost
    diagnostics: Diagnostics


class Explanation(msgspec.Struct, rename={"start": "from", "end": "to"}):
    """What stands there. Where that is nothing known, `markdown` is null.

    type  of its value, null for what has none, such as an event"""

    start: int
    end: int
    markdown: str | None
    type: str | None
