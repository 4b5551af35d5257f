"""Why a document cannot be read, in plain words, with the nearest valid name.

Shape   in_words(error, struct, document) → the path of what is wrong, and a sentence · all_in_words(struct, document) →
        all that is wrong · valid_instead(name, names), a sentence with the nearest first · shown(value) as a message
        shows a value · kind_in_words(annotation)
Laws    no text of the decoder and no name of a Python type is in a sentence. The path is a JSONPath to the very field,
        also below an object with free keys. A value is shown as JSON, cut to its first characters
"""

import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import inspect

from tinycdp.dsl.suggest import did_you_mean, nearest

_UNKNOWN = re.compile(r"Object contains unknown field `(.+)`")
_MISSING = re.compile(r"Object missing required field `(.+)`")
_EXPECTED = re.compile(r"Expected `([^`]+)`, got `([^`]+)`")
_BOUND = re.compile(r"Expected `([^`]+)` (of length )?(>=|<=|>|<|==) (\S+)")
_LENGTH = re.compile(r"Expected `(array|object)` of (?:length|at least length) (\d+)")
_PATTERN = re.compile(r"Expected `str` matching regex (.+)")
_INVALID = re.compile(r"Invalid (?:enum )?value (.+)", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]|\[\.\.\.\]")
_NAME = re.compile(r"[A-Za-z_$][\w$-]*")

_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "decimal.Decimal": "a number",
    "str": "a string",
    "bool": "true or false",
    "null": "null",
    "object": "an object",
    "array": "a list",
    "bytes": "a string of base64",
    "date": "a day, such as 2026-11-01",
    "datetime": "an instant, such as 2026-11-01T09:00:00Z",
}
_COMPARED = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than", "==": "exactly"}
_COUNTED = {"str": "character", "array": "item", "object": "field", "bytes": "byte"}
#: One step of a path of ours.
_PLACE = re.compile(r"""\.([A-Za-z_$][\w$-]*)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]""")
_MOST_FAULTS = 50
#: How much of a value a message shows.
_SHOWN = 40


def in_words(wrong: msgspec.ValidationError, kind: Any, document: Any, also: Sequence[str] = ()) -> tuple[str, str]:
    """The path of what is wrong with a document that does not convert to this kind, and a sentence.

    also: fields that the document may have beside those of the kind. Slow: the document is searched again."""
    return _fault(wrong, kind, document, also)[:2]


def all_in_words(kind: Any, document: Any, also: Sequence[str] = ()) -> tuple[list[tuple[str, str]], Any]:
    """All that is wrong with a document, and the document as this kind with stopgaps at these places.

    The latter is None if no stopgap fits. Each mistake costs a conversion."""
    found: dict[str, str] = {}
    whole = _mutable(document)
    while True:
        try:
            return list(found.items()), msgspec.convert(whole, kind, strict=True)
        except msgspec.ValidationError as wrong:
            path, sentence, expected = _fault(wrong, kind, whole, also)
            if path in found:
                return list(found.items()), None
            found[path] = sentence
            if len(found) == _MOST_FAULTS or not _replace(whole, path, expected):
                return list(found.items()), None


def _fault(
    wrong: msgspec.ValidationError, kind: Any, document: Any, also: Sequence[str]
) -> tuple[str, str, inspect.Type | None]:
    """The path and the sentence, with the type that belongs there; None if nothing does."""
    what, _, where = str(wrong).partition(" - at ")
    where = where.removeprefix("`key` in ").strip("`") or "$"
    path, found, expected = _walk(kind, document, where)
    if found is _LOST:
        return path, "expected another value.", expected
    if _INVALID.fullmatch(what) and (tags := _tags_at(kind, document, where)):
        return path, f"expected one of {', '.join(tags)}; found {shown(found)}.{did_you_mean(str(found), tags)}", None
    if unknown := _UNKNOWN.fullmatch(what):
        names = [*_fields_of(expected, found), *(also if path == "$" else ())]
        return _below(path, unknown[1]), f"unknown field. {valid_instead(unknown[1], names)}", None
    if missing := _MISSING.fullmatch(what):
        field, tagged = _tagged(expected)
        if missing[1] == field:
            return _below(path, field), f"this field is missing; give one of {', '.join(tagged)}.", None
        absent = _within(_object(expected, found), missing[1])
        return _below(path, missing[1]), f"this field is missing; give {_of_type(absent)}.", absent
    return *_sentence(what, path, found, expected), expected


def valid_instead(name: str, valid: Iterable[str]) -> str:
    """A sentence that lists the valid names, the nearest one first."""
    names = list(valid)
    near = nearest(name, names)
    if near is not None:
        names = [near, *(other for other in names if other != near)]
    asked = f"Did you mean `{near}`? " if near is not None else ""
    return f"{asked}Valid are: {', '.join(names)}." if names else "No fields are valid here."


