"""The parts of a mapping, and the value that each makes.

Shape   node.value(given) → a JSON value, or ABSENT · RecordMapping(root, expressions).record(fields, values)
Laws    an unknown value is ABSENT: its field, or its item of a list, is left out, unless `else` says what to write
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tinycdp.products.delivery.mapping.formats import FORMATS, text_of

ABSENT: Any = type("Absent", (), {"__repr__": lambda self: "ABSENT", "__slots__": ()})()
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GivenValues:
    """What a record is made of.

    fields  of what happened, nested · values: of each expression · item: of the loop"""

    fields: Mapping[str, Any]
    values: Mapping[str, Any]
    item: Any = None


class MappingNode(Protocol):
    """A part of a mapping."""

    def value(self, given: GivenValues) -> Any:
        """Its value, ABSENT if it is unknown."""


@dataclass(frozen=True, slots=True)
class ConstantNode:
    """A value as it is written."""

    constant: Any

    def value(self, given: GivenValues) -> Any:
        return self.constant


@dataclass(frozen=True, slots=True)
class SourceNode:
    """The value of an expression of the language."""

    source: str

    def value(self, given: GivenValues) -> Any:
        return _known(given.values.get(self.source))


@dataclass(frozen=True, slots=True)
class FieldNode:
    """A field of what happened."""

    path: Path

    def value(self, given: GivenValues) -> Any:
        return _known(at_path(given.fields, self.path))


@dataclass(frozen=True, slots=True)
class ItemNode:
    """A field of the item of the loop; the item itself if the path is empty."""

    path: Path

    def value(self, given: GivenValues) -> Any:
        return _known(at_path(given.item, self.path))


@dataclass(frozen=True, slots=True)
class JoinNode:
    """The text of parts; unknown if one of them is."""

    parts: tuple[MappingNode, ...]
    separator: str

    def value(self, given: GivenValues) -> Any:
        texts: list[str] = []
        for part in self.parts:
            if (text := text_of(part.value(given))) is None:
                return ABSENT
            texts.append(text)
        return self.separator.join(texts)


@dataclass(frozen=True, slots=True)
class FormattedNode:
    """A value in formats, and what is written without one."""

    inner: MappingNode
    formats: tuple[str, ...] = ()
    otherwise: MappingNode | None = None

    def value(self, given: GivenValues) -> Any:
        found = self.inner.value(given)
        for name in self.formats:
            if found is ABSENT:
                break
            found = _known(FORMATS[name].function(found))
        return self.otherwise.value(given) if found is ABSENT and self.otherwise is not None else found


@dataclass(frozen=True, slots=True)
class MembershipTest:
    """Whether a value is one of some constants."""

    operand: MappingNode
    among: tuple[Any, ...]

    def value(self, given: GivenValues) -> Any:
        found = self.operand.value(given)
        return any(_is_same(one, found) for one in self.among)


@dataclass(frozen=True, slots=True)
class ChoiceNode:
    """One of two; unknown is false."""

    condition: MappingNode
    then: MappingNode
    otherwise: MappingNode | None

    def value(self, given: GivenValues) -> Any:
        if self.condition.value(given) is True:
            return self.then.value(given)
        return self.otherwise.value(given) if self.otherwise is not None else ABSENT


@dataclass(frozen=True, slots=True)
class LoopNode:
    """A part for each item of a list that passes a condition, at most `most`."""

    items: MappingNode
    where: MappingNode | None
    of: MappingNode
    most: int

    def value(self, given: GivenValues) -> Any:
        listed = self.items.value(given)
        if not isinstance(listed, list | tuple):
            return ABSENT
        found: list[Any] = []
        for item in listed:
            inside = GivenValues(given.fields, given.values, item)
            if self.where is not None and self.where.value(inside) is not True:
                continue
            if len(found) == self.most:
                break
            if (made := self.of.value(inside)) is not ABSENT:
                found.append(made)
        return found


@dataclass(frozen=True, slots=True)
class ObjectNode:
    """An object."""

    fields: Mapping[str, MappingNode]

    def value(self, given: GivenValues) -> Any:
        found = {name: inner.value(given) for name, inner in self.fields.items()}
        return {name: value for name, value in found.items() if value is not ABSENT}


@dataclass(frozen=True, slots=True)
class ListNode:
    """A list."""

    items: tuple[MappingNode, ...]

    def value(self, given: GivenValues) -> Any:
        return [value for item in self.items if (value := item.value(given)) is not ABSENT]


@dataclass(frozen=True, slots=True)
class UsedSource:
    """An expression or a field, with its place and what becomes of its value.

    is_condition  it has to be true or false · formats: in their order"""

    path: str
    source: str
    formats: tuple[str, ...] = ()
    is_condition: bool = False


@dataclass(frozen=True, slots=True)
class RecordMapping:
    """A mapping that was read.

    expressions  all that are read, each once
    used         each use of an expression, and of a field"""

    root: MappingNode
    expressions: tuple[str, ...]
    used: tuple[UsedSource, ...] = field(default=(), repr=False)
    fields: tuple[UsedSource, ...] = field(default=(), repr=False)

    def record(self, fields: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
        """The record of one happening, or of one profile.

        fields  of what happened, nested, as docs/reference/mapping.md lists them
        values  of each expression, as JSON; None is unknown"""
        found = self.root.value(GivenValues(fields, values))
        return None if found is ABSENT else found


def at_path(value: Any, path: Sequence[str]) -> Any:
    """The value at a path of nested objects, None if there is no value."""
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def _known(value: Any) -> Any:
    return ABSENT if value is None else value


def _is_same(one: Any, other: Any) -> bool:
    """Whether two constants are equal as JSON: 1 is 1.0, and not true."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
