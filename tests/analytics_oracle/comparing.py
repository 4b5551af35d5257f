"""Answers made comparable: only what depends on the data, in one order.

Shape   comparable(answer) → plain data; two answers are equal if these are
Laws    left out: asOf, computedAt, zone, question, warnings, what is approximate or sampled, names that a chart shows,
        and intervals that are found by resampling. Instants are compared as instants, numbers as numbers. Rows of
        nothing at the end of a stickiness are left out
"""

import json
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
