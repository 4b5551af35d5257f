"""Values in SQL: literals, JSON values as typed values, and values returned by a driver.

Shape   literal(value, type) · number, datetime, version, typed: SQL of a value → SQL of a value · read_value
Units   number: numeric · string: text · datetime, duration: numeric, milliseconds · version: text that sorts like the
        version · dyn: jsonb. Unknown is NULL
Laws    the SQL never raises, whatever the data. An operand that the returned SQL mentions twice appears twice in the
        statement, so long operands are first bound to a name, by `let`
Errors  Unsupported for a literal that Postgres cannot store
Source  dsl/SPEC.md "Values", "Numbers", "Types"
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from tinycdp.dsl.ir import Type
from tinycdp.dsl.values.numbers import nanos
from tinycdp.dsl.values.scalars import VersionKey

#: 38 digits, 9 of them after the decimal point, as in nanos.
_LIMIT = "1e29"
_BILLION = "1000000000"
_DIGITS = 18  # of each number in a version
_RELEASE = "~"  # sorts after every letter and digit: a release comes after its pre-releases

_NUMERIC = "(?:0|[1-9][0-9]{0,17})"
_IDENTIFIERS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_VERSION = rf"^[vV]?({_NUMERIC})(?:\.({_NUMERIC}))?(?:\.({_NUMERIC}))?(?:-({_IDENTIFIERS}))?(?:\+{_IDENTIFIERS})?$"
_INSTANT = (
    "^([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?"
    "(?:[Zz]|([+-])([0-9]{2})(?::?([0-5][0-9]))?)$"
)

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_encode_json = msgspec.json.Encoder(decimal_format="number").encode


class Unsupported(ValueError):
    """The expression cannot be written in SQL; the message names the part."""


def quoted(text: str) -> str:
    """A text literal."""
    if _UNSTORABLE.search(text):
        raise Unsupported("Postgres cannot store a text with U+0000 or half a surrogate pair")
    return "'" + text.replace("'", "''") + "'"


def literal(value: Any, type_: Type) -> str:
    """A literal of the language. None is unknown, whatever its type."""
    if value is None:
        return f"NULL::{COLUMN[type_]}"
    match type_:
        case Type.NUMBER | Type.DATETIME | Type.DURATION:
            return f"({value})::numeric"
        case Type.VERSION:
            return quoted(sortable_version(value)) + ' COLLATE "C"'
        case Type.BOOL:
            return "true" if value else "false"
        case Type.STRING:
            return quoted(value) + "::text"
        case _:
            return json(value)


def json(value: Any) -> str:
    """A JSON literal."""
    try:
        text = _encode_json(value).decode()
    except UnicodeEncodeError:
        raise Unsupported("Postgres cannot store a text with half a surrogate pair") from None
    if "\\u0000" in text:
        raise Unsupported("Postgres cannot store a text with U+0000")
    return quoted(text) + "::jsonb"


def member(json: str, path: Iterable[str]) -> str:
    """The value at a path of nested objects; NULL if one of them is not an object."""
    return "(" + " -> ".join((json, *map(quoted, path))) + ")"


COLUMN: Mapping[Type, str] = {
    Type.BOOL: "boolean",
    Type.NUMBER: "numeric",
    Type.STRING: "text",
    Type.DATETIME: "numeric",
    Type.DURATION: "numeric",
    Type.VERSION: "text",
    Type.LIST: "jsonb",
    Type.DYN: "jsonb",
}


def let(body: str, where: str = "", **bound: str) -> str:
    """The body, in which each bound expression is `n.<name>`; NULL unless `where` is true.

    OFFSET 0 keeps the planner from inlining the expressions at each use: nested, that would double the statement at
    every level."""
    bindings = ", ".join(f"{sql} AS {name}" for name, sql in bound.items())
    condition = f" WHERE {where}" if where else ""
    return f"(SELECT {body} FROM (SELECT {bindings} OFFSET 0) AS n{condition})"


def bounded(sql: str) -> str:
    """A number; unknown if it needs more than 38 digits."""
    return let("n.x", f"abs(n.x) < {_LIMIT}", x=sql)


def divided(numerator: str, denominator: str) -> str:
    """The quotient to nine digits, half away from zero.

    It divides whole numbers, since numeric's own division rounds first."""
    billionths = f"div(2 * {_BILLION} * abs(n.a) + abs(n.b), 2 * abs(n.b))"
    quotient = f"CASE WHEN n.b <> 0 THEN sign(n.a) * sign(n.b) * {billionths} * 0.000000001 END"
    return bounded(let(quotient, a=numerator, b=denominator))


def whole_units(duration: str, unit_ms: int) -> str:
    """How many whole units a duration has, rounded down; `div` alone would round towards zero."""
    return let(f"div(n.x - mod(mod(n.x, {unit_ms}) + {unit_ms}, {unit_ms}), {unit_ms})", x=duration)


def three_digits(sql: str) -> str:
    """A number rounded to three significant digits, half away from zero."""
    places = f"12 - length(trunc(abs(n.x) * {_BILLION})::text)"
    return bounded(let(f"CASE WHEN n.x = 0 THEN n.x ELSE round(n.x, {places}) END", x=sql))


