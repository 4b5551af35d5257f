"""Instants as people and clients read them: ISO 8601 in UTC, with milliseconds."""

from datetime import UTC, datetime

from tinycdp.model import Instant


def iso(instant: Instant) -> str:
    """2026-12-14T00:00:00.000Z"""
    return datetime.fromtimestamp(instant / 1000, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
