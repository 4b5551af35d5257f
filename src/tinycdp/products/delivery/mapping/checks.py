"""What is wrong with a mapping, among the names that exist: before anything is sent with it.

Shape   check_mapping(mapping, scope, fields) → (path, message) of each mistake · references_of(mapping) → definitions
        PROFILE_FIELDS, HAPPENING_FIELDS: what a mapping of syncs, and of what happened, may read
Laws    pure. Without a mistake every expression compiles, and no format gets a kind of value that it does not take
Source  docs/reference/mapping.md
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from tinycdp.dsl.check.expressions import Scope, check, possible_references
from tinycdp.dsl.diagnostics import SourceError
from tinycdp.dsl.ir import Type
from tinycdp.dsl.parser import parse
from tinycdp.dsl.suggest import did_you_mean
from tinycdp.engine.catalog import Name
from tinycdp.products.delivery.mapping.formats import FORMATS, SPOKEN, Kind
from tinycdp.products.delivery.mapping.nodes import RecordMapping, UsedSource
from tinycdp.products.delivery.mapping.reading import Problem

#: A name that ends with a dot has free names below it.
PROFILE_FIELDS: Mapping[str, Kind] = {
    "environment": "text",
    "profile.id": "text",
    "identifiers": "list",
    "identifier.": "text",
}
HAPPENING_FIELDS: Mapping[str, Kind] = {
    **PROFILE_FIELDS,
    "id": "text",
    "type": "text",
    "timestamp": "instant",
    "version": "number",
    "cause": "text",
    "segment.key": "text",
    "segment.name": "text",
    "profile.mergedInto": "text",
    "absorbed.id": "text",
    "separated.id": "text",
    "flag.key": "text",
    "flag.name": "text",
    "change": "text",
    "revision": "number",
    "author": "text",
    "note": "text",
    "event.type": "text",
    "event.name": "text",
    "event.messageId": "text",
    "event.receivedAt": "instant",
    "event.properties": "any",
    "event.properties.": "any",
    "event.context": "any",
    "event.context.": "any",
}
_KINDS: dict[Type, Kind] = {
    Type.BOOL: "bool",
    Type.NUMBER: "number",
    Type.STRING: "text",
    Type.DATETIME: "instant",
    Type.DURATION: "number",
    Type.VERSION: "text",
    Type.LIST: "list",
    Type.DYN: "any",
}


def expression_scope(scope: Scope) -> Scope:
    """The names that an expression of a mapping may read: those of a trait."""
    return replace(scope, kind="trait")


def check_mapping(mapping: RecordMapping, scope: Scope, fields: Mapping[str, Kind]) -> list[Problem]:
    """(path, message) of all that does not fit."""
    inside = expression_scope(scope)
    return [one for use in mapping.used for one in _of_expression(use, inside)] + check_fields(mapping, fields)


def check_fields(mapping: RecordMapping, fields: Mapping[str, Kind]) -> list[Problem]:
    """(path, message) of all fields that do not fit."""
    return [one for use in mapping.fields for one in _of_field(use, fields)]


def references_of(mapping: RecordMapping) -> set[Name]:
    """The definitions that the expressions may read."""
    found: set[Name] = set()
    for source in mapping.expressions:
        try:
            found |= possible_references(parse(source))
        except SourceError:
            continue
    return found


def _of_expression(use: UsedSource, scope: Scope) -> Iterator[Problem]:
    checked = check(use.source, scope)
    if checked.errors:
        first = checked.errors[0]
        yield use.path, f"{first.code} {first.message}"
    elif checked.reads:
        yield use.path, "a mapping cannot count events. Save this as a trait first, and write the trait's name."
    elif use.is_condition and checked.type is not Type.BOOL:
        kind = SPOKEN[_KINDS[checked.type]]
        hint = " Write == true." if checked.type is Type.DYN else ""
        yield use.path, f"a condition must be true or false; this is {kind}.{hint}"
    else:
        yield from _of_formats(use, _KINDS[checked.type])


def _of_field(use: UsedSource, fields: Mapping[str, Kind]) -> Iterator[Problem]:
    kind = fields.get(use.source)
    if kind is None:
        above = next((name for name in fields if name.endswith(".") and use.source.startswith(name)), None)
        if above is None:
            names = [name for name in fields if not name.endswith(".")]
            yield use.path, f"there is no field {use.source[:80]!r}.{did_you_mean(use.source, names)}"
            return
        kind = fields[above]
    yield from _of_formats(use, kind)


def _of_formats(use: UsedSource, kind: Kind) -> Iterator[Problem]:
    for name in use.formats:
        format_ = FORMATS[name]
        if kind != "any" and kind not in format_.takes:
            takes = " or ".join(sorted(SPOKEN[one] for one in format_.takes))
            yield f"{use.path.rpartition('.')[0]}.as", f"{name} takes {takes}; this is {SPOKEN[kind]}."
            return
        kind = format_.gives
