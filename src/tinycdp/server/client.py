"""A minimal sender of events to a running server, for `seed`: the same door every client uses."""

import http.client
import itertools
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tinycdp.errors import Unavailable

_ATTEMPTS = 5


def send_batches(url: str, key: str, events: Iterable[dict[str, Any]], *, size: int) -> int:
    """All events were accepted, in order, `size` to a request; their number.

    A full queue or an unreachable database is waited out; Unavailable when it lasts, or when a batch is refused."""
    address = urlsplit(url)
    secure = address.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(address.hostname or "127.0.0.1", address.port, timeout=30)
    sent = 0
    try:
        for batch in _chunks(events, size):
            _send(connection, key, msgspec.json.encode({"batch": batch}))
            sent += len(batch)
    finally:
        connection.close()
    return sent


def _send(connection: http.client.HTTPConnection, key: str, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    problem = ""
    for attempt in range(_ATTEMPTS):
        try:
            connection.request("POST", "/v1/batch", body, headers)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as failure:
            connection.close()
            problem = f"the server at {connection.host}:{connection.port} does not answer: {failure}"
        else:
            if answer.status == 200:
                return
            problem = f"the server answered {answer.status}: {text[:300]}"
            if answer.status not in (429, 503):
                break
        time.sleep(0.2 * 2**attempt)
    raise Unavailable("SEND_FAILED", problem)


def _chunks(events: Iterable[dict[str, Any]], size: int) -> Iterable[list[dict[str, Any]]]:
    rest = iter(events)
    while chunk := list(itertools.islice(rest, size)):
        yield chunk
