"""Ranges and buckets in the local calendar."""

from datetime import UTC, datetime

import pytest

from tinycdp.errors import InvalidInput
from tinycdp.products.analytics.compile.calendar import Buckets, earlier, local, span_of

BERLIN = "Europe/Berlin"


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


NOW = instant("2026-03-18T10:30:00")


@pytest.mark.parametrize(
    ("last", "since", "until"),
    [
        ("1d", "2026-03-18T00:00:00+01:00", "2026-03-19T00:00:00+01:00"),
        ("7d", "2026-03-12T00:00:00+01:00", "2026-03-19T00:00:00+01:00"),
        ("1w", "2026-03-16T00:00:00+01:00", "2026-03-19T00:00:00+01:00"),
        ("2m", "2026-02-01T00:00:00+01:00", "2026-03-19T00:00:00+01:00"),
        ("3h", "2026-03-18T09:00:00+01:00", "2026-03-18T12:00:00+01:00"),
    ],
)
def test_the_last_days_include_the_present_one(last: str, since: str, until: str) -> None:
    span = span_of("", "", last, BERLIN, NOW)
    assert (local(span.since, BERLIN), local(span.until, BERLIN)) == (since, until)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        (("", "", ""), "from"),
        (("2026-03-02", "2026-03-01", ""), "to"),
        (("2026-03-01", "2026-03-01", ""), "to"),
        (("2024-01-01", "2026-03-01", ""), "from"),
        (("2026-02-30", "2026-03-01", ""), "from"),
        (("2026-03-01", "tomorrow", ""), "to"),
        (("2026-03-01", "", "7d"), "last"),
        (("", "", "7 days"), "last"),
        (("", "", "0d"), "last"),
        (("", "", "²d"), "last"),
    ],
)
def test_a_wrong_range_names_its_field(given: tuple[str, str, str], path: str) -> None:
    with pytest.raises(InvalidInput) as wrong:
        span_of(*given, BERLIN, NOW)
    assert (wrong.value.code, wrong.value.details["path"]) == ("INVALID_QUESTION", path)


def _buckets(since: str, until: str, width: str, zone: str = BERLIN, now: int = NOW) -> list[tuple[str, bool]]:
    buckets = Buckets.over(span_of(since, until, "", zone, now), width, zone, now)
    return [(span.start, span.complete) for span in buckets.spans()]


def test_a_day_that_is_not_over_is_not_complete() -> None:
    assert _buckets("2026-03-17", "2026-03-20", "day") == [
        ("2026-03-17T00:00:00+01:00", True),
        ("2026-03-18T00:00:00+01:00", False),
        ("2026-03-19T00:00:00+01:00", False),
    ]


def test_a_week_that_the_range_cuts_is_not_complete() -> None:
    assert _buckets("2026-03-03", "2026-03-16", "week") == [
        ("2026-03-02T00:00:00+01:00", False),
        ("2026-03-09T00:00:00+01:00", True),
    ]


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_hours_are_absolute(day: str, hours: int) -> None:
    following = f"{day[:-2]}{int(day[-2:]) + 1:02d}"
    assert len(_buckets(day, following, "hour", now=instant("2027-01-01T00:00:00"))) == hours


def test_a_zone_without_a_midnight_has_its_days() -> None:
    """In Beirut the clocks of 2026-03-29 jump from 0:00 to 1:00."""
    found = _buckets("2026-03-28", "2026-03-31", "day", "Asia/Beirut", instant("2027-01-01T00:00:00"))
    assert [start for start, _ in found] == [
        "2026-03-28T00:00:00+02:00",
        "2026-03-29T01:00:00+03:00",
        "2026-03-30T00:00:00+03:00",
    ]


@pytest.mark.parametrize(
    ("width", "starts"),
    [
        ("month", ["2026-01-01", "2026-02-01", "2026-03-01"]),
        ("quarter", ["2026-01-01"]),
        ("year", ["2026-01-01"]),
    ],
)
def test_calendar_widths(width: str, starts: list[str]) -> None:
    assert [start[:10] for start, _ in _buckets("2026-01-15", "2026-03-15", width)] == starts


@pytest.mark.parametrize(
    ("compare", "since", "until"),
    [
        ("previous", "2026-02-27T00:00:00+01:00", "2026-03-15T00:00:00+01:00"),
        ("week", "2026-03-08T00:00:00+01:00", "2026-03-24T00:00:00+01:00"),
        ("year", "2025-03-15T00:00:00+01:00", "2025-03-31T00:00:00+02:00"),
    ],
)
def test_what_a_range_is_compared_with(compare: str, since: str, until: str) -> None:
    """Local days: over the change of the clocks, too."""
    span = span_of("2026-03-15", "2026-03-31", "", BERLIN, NOW)
    before = earlier(span, BERLIN, compare)  # type: ignore[arg-type]
    assert (local(before.since, BERLIN), local(before.until, BERLIN)) == (since, until)


def test_too_many_buckets() -> None:
    with pytest.raises(InvalidInput, match="more than 5,000"):
        _buckets("2025-06-01", "2026-03-01", "hour")


def test_an_answer_holds_until_the_next_edge() -> None:
    buckets = Buckets.over(span_of("2026-03-17", "2026-03-20", "", BERLIN, NOW), "day", BERLIN, NOW)
    assert local(buckets.holds_until, BERLIN) == "2026-03-19T00:00:00+01:00"
