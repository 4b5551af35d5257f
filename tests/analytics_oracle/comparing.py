"""Answers made comparable: only what depends on the data, in one order.

Shape   comparable(answer) → plain data · disagreements(found, expected) → list of text, empty if they agree
Laws    left out: asOf, computedAt, zone, question, warnings, what is approximate or sampled, names that a chart shows,
        and intervals that are found by resampling. Instants are compared as instants, numbers as numbers. Rows of
        nothing at the end of a stickiness are left out
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from analytics_oracle.calendar import from_text
from tinycdp.products.analytics.answers.schemas import Answer, ImpactAnswer

_LEFT_OUT = {"as_of", "computed_at", "zone", "question", "warnings", "approximate", "sampled", "name"}


def comparable(answer: Answer) -> Any:
    found = _plain(answer)
    for name in ("lines", "links"):
        if name in found:
            found[name] = sorted(found[name], key=lambda one: json.dumps(_key(one), sort_keys=True))
    if "rows" in found and found["rows"] and "at_least" in (found["rows"][0] or {}):
        found["rows"] = [row for row in found["rows"] if row["at_least"]]
    if isinstance(answer, ImpactAnswer):
        del found["interval"]
    return found


#: Results of floating-point arithmetic: a millionth is no difference.
_ESTIMATES = {"difference", "interval", "always_valid", "p", "chance_to_win"}


def disagreements(found: Answer, expected: Answer) -> list[str]:
    """Where an answer is not the expected one."""
    return list(_disagreements("", comparable(found), comparable(expected)))


def _disagreements(path: str, found: Any, expected: Any, estimated: bool = False) -> Iterator[str]:
    if isinstance(found, dict) and isinstance(expected, dict) and found.keys() == expected.keys():
        for name, value in found.items():
            yield from _disagreements(f"{path}.{name}", value, expected[name], estimated or name in _ESTIMATES)
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        for n, (one, other) in enumerate(zip(found, expected, strict=True)):
            yield from _disagreements(f"{path}[{n}]", one, other, estimated)
    elif found != expected and not (estimated and _is_near(found, expected)):
        yield f"{path}: is {found!r}, not {expected!r}"


def _is_near(found: Any, expected: Any) -> bool:
    return None not in (found, expected) and abs(Decimal(found) - Decimal(expected)) < Decimal("0.000001")


def _key(line: dict[str, Any]) -> Any:
    """What a line or link is of, without its numbers."""
    return {name: repr(line.get(name)) for name in ("series", "group", "days", "step", "source", "target", "other")}


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        fields = {name: getattr(value, name) for name in value.__struct_fields__ if name not in _LEFT_OUT}
        if {"start", "end", "complete"} <= fields.keys():
            fields |= {"start": from_text(fields["start"]), "end": from_text(fields["end"])}
        return {name: _plain(inner) for name, inner in fields.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | Decimal):
        number = Decimal(value)
        return f"{number.normalize():f}" if number else "0"
    return f"text {value}" if isinstance(value, str) else value
