"""Parse scalar values from text: versions, instants, local dates, durations.

Units   instants and durations in milliseconds
Laws    semver_key orders like SemVer 2.0.0 precedence; build metadata is ignored
Errors  none: returns None if the text is not such a value
Source  dsl/SPEC.md "Values"; https://semver.org "Precedence"; RFC 3339
"""

import re
from datetime import UTC, date, datetime, timedelta

from tinycdp.model import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Instant

VersionKey = tuple[int, int, int, int, tuple[tuple[int, int, str], ...]]

UNITS_MS = {"s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMERIC = r"(?:0|[1-9][0-9]{0,17})"
_IDENTIFIERS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_VERSION = re.compile(
    rf"[vV]?({_NUMERIC})(?:\.({_NUMERIC}))?(?:\.({_NUMERIC}))?(?:-({_IDENTIFIERS}))?(?:\+{_IDENTIFIERS})?"
)
_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ]((?:[01]\d|2[0-3]):[0-5]\d)(?::([0-5]\d)(?:[.,](\d{1,9}))?)?"
    r"([Zz]|[+-]\d\d(?::?[0-5]\d)?)",
    re.ASCII,
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def semver_key(text: str) -> VersionKey | None:
    """A tuple that compares like the version.

    It is lenient, like most applications: it accepts a leading `v`, and a missing minor or patch counts as 0.
    A pre-release sorts before its release. Its identifiers compare as numbers if both are numeric; a
    number sorts before a word.

    >>> semver_key("1.10") > semver_key("1.9.7") > semver_key("1.9.7-rc.1")
    True
    """
    match = _VERSION.fullmatch(text) if len(text) <= 256 else None
    if match is None:
        return None
    major, minor, patch, prerelease = match.groups()
    core = int(major), int(minor or 0), int(patch or 0)
    if prerelease is None:
        return (*core, 1, ())
    identifiers = []
    for part in prerelease.split("."):
        if not part.isdigit():
            identifiers.append((1, 0, part))
        elif len(part) > 18 or (len(part) > 1 and part.startswith("0")):
            return None
        else:
            identifiers.append((0, int(part), ""))
    return (*core, 0, tuple(identifiers))


def version_text(key: VersionKey) -> str:
    """The full text of the version with this key.

    >>> version_text(semver_key("v2.10-rc.1+build"))
    '2.10.0-rc.1'
    """
    major, minor, patch, _, identifiers = key
    prerelease = ".".join(text or str(n) for _, n, text in identifiers)
    return f"{major}.{minor}.{patch}" + (f"-{prerelease}" if prerelease else "")


def parse_instant(text: str) -> Instant | None:
    """Milliseconds UTC of an ISO 8601 date and time with a zone (`Z` or an offset).

    Returns None if the zone is missing: the instant is then unknown. Digits below the millisecond are dropped.
    """
    match = _INSTANT.fullmatch(text)
    if match is None:
        return None
    day, clock, seconds, fraction, zone = match.groups()
    if zone in "Zz":
        zone = "+00:00"
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}:{seconds or '00'}{zone}")
        whole = (moment - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        return None
    return whole + int((fraction or "").ljust(3, "0")[:3])


def is_date(text: str) -> bool:
    """Whether the text is a calendar date, `2026-01-31`."""
    if _DATE.fullmatch(text) is None:
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def parse_duration(text: str) -> int | None:
    """The milliseconds of a duration such as `30m`; None if the text is not a duration."""
    digits, unit = text[:-1], text[-1:]
    if unit not in UNITS_MS or not (digits.isascii() and digits.isdigit() and len(digits) <= 11):
        return None
    return int(digits) * UNITS_MS[unit]


def duration_text(ms: int) -> str:
    """A duration in its largest exact unit, up to days: 604,800,000 is `7d`."""
    for unit in ("d", "h", "m"):
        if ms and ms % UNITS_MS[unit] == 0:
            return f"{ms // UNITS_MS[unit]}{unit}"
    return f"{ms // SECOND_MS}s"
