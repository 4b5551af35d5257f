"""Documents of saved definitions: read them, write them, and find what they name.

Shape   problems(kind, document) → what is wrong with its form · normal(kind, document) → the stored form ·
        read(kind, document) → its struct · written(struct) → plain objects without defaults ·
        references_of(document) → the saved definitions that it names, each with its path · renamed(document, renames)
Laws    normal(kind, normal(kind, d)) is normal(kind, d), and documents of one meaning have one normal form.
        Pure: the command line checks files with it
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from tinycdp.dsl.editor.rename import renamed as renamed_in_filter
from tinycdp.dsl.fields import all_in_words
from tinycdp.engine.catalog import Name
from tinycdp.products.analytics.definitions.schemas import (
    DashboardDocument,
    EventDocument,
    MetricDocument,
    ReportDocument,
)

Documented = ReportDocument | MetricDocument | EventDocument | DashboardDocument

KINDS: dict[str, type[Documented]] = {
    "event": EventDocument,
    "metric": MetricDocument,
    "report": ReportDocument,
    "dashboard": DashboardDocument,
}
#: The field that names a saved definition, and the kind of what it names.
_NAMING = {"derived": "event", "metric": "metric", "report": "report"}
#: The same with the fields that name definitions of the core.
_RENAMED = _NAMING | {"segment": "segment", "flag": "flag"}
#: The fields that have an expression. It may name segments; bare names in it are properties.
_FILTERS = {"where", "people"}
_LONGEST_NAME = 200
_LONGEST_TEXT = 20_000


def problems(kind: str, document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(path, message) of all that is wrong with the form of a document."""
    found, _ = all_in_words(KINDS[kind], _plain(document))
    yield from found
    if found:
        return
    whole = read(kind, document)
    if len(whole.name) > _LONGEST_NAME:
        yield "$.name", f"a name has at most {_LONGEST_NAME} characters."
    if len(whole.description) > _LONGEST_TEXT:
        yield "$.description", f"a description has at most {_LONGEST_TEXT:,} characters."
    if isinstance(whole, DashboardDocument):
        for n, tile in enumerate(whole.tiles):
            given = [name for name in ("report", "question", "text") if getattr(tile, name)]
            if len(given) != 1:
                found_ = f"found {' and '.join(f'`{name}`' for name in given)}" if given else "found none"
                yield f"$.tiles[{n}]", f"a tile has one of `report`, `question` and `text`; {found_}."
            elif len(tile.text) > _LONGEST_TEXT:
                yield f"$.tiles[{n}].text", f"a text has at most {_LONGEST_TEXT:,} characters."


def read(kind: str, document: Mapping[str, Any]) -> Documented:
    """The struct of a document without mistakes."""
    return msgspec.convert(_plain(document), KINDS[kind], strict=True)


def normal(kind: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """The form in which a document is stored: without its key, and without what is the default anyway."""
    found = written(read(kind, document))
    found.pop("key", None)
    return found


def written(value: msgspec.Struct) -> dict[str, Any]:
    """A struct as plain objects, in the order of its fields. What has its default value is left out."""
    config = value.__struct_config__
    found: dict[str, Any] = {config.tag_field: config.tag} if config.tag_field is not None else {}
    for field in msgspec.structs.fields(value):
        inner = getattr(value, field.name)
        if field.default is msgspec.NODEFAULT or inner != field.default:
            found[field.encode_name] = _written(inner)
    return found


def _written(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return written(value)
    if isinstance(value, list | tuple):
        return [_written(item) for item in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else value.normalize()
    return value


def _plain(document: Mapping[str, Any]) -> dict[str, Any]:
    return dict(document)


def references_of(document: Any, path: str = "$") -> Iterator[tuple[Name, str]]:
    """The saved definitions that a stored document names, and the path of each name."""
    if isinstance(document, Mapping):
        for field, value in document.items():
            if field in _NAMING and isinstance(value, str):
                yield (_NAMING[field], value), f"{path}.{field}"
            else:
                yield from references_of(value, f"{path}.{field}")
    elif isinstance(document, list | tuple):
        for n, item in enumerate(document):
            yield from references_of(item, f"{path}[{n}]")


def renamed(document: Any, renames: Mapping[Name, str]) -> Any:
    """A stored document that names what was renamed by its new keys; other parts of it stay as they are."""
    if isinstance(document, Mapping):
        return {field: _renamed_field(field, value, renames) for field, value in document.items()}
    if isinstance(document, list | tuple):
        return [renamed(item, renames) for item in document]
    return document


def _renamed_field(field: str, value: Any, renames: Mapping[Name, str]) -> Any:
    if not isinstance(value, str):
        return renamed(value, renames)
    if field in _FILTERS:
        segments = {name: key for name, key in renames.items() if name[0] == "segment"}
        return renamed_in_filter(value, segments) if value and segments else value
    return renames.get((_RENAMED.get(field, ""), value), value)


def cycle_of(name: Name, documents: Mapping[Name, Mapping[str, Any]]) -> list[Name]:
    """The definitions through which one names itself; empty if it does not."""
    return _way(name, name, documents, set())


def _way(start: Name, at: Name, documents: Mapping[Name, Mapping[str, Any]], seen: set[Name]) -> list[Name]:
    for following in dict.fromkeys(name for name, _ in references_of(documents.get(at, {}))):
        if following == start:
            return [at, start]
        if following not in seen:
            seen.add(following)
            if rest := _way(start, following, documents, seen):
                return [at, *rest]
    return []


def users_of(name: Name, documents: Mapping[Name, Mapping[str, Any]]) -> list[Name]:
    """The definitions that name one."""
    return sorted(user for user, one in documents.items() if name in _names(references_of(one)))


def _names(references: Iterable[tuple[Name, str]]) -> set[Name]:
    return {name for name, _ in references}
