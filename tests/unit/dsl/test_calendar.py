"""Local hours, days and weeks, against the calendar's own words."""

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from builders import EPOCH, at
from tinycdp.dsl.values.calendar import Bucket, days_in
from tinycdp.model import DAY_MS, HOUR_MS

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Havana")


def local(instant: int, zone: str) -> datetime:
    return datetime.fromtimestamp(instant / 1000, EPOCH.tzinfo).astimezone(ZoneInfo(zone))


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("width", ["hour", "day", "week"])
def test_buckets_follow_each_other_and_begin_on_the_clock(zone: str, width: Bucket) -> None:
    since, until = at("2026-03-01T10:17:23.456Z"), at("2026-11-20T00:00:00Z")
    starts = list(days_in(zone).buckets(width, since, until))
    assert starts[0] <= since < starts[1]
    assert starts[-1] < until
    longest = {"hour": 2 * HOUR_MS, "day": DAY_MS + HOUR_MS, "week": 7 * DAY_MS + HOUR_MS}[width]
    assert all(0 < later - earlier <= longest for earlier, later in pairwise(starts))
    for start in starts:
        wall = local(start, zone)
        assert (wall.minute, wall.second, wall.microsecond) == (0, 0, 0)
        if width != "hour":
            before = local(start - 1, zone)
            assert before.date() < wall.date()
        if width == "week":
            assert wall.weekday() == 0
