"""Types of events and flags as TypeScript, for `@tinycdp/sdk`.

Shape   typescript(plan, flags) → the text of a module
Laws    the same plan and flags give the same text; nothing of it is left at run time
Source  docs/reference/cli-codegen.md
"""

import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

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

_HEAD = """\
// Written by `tinycdp codegen ts`. Do not edit: run it again when the tracking plan or the flags change.
import "@tinycdp/sdk"

declare module "@tinycdp/sdk" {
"""
_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*", re.ASCII)
_SCALARS = {
    "string": "string",
    "number": "number",
    "integer": "number",
    "boolean": "boolean",
    "datetime": "string | Date",
    "any": "unknown",
}
_json = msgspec.json.Encoder(decimal_format="number")


def typescript(plan: Mapping[str, PlannedEvent], flags: Sequence[Flag]) -> str:
    """A module that types `track` and `flag`.

    plan: the entries by event; those of traits, whose names begin with `$`, are left out"""
    events = [line for name in sorted(plan) for line in _event(name, plan[name])]
    values = [line for flag in sorted(flags, key=lambda flag: flag.key) for line in _flag(flag)]
    return _HEAD + _interface("EventTypes", events) + "\n" + _interface("FlagTypes", values) + "}\n"


def _interface(name: str, lines: Sequence[str]) -> str:
    if not lines:
        return f"  interface {name} {{}}\n"
    return "\n".join([f"  interface {name} {{", *(f"    {line}" for line in lines), "  }"]) + "\n"


def _event(name: str, planned: PlannedEvent) -> Iterator[str]:
    if name.startswith("$") or planned.status == "blocked":
        return
    words = planned.description
    if planned.status == "deprecated":
        words = f"{words}\n@deprecated".lstrip()
    yield from _comment(words)
    yield f"{_key(name)}: {_typed(event_shape(planned), indent='    ')}"


def _flag(flag: Flag) -> Iterator[str]:
    if not flag.archived:
        yield f"{_key(flag.key)}: {_typed(flag_shape(flag), indent='    ')}"


def _comment(words: str) -> Iterator[str]:
    lines = comment_lines(words.replace("*/", "*\\/"))
    if len(lines) == 1:
        yield f"/** {lines[0]} */"
    elif lines:
        yield "/**"
        yield from (f" * {line}" for line in lines)
        yield " */"


def _key(name: str) -> str:
    return name if _NAME.fullmatch(name) else _literal(name)


def _literal(value: object) -> str:
    return _json.encode(value).decode()


def _typed(shape: Shape, indent: str) -> str:
    match shape:
        case Scalar(name):
            return _SCALARS[name]
        case Literals(values):
            return " | ".join(_literal(value) for value in values)
        case Many(item):
            return f"Array<{_typed(item, indent)}>"
        case Either(shapes):
            return " | ".join(_typed(one, indent) for one in shapes)
        case Record():
            return _record(shape, indent)


def _record(record: Record, indent: str) -> str:
    inner = indent + "  "
    lines: list[str] = []
    for name, one in record.fields.items():
        lines += _comment(one.description)
        lines.append(f"{_key(name)}{'' if one.required else '?'}: {_typed(one.shape, inner)}")
    if record.open:
        lines.append("[property: string]: unknown")
    if not lines:
        return "Record<string, never>"
    return "\n".join(["{", *(f"{inner}{line}" for line in lines), f"{indent}}}"])
