"""Instants as text."""

import pytest

from tinycdp.model import NEVER
from tinycdp.times import day_of, iso, iso_or_none


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_797_206_400_001, "2026-12-14T00:00:00.001Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        (NEVER - 1, "9999-12-31T23:59:59.999Z"),
        (-NEVER, "0001-01-01T00:00:00.000Z"),
    ],
)
def test_every_instant_has_a_text(instant: int, text: str) -> None:
    assert iso(instant) == text


def test_never_and_absent_have_no_text() -> None:
    assert iso_or_none(None) is None
    assert iso_or_none(NEVER) is None
    assert iso_or_none(0) == iso(0)


@pytest.mark.parametrize(
    ("instant", "day"),
    [(0, "1970-01-01"), (-1, "1969-12-31"), (1_797_206_399_999, "2026-12-13"), (1_797_206_400_000, "2026-12-14")],
)
def test_an_instant_lies_in_a_day_of_utc(instant: int, day: str) -> None:
    assert day_of(instant).isoformat() == day
