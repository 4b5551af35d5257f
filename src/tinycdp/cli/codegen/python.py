"""Types of events and flags as Python, for `tinycdp-client`.

Shape   python(plan, flags) → the text of a module
Laws    the same plan and flags give the same text. Two events whose names become one in Python get a number
Source  docs/reference/cli-codegen.md
"""

import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from tinycdp.cli.codegen.shapes import (
    Either,
    Literals,
    Many,
    Record,
    Scalar,
    Shape,
    comment_lines,
    event_shape,
    flag_shape,
)
from tinycdp.engine.flags.document import Flag
from tinycdp.engine.schema.tracking_plan import PlannedEvent

_HEAD = '''\
"""Written by `tinycdp codegen py`. Do not edit: run it again when the tracking plan or the flags change."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NotRequired, Protocol, TypedDict, TypeVar

_Sent = TypeVar("_Sent", covariant=True)


class Tracks(Protocol[_Sent]):
    """A Client or an AsyncClient."""

    def track(
        self,
        user_id: str | int | None = ...,
        event: str = ...,
        properties: Mapping[str, Any] | None = ...,
        **options: Any,
    ) -> _Sent: ...
'''
#: Names of classes that the module has already.
_TAKEN = {"Any", "Literal", "Mapping", "NotRequired", "Protocol", "Tracks", "TypedDict", "TypeVar"}
_SCALARS = {
    "string": "str",
    "number": "float",
    "integer": "int",
    "boolean": "bool",
    "datetime": "str | datetime",
    "any": "Any",
}


def python(plan: Mapping[str, PlannedEvent], flags: Sequence[Flag]) -> str:
    """A module with a `track_…` function for each event, and the type of each flag's value.

    plan: the entries by event; those of traits, whose names begin with `$`, are left out"""
    module = _Module()
    for name in sorted(plan):
        if not name.startswith("$") and plan[name].status != "blocked":
            module.add_event(name, plan[name])
    for flag in sorted((flag for flag in flags if not flag.archived), key=lambda flag: flag.key):
        module.add_flag(flag)
    return "\n\n".join([_HEAD, *module.parts]).rstrip() + "\n"


class _Module:
    def __init__(self) -> None:
        self.parts: list[str] = []
        self._names = _TAKEN | set(keyword.kwlist)

    def add_event(self, name: str, planned: PlannedEvent) -> None:
        shape = event_shape(planned)
        kind = self._typed(shape, _class_name(name))
        function = self._free(f"track_{_snake(name)}")
        needed = any(one.required for one in shape.fields.values())
        given = "properties: " + kind + ("" if needed else " | None = None")
        words = planned.description.strip() or f"Track `{name}`."
        if planned.status == "deprecated":
            words += "\nDeprecated by the tracking plan."
        lines = [
            f"def {function}(",
            f"    client: Tracks[_Sent], user_id: str | int | None, {given}, **options: Any",
            ") -> _Sent:",
            *_docstring(words),
            f"    return client.track(user_id, {_literal(name)}, properties, **options)",
        ]
        self.parts.append("\n".join(lines) + "\n")

    def add_flag(self, flag: Flag) -> None:
        name = self._free(f"{_class_name(flag.key)}Flag")
        self.parts.append(f"{name} = {self._typed(flag_shape(flag), name)}  # the value of {flag.key}\n")

    def _add_record(self, name: str, record: Record) -> None:
        """The functional form, because a property may have any name."""
        lines = [f'{name} = TypedDict("{name}", {{']
        for key, one in record.fields.items():
            inner = self._typed(one.shape, f"{name}{_class_name(key)}")
            lines += [f"    # {line}" for line in comment_lines(one.description)]
            lines.append(f"    {_literal(key)}: {inner if one.required else f'NotRequired[{inner}]'},")
        self.parts.append("\n".join([*lines, "})"]) + "\n")

    def _typed(self, shape: Shape, name: str) -> str:
        match shape:
            case Scalar(scalar):
                return _SCALARS[scalar]
            case Literals(values):
                return self._of_values(values)
            case Many(item):
                return f"list[{self._typed(item, name + 'Item')}]"
            case Either(shapes):
                return " | ".join(self._typed(one, name) for one in shapes)
            case Record(fields) if not fields:
                return "Mapping[str, Any]"
            case Record():
                inner = self._free(name)
                self._add_record(inner, shape)
                return inner

    def _of_values(self, values: Sequence[object]) -> str:
        """A Literal, which has no floats: those are `float`."""
        if any(isinstance(value, float | Decimal) for value in values):
            return "float"
        if list(values) == [None]:
            return "None"
        return f"Literal[{', '.join(_literal(value) for value in values)}]"

    def _free(self, name: str) -> str:
        free, number = name, 2
        while free in self._names:
            free, number = f"{name}_{number}", number + 1
        self._names.add(free)
        return free


def _words_in(name: str) -> list[str]:
    return re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name) or ["unnamed"]


def _class_name(name: str) -> str:
    joined = "".join(word[:1].upper() + word[1:] for word in _words_in(name))
    return joined if not joined[0].isdigit() else f"_{joined}"


def _snake(name: str) -> str:
    return "_".join(word.lower() for word in _words_in(name))


def _literal(value: object) -> str:
    text = repr(value)
    return f'"{text[1:-1]}"' if text.startswith("'") and '"' not in text else text


def _docstring(words: str) -> Iterator[str]:
    first, *rest = comment_lines(words.replace("\\", "\\\\").replace('"', '\\"')) or [""]
    if not rest:
        yield f'    """{first}"""'
        return
    yield f'    """{first}'
    yield ""
    yield from (f"    {line}" for line in rest)
    yield '    """'
