"""Values in readable form: instants, durations, numbers, versions, texts.

Units   instants and durations in milliseconds; instants are shown in UTC
Laws    nothing is rounded but a measured span; texts longer than LONGEST are cut
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tinycdp.dsl.editor.format import format_string
from tinycdp.dsl.ir import Type
from tinycdp.dsl.values.scalars import version_text
from tinycdp.model import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

UNIT_NAMES = {SECOND_MS: "second", MINUTE_MS: "minute", HOUR_MS: "hour", DAY_MS: "day"}
LONGEST = 80
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def constant(type_: Type, value: Any) -> str:
    """A literal of the language, of any type."""
    if type_ is Type.DATETIME:
        return utc(value)
    if type_ is Type.DURATION:
        return duration(value)
    if type_ is Type.VERSION:
        return f"version {version_text(value)}"
    return literal(value)


def utc(ms: int) -> str:
    """An instant like 2026-01-31 09:30 UTC; seconds are shown unless they are zero."""
    try:
        moment = _EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        return "the end of time" if ms > 0 else "the beginning of time"
    seconds = f":{moment:%S}" if moment.second or moment.microsecond else ""
    fraction = f".{moment.microsecond // 1000:03d}" if moment.microsecond else ""
    return f"{moment.year:04d}-{moment:%m-%d %H:%M}{seconds}{fraction} UTC"


def duration(ms: int, *, article: bool = True) -> str:
    """A duration in its largest exact unit: "a day", "90 minutes"."""
    unit = next(unit for unit in (DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS) if ms % unit == 0)
    count, name = ms // unit, UNIT_NAMES[unit]
    if count == 1:
        return f"{'an' if unit == HOUR_MS else 'a'} {name}" if article else name
    return f"{count:,} {name}s" if count else "no time"


def span(ms: int) -> str:
    """A measured duration in its two largest units, rounded down: "2 days 3 hours", "minus 90 seconds"."""
    if ms < 0:
        return f"minus {span(-ms)}"
    if ms < SECOND_MS:
        return f"{ms} ms" if ms else "0 seconds"
    found: list[str] = []
    for unit in (DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS):
        count, ms = divmod(ms, unit)
        if count:
            found.append(f"{count:,} {plural(UNIT_NAMES[unit], count)}")
        elif found:
            break
        if len(found) == 2:
            break
    return " ".join(found)


def plural(noun: str, count: Any) -> str:
    """The noun in the singular or plural for this count."""
    return noun if count == 1 else f"{noun}s"


def literal(value: Any) -> str:
    """A value as the language writes it, with separators in numbers. Long texts are cut."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return f"{value:,}"
        case Decimal():
            return f"{value.normalize():,f}"
        case str():
            text = format_string(value)
            return text if len(text) <= LONGEST else text[:LONGEST] + "…"
    return str(value)
