"""The types of events and flags, before they are written in a language.

Shape   event_shape(planned) → Record · flag_shape(flag) → Shape
        Shape is Scalar, Literals, Many, Record or Either · comment_lines(words) → lines that a comment can hold
Laws    a value that the plan accepts has the shape; so does each variant's value of a flag
Source  docs/reference/cli-codegen.md; docs/reference/registry.md "The tracking plan"
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from tinycdp.engine.flags.document import Flag
from tinycdp.engine.schema.tracking_plan import PlannedEvent, PlannedProperty


@dataclass(frozen=True)
class Scalar:
    name: Literal["string", "number", "integer", "boolean", "datetime", "any"]


@dataclass(frozen=True)
class Literals:
    """One of these texts, numbers, truth values or null."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Many:
    item: "Shape"


@dataclass
class Member:
    shape: "Shape"
    required: bool = False
    description: str = ""


@dataclass
class Record:
    """An object. open: it may have fields that are not listed."""

    fields: dict[str, Member] = field(default_factory=dict)
    open: bool = True


@dataclass(frozen=True)
class Either:
    """Objects and lists of several shapes."""

    shapes: "tuple[Shape, ...]"


Shape = Scalar | Literals | Many | Record | Either

ANY = Scalar("any")


def event_shape(planned: PlannedEvent) -> Record:
    """The properties of an event. A dotted path is a field of a nested object."""
    root = Record(open=planned.additional)
    # A parent comes before its parts, whatever their order in the plan.
    for path, one in sorted(planned.properties.items(), key=lambda entry: entry[0].count(".")):
        *parents, name = path.split(".")
        inside = root
        for parent in parents:
            inside = _record_in(inside, parent)
            if one.required:
                _require(root, parents)
        known = inside.fields.get(name)
        shape = known.shape if known and isinstance(known.shape, Record) else _property_shape(one)
        inside.fields[name] = Member(shape, one.required, one.description)
    return root


def _record_in(outer: Record, name: str) -> Record:
    found = outer.fields.get(name)
    if found is not None and isinstance(found.shape, Record):
        return found.shape
    record = Record(open=outer.open)
    outer.fields[name] = Member(record, found.required if found else False, found.description if found else "")
    return record


def _require(root: Record, parents: Iterable[str]) -> None:
    """A required part needs what it is in."""
    inside = root
    for parent in parents:
        inside.fields[parent].required = True
        shape = inside.fields[parent].shape
        if not isinstance(shape, Record):
            return
        inside = shape


def _property_shape(planned: PlannedProperty) -> Shape:
    if planned.values:
        return Literals(tuple(planned.values))
    if planned.type is None:
        return ANY
    if planned.type == "list":
        return Many(ANY)
    if planned.type == "object":
        return Record()
    return Scalar(planned.type)


def flag_shape(flag: Flag) -> Shape:
    """What a flag may answer: exactly the variants' values, or for objects their fields."""
    if flag.type == "boolean":
        return Scalar("boolean")
    values = list(flag.variants.values())
    if flag.type == "object":
        return _either([_value_shape(value) for value in values])
    return Literals(tuple(dict.fromkeys(values)))


def _value_shape(value: Any) -> Shape:
    """The type of a JSON value, without what is particular to this one."""
    match value:
        case bool():
            return Scalar("boolean")
        case int() | float() | Decimal():
            return Scalar("number")
        case str():
            return Scalar("string")
        case Mapping():
            fields = {name: Member(_value_shape(inner), required=True) for name, inner in value.items()}
            return Record(fields, open=False)
        case list():
            return Many(_either([_value_shape(item) for item in value]))
    return Literals((None,))


def comment_lines(words: str) -> list[str]:
    """The lines of a description, without characters that end a comment or a file early."""
    lines = ("".join(c if c.isprintable() else " " for c in line).strip() for line in words.splitlines())
    return [line for line in lines if line]


def _either(shapes: list[Shape]) -> Shape:
    distinct = [shape for i, shape in enumerate(shapes) if shape not in shapes[:i]]
    if not distinct:
        return ANY
    return distinct[0] if len(distinct) == 1 else Either(tuple(distinct))
