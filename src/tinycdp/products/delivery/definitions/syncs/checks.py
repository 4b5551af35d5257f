"""What is wrong with the document of a sync, and what it names.

Shape   form_problems(document): without other definitions · findings(document, scope): among those that exist
        core_names(document): the traits, segments and flags that it reads
Laws    pure. A document without a mistake compiles, and each of its records has a match key or a reason
Source  docs/reference/syncs.md
"""

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from tinycdp.dsl.check.expressions import Scope, check, possible_references
from tinycdp.dsl.diagnostics import SourceError
from tinycdp.dsl.parser import parse
from tinycdp.dsl.suggest import did_you_mean
from tinycdp.engine.catalog import Name
from tinycdp.products.delivery.definitions.syncs.schemas import SyncDocument
from tinycdp.products.delivery.mapping.checks import PROFILE_FIELDS, check_mapping, references_of
from tinycdp.products.delivery.mapping.reading import read_mapping

Problem = tuple[str, str]
_LONGEST_FILTER = 4_000


def form_problems(document: SyncDocument) -> Iterator[Problem]:
    """(path, message) of all that is wrong with the form of a document."""
    _, problems = read_mapping(document.mapping)
    yield from problems
    for n, path in enumerate(document.match):
        if not _is_written(document.mapping, path.split(".")):
            yield f"$.match[{n}]", f"the mapping writes no field {path!r}.{did_you_mean(path, document.mapping)}"
    on_leave = document.on_leave
    if document.mode == "mirror" and on_leave not in {None, "remove", "delete"}:
        yield "$.onLeave", "a mirror has the members and no one else: `remove` or `delete`."
    if document.mode == "audience" and on_leave not in {None, "remove", "delete"}:
        yield "$.onLeave", "who leaves an audience is removed from it: `remove` or `delete`."
    if (on_leave == "clear") is not bool(document.clear):
        yield "$.clear", "`clear` names the fields that onLeave: clear sends as null; give both, or neither."
    for n, path in enumerate(document.clear):
        if path in document.match:
            yield f"$.clear[{n}]", f"{path!r} is a match field; without it the receiver does not know whom it is about."
    if len(document.filter) > _LONGEST_FILTER:
        yield "$.filter", f"an expression has at most {_LONGEST_FILTER:,} characters."


def _is_written(mapping: object, path: list[str]) -> bool:
    """Whether a mapping may write a field. Inside of operators everything may be."""
    for name in path:
        if not isinstance(mapping, dict):
            return False
        if mapping.keys() & {"if", "plain", "expr", "field"}:
            return True
        if name not in mapping:
            return False
        mapping = mapping[name]
    return True


def findings(document: SyncDocument, scope: Scope) -> Iterator[Problem]:
    """(path, message) of all that does not fit the definitions that exist."""
    if document.segment and document.segment not in scope.segments:
        hint = did_you_mean(document.segment, list(scope.segments))
        yield "$.segment", f"there is no segment {document.segment!r}.{hint}"
    if document.filter:
        checked = check(document.filter, replace(scope, kind="segment"))
        if checked.errors:
            yield "$.filter", f"{checked.errors[0].code} {checked.errors[0].message}"
        elif checked.reads:
            yield "$.filter", "a filter cannot count events. Save this as a trait or a segment first, and name that."
    mapping, _ = read_mapping(document.mapping)
    if mapping is not None:
        yield from check_mapping(mapping, scope, PROFILE_FIELDS)


def core_names(document: SyncDocument) -> set[Name]:
    """The definitions that a document reads, or may read."""
    found: set[Name] = {("segment", document.segment)} if document.segment else set()
    mapping, _ = read_mapping(document.mapping)
    if mapping is not None:
        found |= references_of(mapping)
    if document.filter:
        with contextlib.suppress(SourceError):
            found |= possible_references(parse(document.filter))
    return found
