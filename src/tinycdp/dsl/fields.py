"""Documents that cannot be read, in words: an unknown field is answered with the valid ones.

Shape   in_words(error, struct) → where, and what to do · valid_instead(name, names), the nearest first
"""

import re
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import inspect

from tinycdp.dsl.suggest import nearest

_UNKNOWN = re.compile(r"Object contains unknown field `(.+)`")
_STEP = re.compile(r"\.([^.\[]+)|\[[^\]]*\]")


def in_words(wrong: msgspec.ValidationError, kind: Any) -> tuple[str, str]:
    """The path of what is wrong with a document of this kind, and a sentence."""
    what, _, where = str(wrong).partition(" - at ")
    path = where.strip("`") or "$"
    if unknown := _UNKNOWN.fullmatch(what):
        return path, f"unknown field `{unknown[1]}`. {valid_instead(unknown[1], _fields_at(kind, path))}"
    return path, f"{what.rstrip('.')}."


def valid_instead(name: str, valid: Iterable[str]) -> str:
    """A sentence that lists the valid names, the nearest one first."""
    names = list(valid)
    near = nearest(name, names)
    if near is not None:
        names = [near, *(other for other in names if other != near)]
    return f"Valid are: {', '.join(names)}." if names else "No fields are valid here."


def _fields_at(kind: Any, path: str) -> list[str]:
    """The fields that an object at this path may have."""
    found = inspect.type_info(kind)
    for step in _STEP.finditer(path):
        found = _within(_object(found), step[1])
    struct = _object(found)
    return [field.encode_name for field in struct.fields] if isinstance(struct, inspect.StructType) else []


def _object(found: inspect.Type) -> inspect.Type:
    """Of a union, what an object or a list can be."""
    if isinstance(found, inspect.UnionType):
        nested = (inspect.StructType, inspect.ListType, inspect.VarTupleType, inspect.DictType)
        return next((one for one in found.types if isinstance(one, nested)), found)
    return found


def _within(found: inspect.Type, name: str | None) -> inspect.Type:
    if isinstance(found, inspect.StructType):
        return next((field.type for field in found.fields if field.encode_name == name), inspect.AnyType())
    if isinstance(found, inspect.DictType):
        return found.value_type
    if isinstance(found, inspect.ListType | inspect.VarTupleType):
        return found.item_type
    return inspect.AnyType()