def typed(json: str, type_: Type) -> str:
    """A JSON value as a value of the type; unknown if it does not fit.

    `json` is short and repeated."""
    match type_:
        case Type.NUMBER:
            return f"CASE jsonb_typeof({json}) WHEN 'number' THEN {_number(json)} END"
        case Type.STRING:
            return f"CASE jsonb_typeof({json}) WHEN 'string' THEN {json} #>> '{{}}' END"
        case Type.BOOL:
            return f"CASE jsonb_typeof({json}) WHEN 'boolean' THEN ({json})::boolean END"
        case Type.DATETIME:
            return datetime(typed(json, Type.STRING))
        case Type.VERSION:
            return version(typed(json, Type.STRING))
        case Type.LIST:
            return f"CASE jsonb_typeof({json}) WHEN 'array' THEN {json} END"
        case Type.DYN:
            number = f"to_jsonb(trim_scale({_number(json)}))"
            return f"CASE jsonb_typeof({json}) WHEN 'number' THEN {number} WHEN 'null' THEN NULL ELSE {json} END"
        case _:
            return literal(None, type_)


def scalar(json: str, longest_text: int) -> str:
    """A JSON number, bool or text as normalised JSON, so that equal values are equal.

    Longer texts are NULL."""
    return (
        f"CASE jsonb_typeof({json}) WHEN 'number' THEN to_jsonb(trim_scale({_number(json)})) "
        f"WHEN 'boolean' THEN {json} "
        f"WHEN 'string' THEN CASE WHEN length({json} #>> '{{}}') <= {longest_text} THEN {json} END END"
    )


def _number(json: str) -> str:
    rounded = f"round(({json})::numeric, 9)"
    return f"CASE WHEN abs({rounded}) < {_LIMIT} THEN {rounded} END"


def datetime(text: str) -> str:
    """Milliseconds of an ISO 8601 date and time with a zone; unknown for any other text."""
    days = "CASE WHEN d.month IN (4, 6, 9, 11) THEN 30 WHEN d.month = 2 THEN 28 + d.leap ELSE 31 END"
    valid = (
        f"d.year >= 1 AND d.month BETWEEN 1 AND 12 AND d.day BETWEEN 1 AND {days} "
        "AND d.hour <= 23 AND d.minute <= 59 AND d.second <= 59 AND d.zone < 1440"
    )
    days_before = "(make_date(d.year, d.month, d.day) - date '1970-01-01')::bigint"
    minutes = f"({days_before} * 24 + d.hour) * 60 + d.minute - d.sign * d.zone"
    return (
        f"(SELECT CASE WHEN {valid} THEN (({minutes})::numeric * 60 + d.second) * 1000 + d.fraction END "
        f"FROM (SELECT {text} AS t OFFSET 0) AS n, regexp_match(n.t, {quoted(_INSTANT)}) AS m (g), "
        "LATERAL (SELECT m.g[1]::integer AS year, m.g[2]::integer AS month, m.g[3]::integer AS day, "
        "m.g[4]::integer AS hour, m.g[5]::integer AS minute, coalesce(m.g[6], '0')::integer AS second, "
        "left(rpad(coalesce(m.g[7], ''), 3, '0'), 3)::integer AS fraction, "
        "CASE m.g[8] WHEN '-' THEN -1 ELSE 1 END AS sign, "
        "coalesce(m.g[9], '0')::integer * 60 + coalesce(m.g[10], '0')::integer AS zone, "
        "(m.g[1]::integer % 4 = 0 AND (m.g[1]::integer % 100 <> 0 OR m.g[1]::integer % 400 = 0))::integer AS leap "
        "OFFSET 0) AS d)"
    )


def version(text: str) -> str:
    """The version in a text, as text that sorts like it; unknown for any other text."""
    labels = (
        "SELECT string_agg(CASE WHEN l.label ~ '^[0-9]+$' "
        f"THEN '0' || lpad(l.label, {_DIGITS}, '0') ELSE '1' || l.label END, ' ' ORDER BY l.place) AS text, "
        f"bool_or(l.label ~ '^[0-9]+$' AND (length(l.label) > {_DIGITS} OR l.label ~ '^0.')) AS rejected "
        "FROM unnest(string_to_array(m.g[4], '.')) WITH ORDINALITY AS l (label, place)"
    )
    numbers = " || ".join(f"lpad(coalesce(m.g[{n}], '0'), {_DIGITS}, '0')" for n in (1, 2, 3))
    return (
        f"(SELECT CASE WHEN length(n.t) <= 256 AND m.g IS NOT NULL AND pre.rejected IS NOT TRUE "
        f"THEN {numbers} || coalesce(pre.text, '{_RELEASE}') END "
        f"FROM (SELECT {text} AS t OFFSET 0) AS n, regexp_match(n.t, {quoted(_VERSION)}) AS m (g), "
        f'LATERAL ({labels}) AS pre) COLLATE "C"'
    )


def sortable_version(key: VersionKey) -> str:
    """The text that `version` returns for a version with this key."""
    *numbers, release, labels = key
    spelt = ("1" + text if text else f"0{number:0{_DIGITS}}" for _, number, text in labels)
    return "".join(f"{n:0{_DIGITS}}" for n in numbers) + (_RELEASE if release else " ".join(spelt))


def read_value(value: Any, type_: Type) -> Any:
    """Convert a column's value from a driver to the engine's form.

    Numbers become nanos, instants milliseconds, versions their key.

    A dyn is a JSON value with its numbers as int or Decimal."""
    if value is None:
        return None
    match type_:
        case Type.NUMBER:
            return nanos(Decimal(value))
        case Type.DATETIME | Type.DURATION:
            return int(value)
        case Type.VERSION:
            return _version_key(value)
        case _:
            return value


def _version_key(text: str) -> VersionKey:
    major, minor, patch = (int(text[n * _DIGITS : (n + 1) * _DIGITS]) for n in range(3))
    rest = text[3 * _DIGITS :]
    if rest == _RELEASE:
        return (major, minor, patch, 1, ())
    labels = tuple((0, int(s[1:]), "") if s[0] == "0" else (1, 0, s[1:]) for s in rest.split(" "))
    return (major, minor, patch, 0, labels)
