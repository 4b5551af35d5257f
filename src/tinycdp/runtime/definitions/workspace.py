"""Definitions as their authors see them: meaning, cost, dependencies and progress.

Shape   read_workspace(…) → the head revision · understand(…), understand_flag(…) → what an expression or a flag would
        mean there, understand_definition(…) → the same for a saved definition · impact_of(…) → what depends on it,
        and what it depends on · check_event_filter(…), check_profile_filter(…) → filters of questions
Laws    nothing is compiled here: the catalog has it already, and an answer takes about a millisecond.
        A definition is "live" if its newest version serves, and "backfilling" until then
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal

import msgspec

from tinycdp.dsl import ir
from tinycdp.dsl.check import filters
from tinycdp.dsl.check.expressions import Checked, Scope, check, listed
from tinycdp.dsl.cost import Cost
from tinycdp.dsl.diagnostics import Diagnostic, SourceError, to_wire
from tinycdp.dsl.editor.format import format_source
from tinycdp.dsl.ir import NOWHERE, Type
from tinycdp.engine.catalog import FLAG_TYPES, Catalog, CompiledSet, Definition, Name
from tinycdp.engine.flags.document import Flag
from tinycdp.engine.flags.graph import check_flags
from tinycdp.engine.schema.tracking_plan import TRAITS_OF, PlannedEvent, types_of
from tinycdp.errors import InvalidInput
from tinycdp.model import Instant
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.observed import NOTHING_KNOWN, Known, read_known
from tinycdp.runtime.definitions.product_kinds import Names
from tinycdp.runtime.definitions.references import closure, mentioned, references_of
from tinycdp.runtime.environment import Environment
from tinycdp.store import definitions as store
from tinycdp.store import registry
from tinycdp.store.database.pool import Connection, acquired

Kind = Literal["trait", "segment", "flag"]

_NAMES_MS = 10_000
#: A backfill without progress for so long has no rate: no worker runs, or it is busy with another environment.
_STALLED_MS = 10_000


@dataclass(frozen=True, slots=True)
class BackfillProgress:
    """How far a backfill is, in profiles.

    rate_per_second  of the last seconds, or of the whole run if it is finished; None, like seconds_left, until the
                     first profiles are done and while no worker advances it
    """

    done: int
    total: int
    rate_per_second: float | None
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an expression or a flag would mean if it were saved.

    type         for a flag the type of its values
    canonical    the canonical text; None for a flag, and for an expression that does not parse
    diagnostics  errors and warnings, in the form of the wire; with the `path` of the expression in a flag
    """

    valid: bool
    type: str
    nullable: bool
    canonical: str | None
    cost: Cost
    diagnostics: list[dict[str, Any]]


@dataclass(frozen=True)
class Declared:
    """Declared types of properties of profiles, and of events by name.

    Nested names are joined by dots."""

    profile: Mapping[str, Type] = field(default_factory=dict)
    events: Mapping[str, Mapping[str, Type]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.profile or self.events)


_NOTHING = Declared()


@dataclass(frozen=True)
class Workspace:
    """The definitions of an environment's head revision, with what their authors need to know.

    events    the names of recent events
    new       definitions that are not in the live revision
    declared  the types that the tracking plan declares
    known     the events and properties that were observed or declared
    """

    catalog: Catalog
    head: CompiledSet
    events: tuple[str, ...]
    new: frozenset[Name]
    progress: BackfillProgress | None
    declared: Declared = _NOTHING
    known: Known = NOTHING_KNOWN

    def find(self, name: Name) -> Definition | None:
        return self.head.definitions.get(name)

    def of_kind(self, kind: Kind) -> list[Definition]:
        """The definitions of a kind, by key."""
        return sorted((d for d in self.head.definitions.values() if d.kind == kind), key=lambda d: d.key)

    def is_backfilling(self, name: Name) -> bool:
        """Whether the newest version of a definition does not serve yet."""
        if self.catalog.candidate is None:
            return False
        live = self.catalog.live
        return (
            name in self.new
            or live.definitions[name].version != self.head.definitions[name].version
            or live.fingerprints[name] != self.head.fingerprints[name]
        )

    def used_by(self) -> dict[Name, list[Name]]:
        """For each definition, those that name it."""
        found: dict[Name, list[Name]] = {name: [] for name in self.head.definitions}
        for definition in self.head.definitions.values():
            for reference in sorted(references_of(definition)):
                if reference in found:
                    found[reference].append(definition.name)
        return found