def shown(value: Any) -> str:
    """A value of a document with its kind: the string "3", the number 1.5, true.

    Of a list or an object only its size and names: its values may be secret."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return f"an object with {_cut(', '.join(map(str, value)))}" if value else "an empty object"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}" if value else "an empty list"
    if isinstance(value, str):
        return f"the string {_cut(_json(value))}"
    return f"the number {_cut(str(value))}"


def _cut(text: str) -> str:
    return f"{text[:_SHOWN]}…" if len(text) > _SHOWN else text


def kind_in_words(kind: Any) -> str:
    """What a type takes, for example "a whole number"; of a union, without null."""
    return _of_type(inspect.type_info(kind))


def _json(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
        return "…"


def _sentence(what: str, path: str, found: Any, expected: inspect.Type) -> tuple[str, str]:
    if bound := _BOUND.fullmatch(what):
        kind, of_length, compared, limit = bound.groups()
        if of_length:
            n = f"{int(limit):,} {_COUNTED.get(kind, 'item')}{'' if limit == '1' else 's'}"
            size = f"; there are {len(found):,}" if hasattr(found, "__len__") else ""
            return path, f"expected {_COMPARED[compared]} {n}{size}."
        return path, f"expected {_TYPES.get(kind, 'a value')}, {_COMPARED[compared]} {limit}; found {shown(found)}."
    if length := _LENGTH.match(what):
        return path, f"expected {_TYPES[length[1]]} of {length[2]}; found {shown(found)}."
    if _PATTERN.fullmatch(what):
        return path, f"{shown(found)} has characters that are not allowed here."
    if _INVALID.fullmatch(what) and (choices := _choices(expected)):
        return path, f"expected one of {', '.join(choices)}; found {shown(found)}.{_nearest_choice(found, choices)}"
    if (mismatch := _EXPECTED.match(what)) or what.startswith(("Invalid", "Integer", "Number")):
        kinds = _union(mismatch[1]) if mismatch else _of_type(expected)
        if choices := _choices(expected):
            kinds = f"one of {', '.join(choices)}"
        return path, f"expected {kinds}; found {shown(found)}.{_without_quotes(kinds, found)}"
    # Only what a struct of ours says of itself is left.
    return path, f"{what[:1].lower()}{what[1:].rstrip('.')}."


def _union(types: str) -> str:
    """A union without null: a field that may be null may also be left out."""
    names = [name for name in types.split(" | ") if name != "null"] or ["null"]
    return _or([_TYPES.get(name, "another value") for name in names])


def _or(kinds: list[str]) -> str:
    unique = list(dict.fromkeys(kinds))
    return " or ".join((", ".join(unique[:-1]), unique[-1])) if len(unique) > 1 else unique[0]


def _without_quotes(kinds: str, found: Any) -> str:
    """What to do with a number or a boolean that was sent as a string."""
    if not isinstance(found, str):
        return ""
    numeric = "number" in kinds and re.fullmatch(r"-?\d+(\.\d+)?", found)
    return " Leave out the quotes." if numeric or ("true or false" in kinds and found in {"true", "false"}) else ""


def _choices(expected: inspect.Type) -> list[str]:
    found = _object(expected)
    types = found.types if isinstance(found, inspect.UnionType) else (found,)
    for one in types:
        if isinstance(one, inspect.LiteralType):
            return [str(value) for value in one.values]
        if isinstance(one, inspect.EnumType):
            return [str(member.value) for member in one.cls]
    return []


def _nearest_choice(found: Any, choices: list[str]) -> str:
    near = nearest(found, choices) if isinstance(found, str) else None
    return f" Did you mean `{near}`?" if near is not None else ""


def _of_type(found: inspect.Type) -> str:
    match found:
        case inspect.UnionType():
            return _or([_of_type(one) for one in found.types if not isinstance(one, inspect.NoneType)])
        case inspect.BoolType():
            return _TYPES["bool"]
        case inspect.IntType():
            return _TYPES["int"]
        case inspect.FloatType() | inspect.DecimalType():
            return _TYPES["float"]
        case inspect.StrType():
            return _TYPES["str"]
        case inspect.DateType():
            return _TYPES["date"]
        case inspect.DateTimeType():
            return _TYPES["datetime"]
        case inspect.LiteralType() | inspect.EnumType():
            return f"one of {', '.join(_choices(found))}"
        case inspect.ListType() | inspect.VarTupleType() | inspect.TupleType() | inspect.SetType():
            return _TYPES["array"]
        case inspect.StructType() | inspect.DictType() | inspect.DataclassType():
            return _TYPES["object"]
        case _:
            return "a value"


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if _NAME.fullmatch(name) else f"{path}[{_json(name)}]"


# Stopgaps


def _mutable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _mutable(inner) for name, inner in value.items()}
    return [_mutable(inner) for inner in value] if isinstance(value, list | tuple) else value


def _replace(document: Any, path: str, expected: inspect.Type | None) -> bool:
    """Put a value of this type at a path, or remove what is there. Returns False if the path leads nowhere."""
    steps = [
        step[1] if step[1] is not None else int(step[2]) if step[2] is not None else msgspec.json.decode(step[3])
        for step in _PLACE.finditer(path.removeprefix("$"))
    ]
    if not steps:
        return False
    with contextlib.suppress(KeyError, IndexError, TypeError):
        for step in steps[:-1]:
            document = document[step]
        if expected is None:
            del document[steps[-1]]
        else:
            document[steps[-1]] = _stopgap(expected)
        return True
    return False


def _stopgap(expected: inspect.Type) -> Any:
    """The simplest value of a type."""
    match expected:
        case inspect.UnionType():
            return (
                None
                if any(isinstance(one, inspect.NoneType) for one in expected.types)
                else _stopgap(expected.types[0])
            )
        case inspect.StructType():
            return {field.encode_name: _stopgap(field.type) for field in expected.fields if field.required}
        case inspect.LiteralType() | inspect.EnumType():
            return _choices(expected)[0]
        case inspect.BoolType():
            return False
        case inspect.IntType() | inspect.FloatType() | inspect.DecimalType():
            return 0
        case inspect.StrType():
            return ""
        case inspect.ListType() | inspect.VarTupleType():
            return []
        case inspect.DictType():
            return {}
        case _:
            return None


# Where it is

_LOST: Any = object()


def _walk(kind: Any, document: Any, where: str) -> tuple[str, Any, inspect.Type]:
    """The exact path, the value and the type at msgspec's path, which leaves out the keys of free objects."""
    path, found, expected = "$", document, inspect.type_info(kind)
    for step in _STEP.finditer(where.removeprefix("$")):
        outer = _object(expected, found)
        if step[1] is not None:
            inner, path = (found.get(step[1], _LOST) if isinstance(found, Mapping) else _LOST), _below(path, step[1])
            expected = _within(outer, step[1])
        elif step[2] is not None:
            n = int(step[2])
            inner = found[n] if isinstance(found, list | tuple) and n < len(found) else _LOST
            path, expected = f"{path}[{n}]", _within(outer, None)
        else:
            expected = _within(outer, None)
            key, inner = _culprit(found, expected)
            path = _below(path, key)
        found = inner
        if found is _LOST:
            break
    return path, found, expected


