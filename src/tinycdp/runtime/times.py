"""Instants as people and clients read them: ISO 8601 in UTC, with milliseconds."""

from datetime import UTC, datetime, timedelta

from tinycdp.model import Instant

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso(instant: Instant) -> str:
    """2026-12-14T00:00:00.000Z"""
    return (_EPOCH + timedelta(milliseconds=instant)).isoformat(timespec="milliseconds")[:-6] + "Z"