@dataclass(frozen=True, slots=True)
class Named:
    """The name of a definition."""

    kind: str
    key: str


@dataclass(frozen=True, slots=True)
class EventRead:
    """An event and its properties that are read; the event None means every event."""

    event: str | None
    properties: list[str]


@dataclass(frozen=True, slots=True)
class Impact:
    """What depends on a definition, and what it depends on.

    used_by     the definitions that name it
    reaches     these and all that depend on them, the nearest first
    uses        the definitions it names
    needs       these and all that they depend on
    events      the events that it or a definition it needs reads
    properties  likewise the properties of the profile, by the first name of each path
    """

    kind: str
    key: str
    used_by: list[Named]
    reaches: list[Named]
    uses: list[Named]
    needs: list[Named]
    events: list[EventRead]
    properties: list[str]
    revision: int


class EventNames:
    """The events and properties of each environment, against which misspelt ones are checked.

    declared  gives the types of an environment's tracking plan
    """

    def __init__(self, declared: Callable[[int], Declared] = lambda environment_id: _NOTHING) -> None:
        self.declared = declared
        self._known: dict[int, tuple[Instant, Known]] = {}

    async def known(self, connection: Connection, environment_id: int, now: Instant) -> Known:
        """At most ten seconds old."""
        found = self._known.get(environment_id)
        if found is None or not found[0] <= now < found[0] + _NAMES_MS:
            found = (now, await read_known(connection, environment_id, now))
            self._known[environment_id] = found
        return found[1]


async def read_workspace(environment: Environment, catalogs: Catalogs, event_names: EventNames) -> Workspace:
    """The definitions of the head revision, as they are in the database now."""
    async with acquired(environment.pool) as connection:
        catalog = await catalogs.current_in(connection, environment.id)
        return await workspace_of(connection, environment, catalog, event_names)


async def workspace_of(
    connection: Connection, environment: Environment, catalog: Catalog, event_names: EventNames
) -> Workspace:
    """The definitions of a catalog's head revision. Names that are some seconds old are not read again."""
    now = environment.now()
    known = await event_names.known(connection, environment.id, now)
    new, backfill = frozenset[Name](), None
    if catalog.candidate is not None:
        rows = await store.definitions_at(connection, environment.id, catalog.revision)
        new = frozenset(catalog.candidate.definitions.keys() - {(row.kind, row.key) for row in rows})
        backfill = await store.find_backfill(connection, environment.id, catalog.head)
    compiled_set = catalog.candidate or catalog.live
    progress = progress_of(backfill, now) if backfill is not None else None
    declared = event_names.declared(environment.id)
    return Workspace(catalog, compiled_set, tuple(known.events), new, progress, declared, known)


async def read_declared(connection: Connection, environment_id: int) -> Declared:
    """The types that the tracking plan declares, as they are in the database now."""
    rows = await registry.current_plan_entries(connection, environment_id)
    types = {row.event: types_of(msgspec.convert(row.document, PlannedEvent)) for row in rows}
    events = {event: of_event for event, of_event in types.items() if event not in TRAITS_OF.values()}
    return Declared(types.get(TRAITS_OF["identify"], {}), events)


def progress_of(backfill: store.BackfillRow, now: Instant) -> BackfillProgress:
    """The progress that a row of backfills shows at an instant."""
    done, total, rate = backfill.done, backfill.total, backfill.rate
    if backfill.finished_at is not None:
        seconds = (backfill.finished_at - backfill.started_at) / 1000
        return BackfillProgress(total, total, round(done / seconds, 1) if seconds > 0 else None, 0.0)
    if not rate or backfill.advanced_at is None or now - backfill.advanced_at > _STALLED_MS:
        return BackfillProgress(done, total, None, None)
    return BackfillProgress(done, total, round(rate, 1), round(max(total - done, 0) / rate, 1))


def understand(workspace: Workspace, kind: Kind, key: str | None, text: str) -> Meaning:
    """What an expression means in the workspace, under its own key if it has one."""
    return understand_checked(workspace, kind, key, text)[0]


def understand_checked(workspace: Workspace, kind: Kind, key: str | None, text: str) -> tuple[Meaning, Checked]:
    """The same, with the checked expression."""
    checked, cycle = _check(workspace, kind, key, text)
    found = [to_wire(text, d) for d in (*cycle, *checked.diagnostics)]
    return _meaning(checked.type, checked.nullable, checked.canonical or None, [checked], found), checked


