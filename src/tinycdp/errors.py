"""All errors, by what a caller can do about them.

Shape   TinyCDPError
        ├── InvalidInput        the input is wrong (HTTP 400)
        │   └── TooLarge        … or too large to read (413)
        ├── Unauthenticated     no such key (401)
        ├── Forbidden           the key lacks the scope (403)
        ├── NotFound            the named thing does not exist (404)
        ├── MethodNotAllowed    the address exists, for other methods (405)
        ├── Conflict            the change conflicts with the current state (409)
        ├── TooSlow             the body took too long to arrive (408)
        ├── Overloaded          a bounded queue is full (429)
        └── Unavailable         Postgres cannot be reached (503)
Laws    `code` is stable API: clients match on it. `message` says what is wrong, where, and what to do.
Source  docs/reference/errors.md, errors-files.md and errors-commands.md list every code.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class TinyCDPError(Exception):
    """An error with a stable `code`. details: added to the answer, beside code and message."""

    status: ClassVar[int] = 500

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details: Mapping[str, Any] = details


class InvalidInput(TinyCDPError):
    status = 400


class TooLarge(InvalidInput):
    status = 413


class Unauthenticated(TinyCDPError):
    status = 401


class Forbidden(TinyCDPError):
    status = 403


class NotFound(TinyCDPError):
    status = 404


class MethodNotAllowed(TinyCDPError):
    status = 405


class Conflict(TinyCDPError):
    status = 409


class TooSlow(TinyCDPError):
    status = 408


class Retryable(TinyCDPError):
    """An error of a request that may succeed later.

    `retry_after_seconds` is a whole number, as clients expect."""

    def __init__(self, code: str, message: str, *, retry_after_seconds: int = 1, **details: Any) -> None:
        super().__init__(code, message, **details)
        self.retry_after_seconds = retry_after_seconds


class Overloaded(Retryable):
    status = 429


class Unavailable(Retryable):
    status = 503
