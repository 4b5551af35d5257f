"""docs/reference/tracking.md names every code a client can meet, and the limits as they are."""

from pathlib import Path

import pytest

from tinycdp.api.http.bodies import BODY_LIMIT, BodyFault
from tinycdp.api.ingest.adapters.canonical import BLOCKED, EVENTS_LIMIT
from tinycdp.api.ingest.adapters.event import EVENT_LIMIT, SentEvent
from tinycdp.api.ingest.adapters.rejection import RejectionCode

TEXT = (Path(__file__).parents[3] / "docs" / "reference" / "tracking.md").read_text()


@pytest.mark.parametrize("code", sorted({*RejectionCode, *BodyFault}))
def test_every_code_is_explained(code: str) -> None:
    assert any(line.startswith("|") and f"`{code}`" in line.split("|")[1] for line in TEXT.splitlines())


@pytest.mark.parametrize("value", sorted(BLOCKED - {""}))
def test_every_blocked_value_is_named(value: str) -> None:
    assert f"`{value}`" in TEXT.lower()


@pytest.mark.parametrize("name", SentEvent.__struct_encode_fields__)
def test_every_field_is_named(name: str) -> None:
    assert f"`{name}`" in TEXT


def test_the_limits_are_the_ones_in_force() -> None:
    assert (BODY_LIMIT, EVENT_LIMIT, EVENTS_LIMIT) == (4 << 20, 32 << 10, 10_000)
