"""Values at run time, and how each is read from JSON and from text.

Shape   None is unknown; bool; str; Number counts billionths; int is an instant or a duration in milliseconds; a version
        is a tuple that compares as it does; Json has a value and its canonical text
Laws    a value that cannot be read is unknown; nothing is converted
Source  dsl/SNAPSHOT.md "Values", "Functions"
"""

import datetime as dt
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tinycdp_client.messages import to_json

SCALE = 10**9
_LIMIT = 10**38

_NUMERIC = r"(?:0|[1-9][0-9]{0,17})"
_IDENTIFIERS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_VERSION = re.compile(
    rf"[vV]?({_NUMERIC})(?:\.({_NUMERIC}))?(?:\.({_NUMERIC}))?(?:-({_IDENTIFIERS}))?(?:\+{_IDENTIFIERS})?"
)
_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?([Zz]|[+-]\d\d(?::?[0-5]\d)?)", re.ASCII
)
#: U+0000 as JSON writes it, and not a backslash before `u0000`.
_NUL = re.compile(r"((?<!\\)(?:\\\\)*)\\u0000")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Number(int):
    """Whole billionths: 1.5 is Number(1_500_000_000)."""

    __slots__ = ()


class Json:
    """A JSON value, and the text that equal values share."""

    __slots__ = ("text", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.text = _canonical(value)

    @property
    def kind(self) -> str:
        """What it is, by the first character of its text."""
        first = self.text[0]
        return "n" if first in "-0123456789" else first.replace("f", "t")


def number(scaled: int) -> Number | None:
    """Billionths as a number; unknown if they need more than 38 digits."""
    return Number(scaled) if -_LIMIT < scaled < _LIMIT else None


def rounded(numerator: int, denominator: int) -> int:
    """The nearest whole number, half away from zero; the denominator is not zero."""
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    if numerator < 0:
        return -((-2 * numerator + denominator) // (2 * denominator))
    return (2 * numerator + denominator) // (2 * denominator)


def read_number(value: Any) -> Number | None:
    """A number of JSON, or its text, rounded to nine digits."""
    decimal = value if isinstance(value, Decimal) else Decimal(value)
    if not decimal.is_finite() or decimal.adjusted() > 29:
        return None
    if decimal.adjusted() < -10:
        return Number(0)
    sign, digits, exponent = decimal.as_tuple()
    assert isinstance(exponent, int)
    whole = int("".join(map(str, digits)) or "0") * (-1 if sign else 1)
    shift = exponent + 9
    return number(whole * 10**shift if shift >= 0 else rounded(whole, 10**-shift))


def read_version(text: str) -> tuple[Any, ...] | None:
    """A version as a tuple that compares like it."""
    match = _VERSION.fullmatch(text) if len(text) <= 256 else None
    if match is None:
        return None
    major, minor, patch, prerelease = match.groups()
    core = int(major), int(minor or 0), int(patch or 0)
    if prerelease is None:
        return (*core, 1, ())
    identifiers: list[tuple[int, int, str]] = []
    for part in prerelease.split("."):
        if not part.isdigit():
            identifiers.append((1, 0, part))
        elif len(part) > 18 or (len(part) > 1 and part.startswith("0")):
            return None
        else:
            identifiers.append((0, int(part), ""))
    return (*core, 0, tuple(identifiers))


def read_instant(text: str) -> int | None:
    """Milliseconds UTC of a date and a time with a zone."""
    match = _INSTANT.fullmatch(text)
    if match is None:
        return None
    day, clock, seconds, fraction, zone = match.groups()
    try:
        moment = dt.datetime.fromisoformat(f"{day}T{clock}:{seconds or '00'}{'+00:00' if zone in 'Zz' else zone}")
        whole = (moment - _EPOCH) // dt.timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        return None
    return whole + int((fraction or "").ljust(3, "0")[:3])


def read_context(context: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The context as the server would read its JSON. Raises messages.Invalid if it has none."""
    if not context:
        return {}
    text = _NUL.sub("\\1\N{REPLACEMENT CHARACTER}", to_json(dict(context)).decode())
    found: dict[str, Any] = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    return found


def typed(value: Any, type: str) -> Any:
    """A JSON value as a value of this type; unknown if it has another one."""
    if value is None:
        return None
    match type:
        case "string":
            return value if isinstance(value, str) else None
        case "bool":
            return value if isinstance(value, bool) else None
        case "number":
            return read_number(value) if isinstance(value, Decimal) else None
        case "instant":
            return read_instant(value) if isinstance(value, str) else None
        case "list":
            return Json(value) if isinstance(value, list) else None
        case "json" if isinstance(value, Decimal):
            scaled = read_number(value)
            return None if scaled is None else Json(Decimal(int(scaled)).scaleb(-9) if scaled else Decimal(0))
        case "json":
            return Json(value)
    raise KeyError(type)


def _canonical(value: Any) -> str:
    """The text of a JSON value: names in order, numbers as digits and exponent, no spaces."""
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(f"{_quoted(name)}:{_canonical(value[name])}" for name in names) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_canonical, value)) + "]"
    if isinstance(value, Decimal):
        sign, digits, exponent = value.as_tuple()
        assert isinstance(exponent, int)
        text = "".join(map(str, digits)).lstrip("0")
        short = text.rstrip("0")
        return f"{'-' if sign else ''}{short}e{exponent + len(text) - len(short)}" if short else "0"
    return _quoted(value)


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
