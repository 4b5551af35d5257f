"""Documents of products' definitions: read them, write them, and find what they name.

Shape   DocumentKinds(structs, naming=…) has the kinds of one product · written(struct) → plain objects without defaults
Laws    normal(kind, normal(kind, d)) is normal(kind, d), and documents of one meaning have one normal form.
        Pure: the command line checks files with it
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from tinycdp.dsl.editor.rename import renamed as renamed_in_filter
from tinycdp.dsl.fields import all_in_words
from tinycdp.engine.catalog import Name

_LONGEST_NAME = 200
LONGEST_TEXT = 20_000


@dataclass(frozen=True, slots=True)
class DocumentKinds:
    """The kinds of a product.

    structs   what each kind's documents are; a field of lists in `naming` names several
    naming    the fields that name a definition of the product, and the kind of what they name
    of_core   the same for definitions of the core
    filters   the fields that have an expression. It may name segments; bare names in it are properties
    defaults  of kinds that are unions: the field that tells structs apart, as it is in a document without it
    opaque    fields whose names, inside, are the user's own: nothing in them is a reference"""

    structs: Mapping[str, Any]
    naming: Mapping[str, str] = field(default_factory=dict)
    of_core: Mapping[str, str] = field(default_factory=dict)
    filters: frozenset[str] = frozenset()
    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    opaque: frozenset[str] = frozenset()

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(self.structs)

    def problems(self, kind: str, document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """(path, message) of all that is wrong with the form of a document."""
        found, _ = all_in_words(self.structs[kind], self._whole(kind, document))
        yield from found
        if not found:
            if len(document.get("name", "")) > _LONGEST_NAME:
                yield "$.name", f"a name has at most {_LONGEST_NAME} characters."
            if len(document.get("description", "")) > LONGEST_TEXT:
                yield "$.description", f"a description has at most {LONGEST_TEXT:,} characters."

    def read(self, kind: str, document: Mapping[str, Any]) -> Any:
        """The struct of a document without mistakes."""
        return msgspec.convert(self._whole(kind, document), self.structs[kind], strict=True)

    def _whole(self, kind: str, document: Mapping[str, Any]) -> dict[str, Any]:
        return {**self.defaults.get(kind, {}), **document}

    def normal(self, kind: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """The form in which a document is stored: without its key, and without what is the default anyway."""
        found = written(self.read(kind, document))
        found.pop("key", None)
        unsaid = self.defaults.get(kind, {})
        return {name: value for name, value in found.items() if name not in unsaid or value != unsaid[name]}

    def references_of(self, document: Any, path: str = "$") -> Iterator[tuple[Name, str]]:
        """The definitions of the product that a stored document names, and the path of each name."""
        yield from _references(document, self.naming, path, self.opaque)

    def core_references_of(self, document: Any) -> Iterator[tuple[Name, str]]:
        """The same for definitions of the core, without those in expressions."""
        yield from _references(document, self.of_core, "$", self.opaque)

    def renamed(self, document: Any, renames: Mapping[Name, str]) -> Any:
        """A stored document that names what was renamed by its new keys; other parts of it stay as they are."""
        if isinstance(document, Mapping):
            return {name: self._renamed_field(name, value, renames) for name, value in document.items()}
        if isinstance(document, list | tuple):
            return [self.renamed(item, renames) for item in document]
        return document

    def _renamed_field(self, name: str, value: Any, renames: Mapping[Name, str]) -> Any:
        if name in self.opaque:
            return self.renamed_inside(name, value, renames)
        kind = self.naming.get(name) or self.of_core.get(name, "")
        if isinstance(value, list | tuple) and kind:
            return [renames.get((kind, one), one) if isinstance(one, str) else one for one in value]
        if not isinstance(value, str):
            return self.renamed(value, renames)
        if name in self.filters:
            segments = {of: key for of, key in renames.items() if of[0] == "segment"}
            return renamed_in_filter(value, segments) if value and segments else value
        return renames.get((kind, value), value)

    def renamed_inside(self, name: str, value: Any, renames: Mapping[Name, str]) -> Any:
        """An opaque field after renames; a product whose opaque fields have expressions rewrites these."""
        return value

    def cycle_of(self, name: Name, documents: Mapping[Name, Mapping[str, Any]]) -> list[Name]:
        """The definitions through which one names itself; empty if it does not."""
        return self._way(name, name, documents, set())

    def _way(self, start: Name, at: Name, documents: Mapping[Name, Mapping[str, Any]], seen: set[Name]) -> list[Name]:
        for following in dict.fromkeys(name for name, _ in self.references_of(documents.get(at, {}))):
            if following == start:
                return [at, start]
            if following not in seen:
                seen.add(following)
                if rest := self._way(start, following, documents, seen):
                    return [at, *rest]
        return []

    def users_of(self, name: Name, documents: Mapping[Name, Mapping[str, Any]]) -> list[Name]:
        """The definitions of the product that name one."""
        return sorted(
            user for user, one in documents.items() if name in {named for named, _ in self.references_of(one)}
        )


def _references(
    document: Any, naming: Mapping[str, str], path: str, opaque: frozenset[str]
) -> Iterator[tuple[Name, str]]:
    if isinstance(document, Mapping):
        for name, value in document.items():
            if name in opaque:
                continue
            if name in naming and isinstance(value, str):
                yield (naming[name], value), f"{path}.{name}"
            elif name in naming and isinstance(value, list | tuple):
                yield from (((naming[name], one), f"{path}.{name}[{n}]") for n, one in enumerate(value))
            else:
                yield from _references(value, naming, f"{path}.{name}", opaque)
    elif isinstance(document, list | tuple):
        for n, item in enumerate(document):
            yield from _references(item, naming, f"{path}[{n}]", opaque)


def written(value: msgspec.Struct) -> dict[str, Any]:
    """A struct as plain objects, in the order of its fields. What has its default value is left out."""
    config = value.__struct_config__
    found: dict[str, Any] = {config.tag_field: config.tag} if config.tag_field is not None else {}
    for field_ in msgspec.structs.fields(value):
        inner = getattr(value, field_.name)
        if field_.default is msgspec.NODEFAULT or inner != field_.default:
            found[field_.encode_name] = _written(inner)
    return found


def _written(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return written(value)
    if isinstance(value, list | tuple):
        return [_written(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _written(inner) for name, inner in value.items()}
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else value.normalize()
    return value
