"""Check definitions together: resolve bare names, pass types on, find cycles.

Shape   check_workspace(sources) → CheckedWorkspace(checked, order); a definition is named by (kind, key)
Laws    order is topological, and the same whatever order the definitions are given in
        one broken definition never hides problems of another; each definition that depends on it reports E603
Errors  none: every problem is a Diagnostic of the definition it belongs to
Source  dsl/SPEC.md "Definitions"
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from heapq import heapify, heappop, heappush
from typing import Literal

from tinycdp.dsl import ir, parser
from tinycdp.dsl.check.expressions import Checked, Scope, check, listed, possible_references
from tinycdp.dsl.diagnostics import Diagnostic, SourceError
from tinycdp.dsl.ir import NOWHERE, Type

MAX_AGGREGATES = 500
#: How deep an expression may nest, together with all it refers to: evaluation recurses as deep, on Python's stack.
MAX_LEVELS = 256
_LEVELS_OF_A_FLAG = 3

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class DefinitionSource:
    """A trait's expression or a segment's rule, as written.

    list_id  of a static segment, which has no text: the id of its definition"""

    kind: Literal["trait", "segment"]
    key: str
    text: str = ""
    list_id: int | None = None


@dataclass(frozen=True, slots=True)
class FlagSource:
    """The conditions of a flag's rules, in order.

    `requires` lists the flags that are its prerequisites."""

    key: str
    type: Type
    whens: tuple[str, ...]
    requires: tuple[str, ...] = ()

    @property
    def kind(self) -> Literal["flag"]:
        return "flag"


@dataclass(frozen=True, slots=True)
class CheckedWorkspace:
    """The result of checking a set of definitions.

    checked  one Checked for a trait or segment, one for each condition of a flag
    order    every definition after those it reads; definitions that depend on a cycle are left out
    graph    problems of a definition as a whole, which have no place in its source: E6xx, E708 and E709
    """

    checked: Mapping[Key, tuple[Checked, ...]]
    order: tuple[Key, ...]
    graph: Mapping[Key, tuple[Diagnostic, ...]] = field(default_factory=dict)

    @property
    def errors(self) -> dict[Key, Diagnostic]:
        """The first error of each definition that has errors."""
        found = {name: diagnostics[0] for name, diagnostics in self.graph.items()}
        for name, parts in self.checked.items():
            for error in (error for part in parts for error in part.errors):
                found.setdefault(name, error)
        return found

    def parts(self, name: Key) -> tuple[Checked, ...]:
        """Every expression of a definition; empty if there is no such definition."""
        return self.checked.get(name, ())


def check_workspace(
    sources: Iterable[DefinitionSource | FlagSource],
    *,
    properties: Mapping[str, Type] | None = None,
    events: Mapping[str, Mapping[str, Type]] | None = None,
    known: Collection[str] = (),
    group: Collection[str] = (),
) -> CheckedWorkspace:
    """Check every definition in the scope of all others; the other arguments are those of a Scope."""
    graph: dict[Key, list[Diagnostic]] = {}
    defined: dict[Key, DefinitionSource | FlagSource] = {}
    name: Key
    for source in sources:
        name = (source.kind, source.key)
        if name in defined:
            message = f"The {source.kind} '{source.key}' is defined more than once; only the first definition is used."
            graph.setdefault(name, []).append(_error("E602", message))
        defined.setdefault(name, source)
    reads = {name: _possible_references(source) & defined.keys() for name, source in defined.items()}
    order, rest = _sorted(reads)
    cycles = _cycles(reads, rest)
    for name, path in cycles.items():
        text = " -> ".join(key for _, key in path)
        graph.setdefault(name, []).append(_error("E601", f"Definitions form a cycle: {text}."))

    traits: dict[str, Type] = {key: Type.DYN for kind, key in defined if kind == "trait"}
    scope = Scope(
        traits=traits,
        segments=frozenset(key for kind, key in defined if kind == "segment"),
        flags={source.key: source.type for source in defined.values() if isinstance(source, FlagSource)},
        properties=properties or {},
        events=events or {},
        known=known,
        group=group,
    )
    checked: dict[Key, tuple[Checked, ...]] = {}
    certain: set[str] = set()
    failed: set[Key] = rest | graph.keys()
    # Definitions on a cycle are checked too, for other problems, after all the rest.
    for name in [*order, *sorted(rest)]:
        source = defined[name]
        here = replace(scope, kind=source.kind, certain=certain)
        parts = checked[name] = _check(source, here)
        broken = sorted(reads[name] & failed)
        if broken and name not in cycles:
            message = f"'{name[1]}' depends on '{broken[0][1]}', which has errors."
            graph.setdefault(name, []).append(_error("E603", message))
        if broken or any(part.node is None for part in parts):
            failed.add(name)
        elif source.kind == "trait":
            traits[source.key] = parts[0].type
            if not parts[0].nullable:
                certain.add(source.key)
    _limit({name: checked[name] for name in order}, graph)
    _limit_depth({name: checked[name] for name in order}, reads, graph)
    return CheckedWorkspace(checked, tuple(order), {name: tuple(found) for name, found in graph.items()})


def _error(code: str, message: str) -> Diagnostic:
    return Diagnostic(code, "error", NOWHERE, message)


def _check(source: DefinitionSource | FlagSource, scope: Scope) -> tuple[Checked, ...]:
    if isinstance(source, DefinitionSource) and source.list_id is not None:
        return (listed(source.list_id),)
    return tuple(check(text, scope, _parse) for text in _texts(source))


def _texts(source: DefinitionSource | FlagSource) -> tuple[str, ...]:
    if isinstance(source, FlagSource):
        return source.whens
    return (source.text,) if source.list_id is None else ()


#: Most definitions are unchanged since the last publish, so their trees are cached.
_parse = lru_cache(2_000)(parser.parse)


def _possible_references(source: DefinitionSource | FlagSource) -> set[Key]:
    """The definitions that the source may refer to; empty if it does not parse."""
    found = {("flag", key) for key in source.requires} if isinstance(source, FlagSource) else set()
    for text in _texts(source):
        try:
            found |= possible_references(_parse(text))
        except SourceError:
            continue
    return found


def _sorted(reads: Mapping[Key, set[Key]]) -> tuple[list[Key], set[Key]]:
    """The keys in topological order, ties by name.

    It also returns the keys that a cycle leaves without a place."""
    waiting = {name: len(needed) for name, needed in reads.items()}
    readers: dict[Key, list[Key]] = {name: [] for name in reads}
    for name, needed in reads.items():
        for other in needed:
            readers[other].append(name)
    ready = [name for name, count in waiting.items() if count == 0]
    heapify(ready)
    order: list[Key] = []
    while ready:
        name = heappop(ready)
        order.append(name)
        for reader in readers[name]:
            waiting[reader] -= 1
            if waiting[reader] == 0:
                heappush(ready, reader)
    return order, reads.keys() - set(order)


def _cycles(reads: Mapping[Key, set[Key]], rest: set[Key]) -> dict[Key, list[Key]]:
    """For each key on a cycle, one shortest path from it back to itself."""
    found: dict[Key, list[Key]] = {}
    for start in sorted(rest):
        came_from: dict[Key, Key] = {}
        frontier = [start]
        while frontier and start not in came_from:
            following: list[Key] = []
            for name in frontier:
                for other in sorted(reads[name] & rest):
                    if other not in came_from:
                        came_from[other] = name
                        following.append(other)
            frontier = following
        if start in came_from:
            path = [start]
            while path[-1] != start or len(path) == 1:
                path.append(came_from[path[-1]])
            found[start] = path[::-1]
    return found


def _limit(parts: Mapping[Key, tuple[Checked, ...]], graph: dict[Key, list[Diagnostic]]) -> None:
    """Add E708 to each definition that introduces an aggregate beyond the limit."""
    known: set[ir.AggregateSpec] = set()
    for name, expressions in parts.items():
        specs = {read.spec for part in expressions for read in part.reads}
        if len(known | specs) > MAX_AGGREGATES:
            message = (
                f"A workspace can keep at most {MAX_AGGREGATES} different aggregates; '{name[1]}' would exceed it."
            )
            graph.setdefault(name, []).append(_error("E708", message))
        else:
            known |= specs


def _limit_depth(
    parts: Mapping[Key, tuple[Checked, ...]], reads: Mapping[Key, set[Key]], graph: dict[Key, list[Diagnostic]]
) -> None:
    """Add E709 to the first definitions that nest too deeply.

    `parts` has each after all that it reads."""
    levels: dict[Key, int] = {}
    for name, expressions in parts.items():
        own = max((ir.depth(part.node) for part in expressions if part.node is not None), default=1)
        own += _LEVELS_OF_A_FLAG if name[0] == "flag" else 0
        below = max((levels[other] for other in reads[name]), default=0)
        levels[name] = own + below
        if below <= MAX_LEVELS < levels[name]:
            message = f"'{name[1]}' nests {levels[name]} levels deep with all it refers to; the limit is {MAX_LEVELS}."
            graph.setdefault(name, []).append(_error("E709", message))
