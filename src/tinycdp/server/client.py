"""A minimal client of the public API, which sends the events of `tinycdp seed`."""

import http.client
import itertools
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tinycdp.errors import Unavailable

_ATTEMPTS = 5


def send_batches(url: str, key: str, events: Iterable[dict[str, Any]], *, size: int, path: str = "/v1/batch") -> int:
    """Send all events in order, `size` per request, and return their number.

    Retries while the queue is full or the database away. Raises Unavailable if that lasts, or a batch is rejected."""
    address = urlsplit(url)
    secure = address.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(address.hostname or "127.0.0.1", address.port, timeout=30)
    sent = 0
    try:
        for batch in _chunks(events, size):
            _send(connection, path, key, msgspec.json.encode({"batch": batch}))
            sent += len(batch)
    finally:
        connection.close()
    return sent


def _send(connection: http.client.HTTPConnection, path: str, key: str, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    problem = ""
    for attempt in range(_ATTEMPTS):
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as failure:
            connection.close()
            problem = f"The server at {connection.host}:{connection.port} does not answer: {failure}"
        else:
            if answer.status == 200:
                return
            problem = f"The server answered {answer.status}: {text[:300]}"
            if answer.status not in (429, 503):
                break
        time.sleep(0.2 * 2**attempt)
    raise Unavailable("SEND_FAILED", problem)


def _chunks(events: Iterable[dict[str, Any]], size: int) -> Iterable[list[dict[str, Any]]]:
    rest = iter(events)
    while chunk := list(itertools.islice(rest, size)):
        yield chunk
