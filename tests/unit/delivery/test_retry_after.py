"""Retry-After, as seconds or as a date: an hour at most, whatever a receiver writes."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tinycdp.products.delivery.lanes.sender import wait_asked_for


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("1.5", None),
        ("0", 0.0),
        ("30", 30.0),
        (" 30 ", 30.0),
        ("-5", 0.0),
        ("3601", 3600.0),
        ("9" * 400, 3600.0),
        ("9" * 5_000, None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
        ("Fri, 99 Dec 2026 00:00:00 GMT", None),
    ],
)
def test_seconds_and_dates(header: str | None, seconds: float | None) -> None:
    assert wait_asked_for(header) == seconds


def test_a_date_soon() -> None:
    at = datetime.now(UTC) + timedelta(minutes=1)
    found = wait_asked_for(format_datetime(at, usegmt=True))
    assert found is not None
    assert 0 <= found <= 60
