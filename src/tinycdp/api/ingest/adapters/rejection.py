"""Why an adapter rejects an event."""

from enum import StrEnum


class RejectionCode(StrEnum):
    """Why an event was rejected."""

    EVENT_TOO_LARGE = "EVENT_TOO_LARGE"
    INVALID_EVENT = "INVALID_EVENT"
    INVALID_JSON = "INVALID_JSON"
    NUMBER_OUT_OF_RANGE = "NUMBER_OUT_OF_RANGE"
    TOO_DEEP = "TOO_DEEP"
    UNKNOWN_TYPE = "UNKNOWN_TYPE"
    MISSING_IDENTIFIER = "MISSING_IDENTIFIER"
    BLOCKED_IDENTIFIER = "BLOCKED_IDENTIFIER"
    INVALID_IDENTIFIER = "INVALID_IDENTIFIER"
    INVALID_MESSAGE_ID = "INVALID_MESSAGE_ID"
    INVALID_EVENT_NAME = "INVALID_EVENT_NAME"
    INVALID_TIMESTAMP = "INVALID_TIMESTAMP"
    TIMESTAMP_OUT_OF_RANGE = "TIMESTAMP_OUT_OF_RANGE"
    INVALID_PROPERTIES = "INVALID_PROPERTIES"
    INVALID_CONTEXT = "INVALID_CONTEXT"
    MISSING_GROUP_ID = "MISSING_GROUP_ID"
    MISSING_PREVIOUS_ID = "MISSING_PREVIOUS_ID"


class EventRejected(Exception):
    """An event is invalid. `path` is relative to the event: empty, or beginning with a dot."""

    def __init__(self, code: RejectionCode, path: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.path = path
        self.message = message