def understand_flag(workspace: Workspace, flag: Flag) -> Meaning:
    """What a flag means: the conditions of its rules, each with its path."""
    found: list[dict[str, Any]] = []
    checked = []
    for n, rule in enumerate(flag.rules):
        one, cycle = _check(workspace, "flag", flag.key, rule.when)
        checked.append(one)
        found += [{"path": f"$.rules[{n}].when", **to_wire(rule.when, d)} for d in (*cycle, *one.diagnostics)]
    definitions = workspace.head.definitions
    others = {key: d.flag for (_, key), d in definitions.items() if d.flag is not None}
    try:
        check_flags({**others, flag.key: flag}, {key for kind, key in definitions if kind == "segment"})
    except InvalidInput as wrong:
        found.append({"path": "$", **to_wire("", Diagnostic(wrong.code, "error", NOWHERE, wrong.message))})
    return _meaning(FLAG_TYPES[flag.type], False, None, checked, found)


def understand_definition(workspace: Workspace, definition: Definition) -> Meaning:
    """What a saved definition means."""
    if definition.flag is not None:
        return understand_flag(workspace, definition.flag)
    if definition.static:
        rule = listed(definition.id)
        return _meaning(rule.type, rule.nullable, None, [rule], [])
    kind: Kind = "trait" if definition.kind == "trait" else "segment"
    return understand(workspace, kind, definition.key, definition.expression)


def warnings_of(workspace: Workspace, definitions: Iterable[Definition]) -> list[dict[str, Any]]:
    """The warnings about these definitions: {kind, key, diagnostics} of each that has some."""
    found = []
    for definition in definitions:
        diagnostics = understand_definition(workspace, definition).diagnostics
        if warnings := [diagnostic for diagnostic in diagnostics if diagnostic["severity"] == "warning"]:
            found.append({"kind": definition.kind, "key": definition.key, "diagnostics": warnings})
    return found


def impact_of(workspace: Workspace, name: Name) -> Impact:
    """What depends on a definition of the head revision, and what it depends on."""
    head = workspace.head
    used_by = {other: sorted(users) for other, users in workspace.used_by().items()}
    uses = {d.name: sorted(references_of(d)) for d in head.definitions.values()}
    needs = [other for other in closure([name], uses) if other in head.definitions]
    reads: dict[str | None, set[str]] = {}
    properties: set[str] = set()
    for read in (read for other in (name, *needs) for read in head.reads.get(other, ())):
        looked_at = reads.setdefault(read.spec.event, set())
        paths = [n.path for n in ir.walk(read.spec.where) if isinstance(n, ir.EventProperty)] if read.spec.where else []
        looked_at.update(".".join(path) for path in (read.spec.path, *paths) if path)
    if name in head.dependencies:
        properties.update(head.dependencies[name].properties)
    return Impact(
        *name,
        _named(used_by[name]),
        _named(closure([name], used_by)),
        _named(other for other in uses[name] if other in head.definitions),
        _named(needs),
        [EventRead(event, sorted(reads[event])) for event in sorted(reads, key=lambda event: event or "")],
        sorted(properties),
        workspace.catalog.head,
    )


def _named(names: Iterable[Name]) -> list[Named]:
    return [Named(*name) for name in names]


def type_of(workspace: Workspace, definition: Definition) -> Type:
    """The type of a definition's values."""
    if definition.flag is not None:
        return FLAG_TYPES[definition.flag.type]
    return workspace.head.nodes[definition.name].type


def scope_of(workspace: Workspace, kind: Kind, key: str | None) -> Scope:
    """What names mean in an expression of this kind, under its own key if it has one."""
    compiled_set = workspace.head
    traits = {k: node.type for (of, k), node in compiled_set.nodes.items() if of == "trait"}
    segments = {k for of, k in compiled_set.definitions if of == "segment"}
    flags = {k: FLAG_TYPES[program.flag.type] for k, program in compiled_set.flags.items()}
    certain = {k for (of, k), node in compiled_set.nodes.items() if of == "trait" and not node.nullable}
    # The definition itself is a known name: reading itself is a cycle, not an unknown name.
    if key is not None and kind == "trait":
        traits.setdefault(key, Type.DYN)
    elif key is not None and kind == "segment":
        segments.add(key)
    elif key is not None:
        flags.setdefault(key, Type.BOOL)
    return Scope(
        kind=kind,
        traits=traits,
        segments=segments,
        flags=flags,
        events=workspace.known.events,
        certain=certain,
        known=workspace.known.profile,
        group=workspace.known.group,
    )