def _culprit(found: Any, expected: inspect.Type) -> tuple[str, Any]:
    """The first entry of an object with free keys whose value does not fit."""
    if isinstance(found, Mapping):
        for key, value in found.items():
            if not _fits(value, expected):
                return str(key), value
    return "…", _LOST


def _fits(value: Any, expected: inspect.Type) -> bool:
    """Whether a value converts, as far as the type tells by itself."""
    match expected:
        case inspect.StructType():
            kind: Any = expected.cls
        case inspect.UnionType():
            return any(_fits(value, one) for one in expected.types)
        case inspect.NoneType():
            return value is None
        case inspect.StrType():
            return isinstance(value, str)
        case inspect.BoolType():
            return isinstance(value, bool)
        case inspect.IntType():
            return isinstance(value, int) and not isinstance(value, bool)
        case inspect.FloatType() | inspect.DecimalType():
            return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
        case inspect.ListType() | inspect.VarTupleType():
            inside = expected.item_type
            return isinstance(value, list | tuple) and all(_fits(one, inside) for one in value)
        case inspect.DictType():
            return isinstance(value, Mapping) and all(_fits(one, expected.value_type) for one in value.values())
        case _:
            return True
    with contextlib.suppress(msgspec.ValidationError):
        msgspec.convert(value, kind)
        return True
    return False


def _fields_of(expected: inspect.Type, value: Any) -> list[str]:
    struct = _object(expected, value)
    return [field.encode_name for field in struct.fields] if isinstance(struct, inspect.StructType) else []


def _tagged(found: inspect.Type) -> tuple[str, dict[str, inspect.StructType]]:
    """The field that tells the structs of a union apart, and the struct for each of its values.

    Empty if there is no such field."""
    types = found.types if isinstance(found, inspect.UnionType) else ()
    structs = {str(one.tag): one for one in types if isinstance(one, inspect.StructType) and one.tag is not None}
    fields = {one.tag_field or "" for one in structs.values()}
    return (fields.pop(), structs) if len(structs) > 1 else ("", {})


def _tags_at(kind: Any, document: Any, where: str) -> list[str]:
    """The valid values of the field at a path, if it tells structs of a union apart."""
    outer, _, name = where.rpartition(".")
    field, tagged = _tagged(_walk(kind, document, outer)[2]) if outer else ("", {})
    return list(tagged) if name == field else []


def _object(found: inspect.Type, value: Any = None) -> inspect.Type:
    """Of a union, what an object or a list can be; of structs that are told apart by a field, the one of this value."""
    if isinstance(found, inspect.UnionType):
        field, tagged = _tagged(found)
        if isinstance(value, Mapping) and (chosen := tagged.get(str(value.get(field)))):
            return chosen
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
