"""The content of the load: definitions, profiles and events, all deterministic."""

import itertools
import random
from collections.abc import Iterator
from typing import Any

import msgspec

from loadtests.driver import request

#: Five traits and three segments, as in the ingest promise, and twenty flags, one with a rollout for decisions.
DEFINITIONS: dict[str, list[dict[str, Any]]] = {
    "traits": [
        {"key": "opens", "expression": "events.app_open.unique_days_14d"},
        {"key": "orders_30d", "expression": "events.purchase.count_30d"},
        {"key": "spent_30d", "expression": "events.purchase.sum(amount, 30d)"},
        {"key": "largest_order", "expression": "events.purchase.max(amount, 90d)"},
        {"key": "last_category", "expression": "events.product_viewed.last(category)"},
    ],
    "segments": [
        {"key": "active", "rule": "last_seen_minutes_ago < 1440"},
        {"key": "buyers", "rule": "orders_30d >= 1 && spent_30d >= 20"},
        {"key": "regulars", "rule": 'opens >= 3 && profile.plan == "pro"'},
    ],
    "flags": [
        {
            "key": f"flag_{n}",
            "rules": [
                {"id": "buyers", "when": 'segments.buyers || profile.plan == "pro"', "rollout": 50, "serve": "on"},
                {"id": "rest", "when": "segments.active", "serve": "on"},
            ],
        }
        for n in range(20)
    ],
}

_NAMES = ("app_open", "product_viewed", "product_viewed", "purchase")
_CATEGORIES = ("books", "music", "garden", "games")


def events(profiles: int, now: int, seed: int, prefix: str) -> Iterator[dict[str, Any]]:
    """Yield events of the last thirty days by random profiles, endlessly."""
    draw = random.Random(seed)
    for n in itertools.count():
        at = now - int(draw.random() * 30 * 86_400_000)
        yield {
            "type": "track",
            "messageId": f"{prefix}-{n}",
            "userId": f"user-{draw.randrange(profiles)}",
            "event": draw.choice(_NAMES),
            "timestamp": _iso(at),
            "properties": {"amount": draw.randrange(100, 9000) / 100, "category": draw.choice(_CATEGORIES)},
        }


def _iso(at: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def batches(key: str, size: int, profiles: int, now: int, seed: int, prefix: str) -> Iterator[bytes]:
    """POST /v1/batch requests with `size` events each."""
    stream = events(profiles, now, seed, prefix)
    while True:
        body = msgspec.json.encode({"batch": list(itertools.islice(stream, size))})
        yield request("POST", "/v1/batch", key, body)


def singles(key: str, profiles: int, now: int, seed: int, prefix: str) -> Iterator[bytes]:
    """POST /v1/track requests with one event each."""
    for event in events(profiles, now, seed, prefix):
        yield request("POST", "/v1/track", key, msgspec.json.encode(event))


def identifies(key: str, profiles: int, size: int = 500) -> Iterator[bytes]:
    """POST /v1/batch requests that identify all profiles, a third with a plan."""
    for start in range(0, profiles, size):
        batch = [
            {
                "type": "identify",
                "messageId": f"identify-{n}",
                "userId": f"user-{n}",
                "traits": {"plan": "pro" if n % 3 == 0 else "free"},
            }
            for n in range(start, min(start + size, profiles))
        ]
        yield request("POST", "/v1/batch", key, msgspec.json.encode({"batch": batch}))


def ask(key: str, n: int) -> bytes:
    """A GET /v1/decide request for one flag and one profile."""
    return request("GET", f"/v1/decide?userId=user-{n}&flag=flag_7", key)


def decisions(key: str, profiles: int, seed: int, first: int = 0) -> Iterator[bytes]:
    """GET /v1/decide requests for one flag and random profiles."""
    draw = random.Random(seed)
    ready = [ask(key, first + n) for n in range(profiles)]
    while True:
        yield draw.choice(ready)
