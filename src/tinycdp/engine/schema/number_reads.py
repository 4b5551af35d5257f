"""Which properties the definitions read as numbers, and which messages have them as text.

Shape   NumberReads(compiled set).check(messages) → warnings by index · paths_of(spec) → the properties that an
        aggregate reads as numbers
Laws    a message costs one look-up by its event, and one for each property that is read as a number.
        A warning has names, never values. Text never counts as a number: conversion is the tracking plan's
Source  docs/reference/warnings.md "Numbers as text"
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tinycdp.dsl import ir
from tinycdp.dsl.evaluators import lookup
from tinycdp.engine.catalog import CompiledSet, Name
from tinycdp.engine.schema.tracking_plan import TRAITS_OF, event_of
from tinycdp.model import Message, Warned

CODE = "NUMBER_AS_TEXT"
_NUMERIC = frozenset({ir.Family.NUMBER, ir.Family.HISTOGRAM})

Path = tuple[str, ...]


class NumberReads:
    """The properties that one compiled set reads as numbers, by the event that brings them."""

    def __init__(self, compiled_set: CompiledSet) -> None:
        found: dict[str | None, dict[Path, Name]] = {}
        for name in sorted(compiled_set.definitions):
            for event, path in _reads_of(compiled_set, name):
                found.setdefault(event, {}).setdefault(path, name)
        self.is_empty = not found
        of_all = found.pop(None, {})
        self._of_all = _flat(of_all)
        #: The calls without properties of an event have no reads, or those of their traits.
        self._by_event = dict.fromkeys(("", *TRAITS_OF.values()), ()) | {
            event: _flat(own if event in TRAITS_OF.values() else {**of_all, **own})
            for event, own in found.items()
            if event is not None
        }

    def reader(self, event: str, property: str) -> Name | None:
        """The definition that reads a property as a number, by its dotted path; None if no definition does."""
        reads = self._by_event.get(event, self._of_all)
        return next((name for _, path, name in reads if ".".join(path) == property), None)

    def check(self, messages: Sequence[Message]) -> list[tuple[int, list[Warned]]]:
        """The indexes of the messages with text that is read as a number, with their warnings."""
        by_event, of_all = self._by_event, self._of_all
        found: list[tuple[int, list[Warned]]] = []
        if self.is_empty:
            return found
        for n, message in enumerate(messages):
            for first, path, name in by_event.get(message.name or TRAITS_OF.get(message.kind, ""), of_all):
                value = message.properties.get(first)
                if len(path) > 1 and type(value) is dict:
                    value = lookup(value, path[1:])
                if type(value) is str:
                    if not found or found[-1][0] != n:
                        found.append((n, []))
                    found[-1][1].append(_warning(message, path, name))
        return found


def _flat(reads: Mapping[Path, Name]) -> tuple[tuple[str, Path, Name], ...]:
    return tuple((path[0], path, name) for path, name in reads.items())


def _warning(message: Message, path: Path, name: Name) -> Warned:
    property, event = ".".join(path), event_of(message)
    place = f"$.{'properties' if message.name else 'traits'}.{property}"
    text = (
        f"{property!r} is text, and {name[0]} {name[1]!r} reads it as a number, so it does not count. Send a number, "
        f"or declare {property!r} of {event!r} as a number in the tracking plan, which converts it."
    )
    return Warned(CODE, place, text)


def paths_of(spec: ir.AggregateSpec) -> Iterator[Path]:
    """The properties of an event that an aggregate reads as numbers: its own, and those that its `where` compares."""
    if spec.path and spec.family in _NUMERIC:
        yield spec.path
    if spec.where is not None:
        yield from (n.path for n in ir.walk(spec.where) if isinstance(n, ir.EventProperty) and n.type is ir.Type.NUMBER)


def text_at(paths: Iterable[Path], properties: Mapping[str, Any]) -> Path | None:
    """The first of the paths at which there is text, if any."""
    return next((path for path in paths if type(lookup(properties, path)) is str), None)


def _reads_of(compiled_set: CompiledSet, name: Name) -> Iterator[tuple[str | None, Path]]:
    """The event, None for all, and the path of each property that a definition reads as a number."""
    for read in sorted(compiled_set.reads[name], key=lambda read: read.spec.key):
        yield from ((read.spec.event, path) for path in paths_of(read.spec))
    for root in roots_of(compiled_set, name):
        for node in ir.walk(root):
            if node.type is ir.Type.NUMBER:
                if isinstance(node, ir.Property):
                    yield TRAITS_OF["identify"], node.path
                elif isinstance(node, ir.GroupTrait):
                    yield TRAITS_OF["group"], node.path


def roots_of(compiled_set: CompiledSet, name: Name) -> Iterator[ir.Node]:
    """The expressions of a definition: one, or the conditions of a flag at every stage of its schedule."""
    if name in compiled_set.nodes:
        yield compiled_set.nodes[name]
    stage = compiled_set.flags.get(name[1]) if name[0] == "flag" else None
    while stage is not None:
        yield from (rule.node for rule in stage.rules)
        stage = stage.then
