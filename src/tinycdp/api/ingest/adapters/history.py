"""Rows of imported files as messages: Segment's events, our own exports, and tables.

Shape   parse_rows(rows, mapping, token, received_at) → (messages, (line, rejection)…)
Laws    A row gives the same message as its event sent live. sentAt is ignored, because the file is sent much later;
        `timestamp`, which is already corrected, has priority over originalTimestamp.
        A row without a message id gets one from the token and its line.
Source  docs/how-to/import-history.md
"""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from tinycdp.api.http.bodies import clean, decode, decode_json
from tinycdp.api.ingest.adapters.canonical import LIST, NO_ENVELOPE, to_message
from tinycdp.api.ingest.adapters.event import absent
from tinycdp.api.ingest.adapters.rejection import EventRejected
from tinycdp.api.ingest.adapters.segment import read_typed
from tinycdp.dsl.suggest import did_you_mean
from tinycdp.errors import InvalidInput
from tinycdp.model import Instant, Message, Rejection
from tinycdp.runtime.transfer.import_files import FileMapping, Numbered, Parse, Unread

_PAYLOAD = 32_768
FIELDS = (
    *("type", "event", "userId", "anonymousId", "deviceId", "externalId", "messageId", "timestamp"),
    *("groupId", "previousId", "name", "category"),
)
_BY_NAME = {field.lower(): field for field in FIELDS}
#: The fields that identify the profile of a row.
_WHO = {"userId", "anonymousId", "deviceId", "externalId", "context.externalIds"}
_SHOWN = 20
_OPEN = ("properties", "traits", "context")
#: A JSON number or boolean; 007 and +1 are texts.
_LITERAL = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?|true|false")

_encode = msgspec.json.Encoder(decimal_format="number").encode


def parse_rows(
    rows: Sequence[Numbered], mapping: FileMapping, token: str, received_at: Instant
) -> tuple[list[Message], list[tuple[int, Rejection]]]:
    """The messages of the rows, and rejections of the others."""
    messages: list[Message] = []
    rejected: list[tuple[int, Rejection]] = []
    for line, row in rows:
        raw = row if isinstance(row, bytes) else b""
        id = f"import-{token}-{line}"
        try:
            raw = _cleaned(row) if isinstance(row, bytes) else _encode(_event_of(row, mapping))
            kind, event, rest = read_typed(raw)
            if absent(event.message_id) and absent(event.idempotency_key):
                event.message_id = id
            event.sent_at = None
            if not absent(event.timestamp):
                event.original_timestamp = None
            messages.append(to_message(kind, event, NO_ENVELOPE, received_at, rest))
        except EventRejected as wrong:
            rejected.append((line, _rejection(wrong.code, wrong.message, line, wrong.path, raw, id)))
        except InvalidInput as wrong:
            rejected.append((line, _rejection(wrong.code, wrong.message, line, "", raw, id)))
    return messages, rejected


def check_columns(columns: Sequence[str], mapping: FileMapping) -> None:
    """Raise InvalidInput if a table lacks a mapped column, or has no column with an identifier."""
    there = ", ".join(columns[:_SHOWN]) + (", …" if len(columns) > _SHOWN else "")
    for column in (*mapping.columns.values(), *mapping.text):
        if column not in columns:
            hint = did_you_mean(column, columns)
            raise InvalidInput("INVALID_MAPPING", f"Unknown column {column!r}.{hint} Columns are {there}.")
    targets = {*mapping.columns, *mapping.fixed, *(_guessed(column) for column in columns)}
    if not targets & _WHO:
        fields = ", ".join(sorted(_WHO & set(FIELDS)))
        raise InvalidInput("INVALID_MAPPING", f"Map a column to one of {fields}. Columns are {there}.")


PARSE = Parse(parse_rows, check_columns)


#: Names of columns that often hold a field, the likeliest first. Those that are spelt like the field are not here.
_OFTEN: Mapping[str, tuple[str, ...]] = {
    "userId": ("uid", "customerid", "customerno", "customernumber", "customer", "memberid", "accountid", "user", "id"),
    "anonymousId": ("distinctid", "visitorid", "clientid", "cookieid"),
    "event": ("eventname", "action", "activity"),
    "timestamp": ("time", "ts", "datetime", "occurredat", "eventtime", "createdat", "orderedat", "date", "created"),
    "messageId": ("eventid", "insertid", "uuid"),
    "groupId": ("companyid", "organizationid", "organisationid", "workspaceid"),
}


def guess_mapping(columns: Sequence[str]) -> FileMapping:
    """A mapping for a table: columns that are not named like a field, but often hold one."""
    plain = {_plain(column): column for column in reversed(columns)}
    taken = {_guessed(column) for column in columns}
    guessed = {
        field: next(plain[name] for name in names if name in plain)
        for field, names in _OFTEN.items()
        if field not in taken and not plain.keys().isdisjoint(names)
    }
    if taken & _WHO and "userId" in guessed and _plain(guessed["userId"]) == "id":
        del guessed["userId"]  # then it is the row's own id
    return FileMapping(guessed)


def field_of(column: str, mapping: FileMapping) -> str | None:
    """The field that a column's cells go to; None if they become properties or traits under the column's name."""
    mapped = next((field for field, name in mapping.columns.items() if name == column), None)
    guessed = _guessed(column)
    return mapped or (guessed if guessed not in {*mapping.columns, *mapping.fixed} else None)