def names_of(workspace: Workspace, now: Instant) -> Names:
    """What documents of products may name."""
    flags = {key: program.flag for key, program in workspace.head.flags.items()}
    catalog = workspace.catalog
    scope = scope_of(workspace, "segment", None)
    return Names(catalog.environment_id, scope, catalog.zone, flags, now, catalog.head)


@lru_cache(4096)
def canonical(text: str) -> str:
    """The canonical text of an expression."""
    return format_source(text)


def _check(workspace: Workspace, kind: Kind, key: str | None, text: str) -> tuple[Checked, list[Diagnostic]]:
    compiled_set = workspace.head
    name = (kind, key) if key is not None else None
    scope = scope_of(workspace, kind, key)
    checked = check(text, scope)
    found = _contradictions(text, checked, scope, workspace.declared)
    way = _way_back(compiled_set, name, text) if name is not None else None
    if way is not None:
        message = f"Definitions form a cycle: {' -> '.join(k for _, k in way)}."
        found.insert(0, Diagnostic("E601", "error", NOWHERE, message))
    return checked, found


def check_event_filter(workspace: Workspace, event: str | None, text: str) -> Checked:
    """The `where` of an event in a question. An event of None means every event."""
    scope, declared = scope_of(workspace, "segment", None), workspace.declared
    checked = filters.check_event_filter(text, scope, event)
    if not declared or checked.node is None:
        return checked
    return _with_contradictions(checked, filters.check_event_filter(text, _planned(scope, declared), event))


def check_profile_filter(workspace: Workspace, text: str) -> Checked:
    """The condition on people in a question."""
    scope, declared = scope_of(workspace, "segment", None), workspace.declared
    checked = filters.check_profile_filter(text, scope)
    if not declared or checked.node is None:
        return checked
    return _with_contradictions(checked, filters.check_profile_filter(text, _planned(scope, declared)))


def _with_contradictions(checked: Checked, typed: Checked) -> Checked:
    return replace(checked, diagnostics=(*checked.diagnostics, *_as_warnings(typed)))


def _contradictions(text: str, checked: Checked, scope: Scope, declared: Declared) -> list[Diagnostic]:
    """What contradicts the types of the tracking plan, in an expression that has no other error.

    They are warnings: the plan may change later, and the definition serves anyway.
    Values of other types are unknown."""
    if not declared or checked.node is None:
        return []
    return _as_warnings(check(text, _planned(scope, declared)))


def _planned(scope: Scope, declared: Declared) -> Scope:
    """The scope with the types that the tracking plan declares."""
    events: dict[str, Mapping[str, Type]] = {**scope.events, **declared.events}
    return replace(scope, properties={**scope.properties, **declared.profile}, events=events)


def _as_warnings(typed: Checked) -> list[Diagnostic]:
    return [replace(d, severity="warning", message=f"{d.message} The tracking plan says so.") for d in typed.errors]


def _way_back(compiled_set: CompiledSet, name: Name, text: str) -> Sequence[Name] | None:
    """The shortest cycle through a definition with this text; None if it is in no cycle."""
    try:
        frontier: list[tuple[Name, ...]] = [(name, other) for other in sorted(mentioned(text))]
    except SourceError:
        return None
    seen: set[Name] = set()
    while frontier:
        following: list[tuple[Name, ...]] = []
        for way in frontier:
            last = way[-1]
            if last == name:
                return way
            if last in seen or last not in compiled_set.definitions:
                continue
            seen.add(last)
            following += [(*way, other) for other in sorted(references_of(compiled_set.definitions[last]))]
        frontier = following
    return None


def _meaning(
    kind: ir.Type, nullable: bool, text: str | None, parts: Sequence[Checked], diagnostics: list[dict[str, Any]]
) -> Meaning:
    cost = Cost(
        sum(part.cost.state_bytes for part in parts),
        round(sum(part.cost.wakeups_per_day for part in parts), 3),
        sum(part.cost.nodes for part in parts),
    )
    valid = not any(diagnostic["severity"] == "error" for diagnostic in diagnostics)
    return Meaning(valid, kind.value, nullable, text, cost, diagnostics)
