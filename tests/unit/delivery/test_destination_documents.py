"""Documents of destinations that would be accepted, and could never work."""

from typing import Any

import pytest

from tinycdp.products.delivery.definitions.kinds import DESTINATIONS, KIND

KAFKA: dict[str, Any] = {"type": "kafka", "events": ["segment.entered"], "brokers": ["a:9092"], "topic": "t"}
CLICKHOUSE: dict[str, Any] = {"type": "clickhouse", "events": ["segment.entered"], "url": "https://example.com"}
WEBHOOK: dict[str, Any] = {"events": ["segment.entered"], "url": "https://example.com"}


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (KAFKA | {"topic": "t\n"}, "$.topic"),
        (KAFKA | {"brokers": ["a:9092\n"]}, "$.brokers[0]"),
        (KAFKA | {"password": {"env": "DELIVERY_X"}}, "$.password"),
        (KAFKA | {"user": "u", "password": {"env": "DELIVERY_X\n"}}, "$.password.env"),
        (KAFKA | {"user": "u", "password": {"env": "DELIVERY_X", "prefix": "a"}}, "$.password.prefix"),
        (CLICKHOUSE | {"url": "https://example.com?database=x"}, "$.url"),
        (WEBHOOK | {"headers": {"X-Key": {"env": "DELIVERY_X", "prefix": "a\r\nHost: b"}}}, "$.headers.X-Key"),
    ],
)
def test_what_could_never_work_is_refused(document: dict[str, Any], place: str) -> None:
    assert [path for path, _ in DESTINATIONS.problems(KIND, document)] == [place]


@pytest.mark.parametrize("document", [KAFKA, CLICKHOUSE, WEBHOOK])
def test_what_works_is_not(document: dict[str, Any]) -> None:
    assert list(DESTINATIONS.problems(KIND, document)) == []
