"""Values for tests, with explicit defaults and no randomness; and the reader of the conformance vectors.

Shape   make_message(event, ts, …) -> Message · messages_of(given) -> [Message] · vectors(*topics) -> [Vector]
Units   instants in vectors are ISO 8601 or milliseconds UTC; `at(…)` makes milliseconds of either
Source  dsl/vectors/README.md
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tinycdp.model import Identifier, IdentifierKind, Message

VECTORS = Path(__file__).parent.parent / "dsl" / "vectors"
#: What a case's `given` may hold. A case overrides any part.
GIVEN = ("zone", "schema", "profile", "events", "definitions", "context", "unit", "ids", "killed", "at", "merge")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def at(instant: str | int) -> int:
    """Milliseconds UTC of an ISO 8601 text, or the milliseconds themselves."""
    if isinstance(instant, int):
        return instant
    return (datetime.fromisoformat(instant) - EPOCH) // timedelta(milliseconds=1)


def iso(instant: int) -> str:
    """The instant as ISO 8601 with milliseconds, in UTC."""
    return (EPOCH + timedelta(milliseconds=instant)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def make_message(
    event: str = "a",
    ts: str | int = 0,
    *,
    id: str = "m1",
    kind: str = "track",
    properties: Mapping[str, Any] | None = None,
    received_at: str | int | None = None,
    user: str = "u-1",
    active: bool = True,
    group_id: str | None = None,
) -> Message:
    """One message; it arrived when it happened unless `received_at` says otherwise."""
    occurred = at(ts)
    return Message(
        kind=kind,  # type: ignore[arg-type]
        message_id=id,
        identifiers=(Identifier(IdentifierKind.USER, user),),
        occurred_at=occurred,
        received_at=occurred if received_at is None else at(received_at),
        name=event,
        properties=dict(properties or {}),
        group_id=group_id,
        active=active,
    )


def expanded(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events of a vector with their ids filled in and every `repeat` written out."""
    found = []
    for index, given in enumerate(events):
        event = {"id": str(index), "type": "track", **given}
        repeat = event.pop("repeat", {"times": 1, "every": 0})
        for n in range(repeat["times"]):
            suffix = f"-{n:04d}" if repeat["times"] > 1 else ""
            found.append({**event, "id": event["id"] + suffix, "ts": at(event["ts"]) + n * repeat["every"]})
    return found


def messages_of(given: Mapping[str, Any], profile: str | None = None) -> list[Message]:
    """A vector's events as messages: all of them, or one profile's where they are split over two."""
    return [
        make_message(
            event.get("event", event["type"] if event["type"] in ("page", "screen") else ""),
            event["ts"],
            id=event["id"],
            kind=event["type"],
            properties=event.get("properties", event.get("traits")),
            received_at=event.get("received_at"),
            active=event.get("context", {}).get("active", True),
            group_id=event.get("groupId"),
        )
        for event in expanded(given.get("events", []))
        if profile is None or event.get("profile") == profile
    ]


@dataclass(frozen=True)
class Vector:
    """One case with everything it is given, and the file it comes from."""

    file: str
    id: str
    case: Mapping[str, Any]

    @property
    def moments(self) -> list[tuple[int, Any]]:
        """(instant, expected value) in time order."""
        if "timeline" in self.case:
            return [(at(instant), value) for instant, value in self.case["timeline"]]
        return [(at(self.case["at"]), self.case["value"])] if "value" in self.case else []


def vectors(*topics: str) -> Iterator[Vector]:
    """Every case of the topics' files, in the order of the files."""
    for topic in topics:
        for path in sorted((VECTORS / topic).glob("*.json")):
            document = json.loads(path.read_text(), parse_float=Decimal)
            for case in document["cases"]:
                yield Vector(f"{topic}/{path.name}", case["id"], {**document["given"], **case})
