"""What `as` names: functions of one value, and the kinds of values that they take and give.

Shape   FORMATS[name] → Format(takes, gives, function)
Laws    a function never raises: a value that does not fit gives None, which is unknown.
        Numbers keep their digits. Text is UTF-8, and is hashed as it is
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from tinycdp.dsl.values.scalars import parse_instant
from tinycdp.model import Instant
from tinycdp.times import iso

#: Of a value, as far as it is known before there is one.
Kind = Literal["text", "number", "bool", "instant", "list", "any"]
SPOKEN: dict[Kind, str] = {
    "text": "a text",
    "number": "a number",
    "bool": "true or false",
    "instant": "an instant",
    "list": "a list",
    "any": "any value",
}
_LONGEST_NUMBER = 40
#: A number of a message is below 1e29, which is what ingestion holds exactly. A constant may be any number of 64 bits.
_LARGEST_EXPONENT, _LARGEST_EXPONENT_SPELT = 29, 400
_MOST_BITS = 1_400


@dataclass(frozen=True, slots=True)
class Format:
    """takes: the kinds that it takes, beside `any`"""

    takes: frozenset[Kind]
    gives: Kind
    function: Callable[[Any], Any]


def text_of(value: Any) -> str | None:
    """A text, a number or a truth value as text; None for anything else, and for a number of more than 400 digits."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value) if value.bit_length() <= _MOST_BITS else None
        case Decimal():
            is_short = value.is_finite() and abs(value.adjusted()) <= _LARGEST_EXPONENT_SPELT
            return format(value, "f") if is_short else None
        case _:
            return None


def _of_text(change: Callable[[str], Any]) -> Callable[[Any], Any]:
    def run(value: Any) -> Any:
        text = text_of(value)
        return None if text is None else change(text)

    return run


def _of_instant(change: Callable[[Instant], Any]) -> Callable[[Any], Any]:
    def run(value: Any) -> Any:
        at = parse_instant(value) if isinstance(value, str) else None
        return None if at is None else change(at)

    return run


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _number(value: Any) -> Any:
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return value
    if not isinstance(value, str) or len(value) > _LONGEST_NUMBER or not value.isascii():
        return None
    try:
        found = Decimal(value.strip())
    except InvalidOperation:
        return None
    if found.is_zero() or (found.is_finite() and found.adjusted() < -_LARGEST_EXPONENT_SPELT):
        return Decimal(0)
    return found if found.is_finite() and found.adjusted() < _LARGEST_EXPONENT else None


_SCALAR: frozenset[Kind] = frozenset({"text", "number", "bool", "instant"})
_TEXT: frozenset[Kind] = frozenset({"text", "number"})
_TIME: frozenset[Kind] = frozenset({"text", "instant"})

FORMATS: dict[str, Format] = {
    "text": Format(_SCALAR, "text", text_of),
    "trim": Format(_TEXT, "text", _of_text(str.strip)),
    "lower": Format(_TEXT, "text", _of_text(str.lower)),
    "lower_trim": Format(_TEXT, "text", _of_text(lambda text: text.strip().lower())),
    "digits": Format(_TEXT, "text", _of_text(lambda text: "".join(c for c in text if "0" <= c <= "9"))),
    "sha256": Format(_TEXT, "text", _of_text(_sha256)),
    "sha256_lower": Format(_TEXT, "text", _of_text(lambda text: _sha256(text.strip().lower()))),
    "number": Format(_TEXT, "number", _number),
    "iso": Format(_TIME, "text", _of_instant(iso)),
    "date": Format(_TIME, "text", _of_instant(lambda at: iso(at)[:10])),
    "epoch_s": Format(_TIME, "number", _of_instant(lambda at: at // 1000)),
    "epoch_ms": Format(_TIME, "number", _of_instant(lambda at: at)),
}
