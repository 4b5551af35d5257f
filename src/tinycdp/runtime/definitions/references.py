"""References between definitions, and how to rewrite them.

Shape   references_of(definition) → names · rewritten(definition, names) → definition · closure(names, edges) → names
Laws    rewriting changes references and nothing else: expressions keep their layout and comments, and the result
        means the same as the original, once the named definitions have their new keys
Errors  none for a saved definition: its expressions parse
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from tinycdp.dsl.check.expressions import possible_references
from tinycdp.dsl.editor.rename import renamed
from tinycdp.dsl.parser import parse
from tinycdp.engine.catalog import Definition, Name
from tinycdp.engine.flags.document import read_flag, stages, to_document

Node = TypeVar("Node")

#: Where a flag's document names other definitions, or holds an expression that may. "*" is any place of a list.
_PLACES = {
    ("rules", "*", "when"): "expression",
    ("overrides", "*", "segment"): "segment",
    ("prerequisites", "*", "flag"): "flag",
    ("holdouts", "*"): "flag",
}


def references_of(definition: Definition) -> set[Name]:
    """The definitions this one names, at any stage of its schedule. An archived flag names none."""
    flag = definition.flag
    if definition.static:
        return set()
    if flag is None:
        return set(mentioned(definition.expression))
    if flag.archived:
        return set()
    found: set[Name] = set()
    for stage in (stage for _, stage in stages(flag)) if flag.schedule else (flag,):
        found |= {("segment", override.segment) for override in stage.overrides if override.segment is not None}
        found |= {("flag", prerequisite.flag) for prerequisite in stage.prerequisites}
        found |= {("flag", holdout) for holdout in stage.holdouts}
        found = found.union(*(mentioned(rule.when) for rule in stage.rules))
    return found


@lru_cache(4096)
def mentioned(text: str) -> frozenset[Name]:
    """The definitions an expression names. Raises SourceError if it does not parse."""
    return possible_references(parse(text))


def rewritten(definition: Definition, names: Mapping[Name, str]) -> Definition:
    """The definition with its references renamed; itself if it has none of `names`."""
    if definition.static:
        return definition
    if definition.flag is None:
        text = definition.expression
        if names.keys().isdisjoint(mentioned(text)):
            return definition
        return msgspec.structs.replace(definition, expression=renamed(text, names))
    if not names:
        return definition

    def change(place: str, text: str) -> str:
        return renamed(text, names) if place == "expression" else names.get((place, text), text)

    document = to_document(definition.flag)
    changed = _walk_flag(document, change)
    if msgspec.json.encode(changed) == msgspec.json.encode(document):
        return definition
    return msgspec.structs.replace(definition, flag=read_flag(changed, definition.flag.salt))


def closure(start: Iterable[Node], edges: Mapping[Node, Iterable[Node]]) -> list[Node]:
    """Every node that the edges reach, the nearest first, without the start."""
    reached = list(dict.fromkeys(start))
    first, seen = len(reached), set(reached)
    for name in reached:  # grows during the loop
        for other in edges.get(name, ()):
            if other not in seen:
                seen.add(other)
                reached.append(other)
    return reached[first:]


_Change = Callable[[str, str], str]


def _walk_flag(document: dict[str, Any], change: _Change) -> dict[str, Any]:
    found: dict[str, Any] = _walk(document, (), change)
    if schedule := found.get("schedule"):
        found["schedule"] = [
            {**step, "set": {p: _walk(value, _place(p), change) for p, value in step["set"].items()}}
            for step in schedule
        ]
    return found


def _walk(value: Any, path: tuple[str, ...], change: _Change) -> Any:
    if isinstance(value, str):
        place = _PLACES.get(path)
        return value if place is None else change(place, value)
    if isinstance(value, list | tuple):
        return [_walk(item, (*path, "*"), change) for item in value]
    if isinstance(value, dict):
        return {key: _walk(item, (*path, key), change) for key, item in value.items()}
    return value


def _place(pointer: str) -> tuple[str, ...]:
    """The place of a JSON pointer. Items of a list go by their index or id."""
    names = [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]
    return tuple("*" if n == 1 else name for n, name in enumerate(names))
