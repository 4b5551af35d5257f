"""The parts of a mapping, and the value that each makes.

Shape   node.value(given) → a JSON value, or ABSENT · RecordMapping(root, expressions).record(fields, values)
Laws    an unknown value is ABSENT: its field, or its item of a list, is left out, unless `else` says what to write.
        What is read and written is counted while it is: a record beyond MOST_BYTES or MOST_ITEMS is given up
Errors  RecordTooLarge
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Protocol

from tinycdp.products.delivery.mapping.formats import FORMATS, text_of

ABSENT: Any = type("Absent", (), {"__repr__": lambda self: "ABSENT", "__slots__": ()})()
Path = tuple[str, ...]
#: Of values that one record reads and writes, and of items that its loops look at.
MOST_BYTES, MOST_ITEMS = 256_000, 20_000
_SIZE_OF_NUMBER = 16


class RecordTooLarge(Exception):
    """Why no record is made. It has no values in it."""


class RecordMeter:
    """What one record may still cost."""

    __slots__ = ("_bytes", "_items")

    def __init__(self) -> None:
        self._bytes, self._items = MOST_BYTES, MOST_ITEMS

    def spend(self, n: int) -> None:
        """Count bytes."""
        self._bytes -= n
        if self._bytes < 0:
            raise RecordTooLarge(f"The mapping reads and writes more than {MOST_BYTES:,} bytes for one record.")

    def look(self) -> None:
        """Count an item of a list."""
        self._items -= 1
        if self._items < 0:
            raise RecordTooLarge(f"The loops of the mapping look at more than {MOST_ITEMS:,} items for one record.")

    def known(self, value: Any) -> Any:
        """A value that is read, counted; ABSENT for None."""
        if value is None:
            return ABSENT
        if type(value) is str:
            self.spend(_length(value))
        else:
            rest = [value]
            while rest:
                match rest.pop():
                    case str() as text:
                        self.spend(_length(text))
                    case Mapping() as inner:
                        self.spend(sum(map(_length, inner)))
                        rest.extend(inner.values())
                    case list() | tuple() as inner:
                        self.spend(len(inner))
                        rest.extend(inner)
                    case _:
                        self.spend(_SIZE_OF_NUMBER)
        return value


class _FreeMeter(RecordMeter):
    """Of values that are only looked at."""

    __slots__ = ()

    def known(self, value: Any) -> Any:
        """A value that is looked at; ABSENT for None."""
        return ABSENT if value is None else value


_FREE = _FreeMeter()


def _length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class GivenValues:
    """What a record is made of.

    fields  of what happened, nested · values: of each expression · item: of the loop · meter: what it costs"""

    fields: Mapping[str, Any]
    values: Mapping[str, Any]
    meter: RecordMeter
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
        return given.meter.known(self.constant) if self.constant is not None else None


@dataclass(frozen=True, slots=True)
class SourceNode:
    """The value of an expression of the language."""

    source: str

    def value(self, given: GivenValues) -> Any:
        return given.meter.known(given.values.get(self.source))


@dataclass(frozen=True, slots=True)
class FieldNode:
    """A field of what happened."""

    path: Path

    def value(self, given: GivenValues) -> Any:
        return given.meter.known(at_path(given.fields, self.path))


@dataclass(frozen=True, slots=True)
class ItemNode:
    """A field of the item of the loop; the item itself if the path is empty."""

    path: Path

    def value(self, given: GivenValues) -> Any:
        return given.meter.known(at_path(given.item, self.path))


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
            given.meter.spend(len(self.separator))
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
            found = given.meter.known(FORMATS[name].function(found))
        return self.otherwise.value(given) if found is ABSENT and self.otherwise is not None else found


@dataclass(frozen=True, slots=True)
class MembershipTest:
    """Whether a value is one of some constants."""

    operand: MappingNode
    among: frozenset[tuple[bool, Any]]

    @staticmethod
    def of(operand: MappingNode, constants: Iterable[str | int | Decimal]) -> "MembershipTest":
        """The test for these constants."""
        return MembershipTest(operand, frozenset(map(_as_json, constants)))

    def value(self, given: GivenValues) -> Any:
        found = self.operand.value(replace(given, meter=_FREE))
        return isinstance(found, str | int | Decimal) and _as_json(found) in self.among


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
        meter = given.meter
        listed = self.items.value(replace(given, meter=_FREE))
        if not isinstance(listed, list | tuple):
            return ABSENT
        found: list[Any] = []
        for item in listed:
            meter.look()
            inside = GivenValues(given.fields, given.values, meter, item)
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
        found: dict[str, Any] = {}
        for name, inner in self.fields.items():
            if (value := inner.value(given)) is not ABSENT:
                given.meter.spend(len(name))
                found[name] = value
        return found


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
        values  of each expression, as JSON; None is unknown

        Raises RecordTooLarge."""
        found = self.root.value(GivenValues(fields, values, RecordMeter()))
        return None if found is ABSENT else found


def at_path(value: Any, path: Sequence[str]) -> Any:
    """The value at a path of nested objects, None if there is no value."""
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def _as_json(constant: str | int | Decimal) -> tuple[bool, str | int | Decimal]:
    """What is equal if two constants are equal as JSON: 1 is 1.0, and not true."""
    return isinstance(constant, bool), constant