def _rejection(code: str, message: str, line: int, path: str, raw: bytes, id: str) -> Rejection:
    # Without a payload, the id distinguishes rows in the log.
    return Rejection(
        code=code,
        message=f"line {line}: {message}",
        path=f"${path}",
        payload=raw[:_PAYLOAD],
        message_id="" if raw else id,
    )


def _cleaned(line: bytes) -> bytes:
    """The line as clean JSON; a line of our own exports becomes an event."""
    found = decode(LIST, b"[" + clean(line) + b"]")
    if len(found) != 1:
        raise InvalidInput("INVALID_JSON", "This is more than one JSON value.")
    raw = bytes(found[0])
    if b'"profileId"' in raw:
        document = decode_json(raw)
        if type(document) is dict and "profileId" in document:
            return _encode(_exported(document))
    return raw


def _exported(document: dict[str, Any]) -> dict[str, Any]:
    """The event for a row of our exports: an event of a journey, or a member of a segment."""
    if "type" not in document:
        event = {name: document.get(name) for name in ("userId", "anonymousId")}
        return event | {
            "type": "identify",
            "traits": document.get("properties"),
            "timestamp": document.get("lastSeen"),
        }
    by = document.get("by")
    if type(by) is dict:
        kind, value = by.get("kind"), by.get("value")
        if kind in FIELDS:
            document[kind] = value
        else:
            sent = document.get("context")
            context = dict(sent) if type(sent) is dict else {}
            document["context"] = context | {"externalIds": [{"type": kind, "id": value, "collection": "users"}]}
    if document["type"] in ("identify", "group"):
        document["traits"] = document.get("properties")
    if "target" in document:
        document["groupId" if document["type"] == "group" else "previousId"] = document["target"]
    return {name: document[name] for name in (*FIELDS, *_OPEN) if name in document}


def _event_of(cells: Mapping[str, Any] | Unread, mapping: FileMapping) -> dict[str, Any]:
    """The event of a table's row. Empty cells are skipped."""
    if isinstance(cells, Unread):
        raise InvalidInput("INVALID_ROW", cells.why)
    if "" in cells:
        raise InvalidInput("INVALID_ROW", "This row has more cells than the table has columns.")
    event: dict[str, Any] = {}
    targets = {column: target for target, column in mapping.columns.items()}
    loose: dict[str, Any] = {}
    for column, cell in cells.items():
        value = _value(cell)
        if value is None or value == "":
            continue
        target = targets.get(column) or _guessed(column)
        if target is None or (column not in targets and (target in mapping.columns or target in mapping.fixed)):
            loose[column] = value if column in mapping.text else _typed(value)
        else:
            _put(event, target, value if column in mapping.text else _typed(value), value)
    for target, text in mapping.fixed.items():
        _put(event, target, _typed(text), text)
    if absent(event.get("type")):
        event["type"] = "track" if not absent(event.get("event")) else "identify"
    if loose:
        where = "traits" if event["type"] in ("identify", "group") else "properties"
        event[where] = loose | event.get(where, {})
    return event


def _guessed(column: str) -> str | None:
    """The field that a column's name means: user_id, userId and "User ID" are the same."""
    if column.partition(".")[0] in _OPEN and "." in column:
        return column
    return _BY_NAME.get(_plain(column))


def _plain(column: str) -> str:
    """A column's name without spaces, dashes and underscores, in small letters."""
    return re.sub(r"[\s_$-]", "", column).lower()


def _put(event: dict[str, Any], target: str, typed: Any, plain: Any) -> None:
    place, dot, name = target.partition(".")
    if dot and place in _OPEN:
        event.setdefault(place, {})[name] = typed
    else:
        # Identifiers are always texts; an instant may be a number.
        event[target] = typed if target == "timestamp" else plain


def _typed(value: Any) -> Any:
    if type(value) is not str or not _LITERAL.fullmatch(value):
        return value
    return msgspec.Raw(value.encode())


def _value(cell: Any) -> Any:
    """A cell as a JSON value; None if empty."""
    match cell:
        case None | str() | bool() | int() | Decimal():
            return cell
        case float():
            return Decimal(repr(cell)) if math.isfinite(cell) else None
        case datetime():
            return (cell if cell.tzinfo is not None else cell.replace(tzinfo=UTC)).isoformat()
        case date():
            return cell.isoformat()
        case dict():
            return {str(name): _value(inner) for name, inner in cell.items()}
        case list() | tuple():
            return [_value(inner) for inner in cell]
        case bytes():
            return cell.hex()
        case _:
            return str(cell)


def check_mapping(mapping: FileMapping) -> FileMapping:
    """The mapping. Raises InvalidInput if a target is not a field of an event."""
    for target in (*mapping.columns, *mapping.fixed):
        place, dot, name = target.partition(".")
        if target not in FIELDS and not (dot and place in _OPEN and name):
            known = ", ".join(FIELDS)
            hint = did_you_mean(target, FIELDS)
            raise InvalidInput(
                "INVALID_MAPPING",
                f"Unknown field {target!r}.{hint} Fields are {known}, properties.…, traits.… and context.….",
            )
    return mapping
