"""All definitions of an environment at a revision, compiled and indexed.

Shape   Catalog: what to keep of each event, which segments to review, and the evaluators that answer for one profile.
        During a backfill there are two compiled sets: `live` serves, `candidate` is computed beside it
Laws    a definition without a live version is unknown (BACKFILLING) until its revision is backfilled; a changed one
        keeps its live version until then. A fingerprint stands for one meaning and is never reused
Errors  InvalidDefinitions with every diagnostic of every definition
Source  dsl/SPEC.md "Definitions"; docs/decisions/0009-live-and-candidate.md
"""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from hashlib import blake2b
from typing import Any

import msgspec

from tinycdp.dsl import ir
from tinycdp.dsl.check.expressions import Checked
from tinycdp.dsl.check.workspace import DefinitionSource, FlagSource, check_workspace
from tinycdp.dsl.compile import Compiler, membership, predicate
from tinycdp.dsl.diagnostics import Diagnostic, to_wire
from tinycdp.dsl.evaluators import Activation, Evaluator, coerce, lookup
from tinycdp.dsl.unknowns import Finder, finder_of
from tinycdp.dsl.values.calendar import Days, days_in
from tinycdp.dsl.values.numbers import nanos
from tinycdp.engine.aggregates.calendar_days import DayMap, Extent
from tinycdp.engine.aggregates.codec import empty
from tinycdp.engine.aggregates.counters import Latest
from tinycdp.engine.aggregates.distributions import Uniques, canonical, grade
from tinycdp.engine.aggregates.event_log import Log
from tinycdp.engine.flags import decide, local
from tinycdp.engine.flags.document import Flag, stages
from tinycdp.engine.flags.graph import check_flags
from tinycdp.engine.flags.local_parts import reads_request
from tinycdp.engine.flags.trail import Killed
from tinycdp.engine.profile import Profile
from tinycdp.errors import InvalidInput
from tinycdp.model import NEVER, Message

Name = tuple[str, str]  # (kind, key)

#: Called with (definition, field) for each value whose type is not the one needed.
OnTypeMismatch = Callable[[str, str], None]


def ignore(definition: str, field: str) -> None:
    """Default listener: ignores type mismatches."""


#: The type of a flag's value inside another flag's condition.
FLAG_TYPES = {
    "boolean": ir.Type.BOOL,
    "string": ir.Type.STRING,
    "integer": ir.Type.NUMBER,
    "float": ir.Type.NUMBER,
    "object": ir.Type.DYN,
}

#: first(), last(), unique() and top() ignore longer strings, so that state is bounded.
LONGEST_TEXT = 1_024


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a trait, segment or flag.

    A flag has a document in `flag`; the others have an `expression`, unless they are a static segment, whose members
    are on a list.

    meaning  the version that last changed what it means; a new description changes no membership"""

    id: int
    version: int
    meaning: int = 1
    kind: str
    key: str
    expression: str = ""
    flag: Flag | None = None
    description: str = ""
    static: bool = False

    @property
    def name(self) -> Name:
        return (self.kind, self.key)


class InvalidDefinitions(InvalidInput):
    """Some definitions have errors.

    `details["definitions"]` lists them with all diagnostics, spans and fixes."""

    def __init__(self, found: list[tuple[Name, str, list[Diagnostic]]]) -> None:
        listed = [
            {
                "kind": name[0],
                "key": name[1],
                "expression": source,
                "diagnostics": [to_wire(source, diagnostic) for diagnostic in diagnostics],
            }
            for name, source, diagnostics in found
        ]
        (kind, key), _, first = found[0][0], found[0][1], found[0][2][0]
        super().__init__(first.code, f"{kind} {key!r}: {first.message}", definitions=listed)
        self.found = found


@dataclass(frozen=True, slots=True)
class KeptAggregate:
    """What to keep of the events that match one aggregate.

    matches   whether an event's properties satisfy its `where`; None matches all
    value_of  the value of one event's properties for the aggregate, or None; itself None if no properties are needed
    backfilling   whether profiles older than the backfilling revision may have incomplete state"""

    spec: ir.AggregateSpec
    key: str
    bucket_widths: tuple[int, ...]
    matches: Callable[[Mapping[str, Any]], bool] | None
    value_of: Callable[[Mapping[str, Any]], Any] | None
    backfilling: bool

    def add_event(self, profile: Profile, message: Message, calendar: Days, complete: bool) -> None:
        """Add one event to the profile's state if it matches."""
        if self.matches is not None and not self.matches(message.properties):
            return
        value: Any = None
        if self.value_of is not None and (value := self.value_of(message.properties)) is None:
            return
        state = profile.state(self.key)
        if state is None:
            if self.backfilling and not complete:
                return  # the backfill reads this event with all the others
            state = profile.states[self.key] = empty(self.spec.family)
        match state:
            case Log():
                if len(state.buckets) != len(self.bucket_widths):
                    state.keep_buckets(self.bucket_widths)
                state.add(message.occurred_at, message.message_id, value)
            case Latest() | Uniques():
                state.add(message.occurred_at, message.message_id, value)
            case DayMap():
                state.add_day(calendar.day(message.occurred_at))
            case Extent():
                state.add_instant(message.occurred_at)


def _value_of(
    spec: ir.AggregateSpec, on_type_mismatch: Callable[[str], None]
) -> Callable[[Mapping[str, Any]], Any] | None:
    """A function from one event's properties to their value for the aggregate.

    Returns None if no properties are needed."""
    path, family = spec.path, spec.family
    if not path:
        return None
    if family in {ir.Family.NUMBER, ir.Family.HISTOGRAM}:
        number = _number_at(path, partial(on_type_mismatch, ".".join(path)))
        if family is ir.Family.NUMBER:
            return number
        return lambda properties: None if (n := number(properties)) is None else grade(n)

    def value_of(properties: Mapping[str, Any]) -> Any:
        value = coerce(lookup(properties, path), ir.Type.DYN)
        if value is None or isinstance(value, dict | tuple) or (type(value) is str and len(value) > LONGEST_TEXT):
            return None
        return canonical(value) if family in {ir.Family.UNIQUE, ir.Family.TOP} else value

    return value_of


def _number_at(
    path: tuple[str, ...], on_type_mismatch: Callable[[], None]
) -> Callable[[Mapping[str, Any]], int | None]:
    name = path[0] if len(path) == 1 else None

    def number(properties: Mapping[str, Any]) -> int | None:
        value = properties.get(name) if name is not None else lookup(properties, path)
        found = nanos(value)
        if found is None and value is not None:
            on_type_mismatch()
        return found

    return number


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What a definition's value depends on. None in `events` means that every event counts."""

    events: frozenset[str | None]
    properties: frozenset[str]
    seen: bool
    group: bool
    lists: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment with maintained membership.

    is_candidate  whether it belongs to a backfilling revision; `live_fingerprint` is then that of its live
              meaning, if any"""

    name: Name
    id: int
    fingerprint: int
    dependencies: Dependencies
    is_candidate: bool = False
    live_fingerprint: int | None = None


@dataclass(frozen=True)
class CompiledSet:
    """One consistent compiled set of definitions: every reference resolves inside it.

    nodes     of traits and segments; the nodes of a flag's conditions are in its program
    compiler  made the evaluators, and can make the evaluator of any part; `ready` says whether a read is complete"""

    definitions: Mapping[Name, Definition]
    nodes: Mapping[Name, ir.Node]
    compiler: Compiler
    ready: Callable[[ir.AggregateRead], bool]
    evaluators: Mapping[Name, Evaluator]
    fingerprints: Mapping[Name, int]
    reads: Mapping[Name, frozenset[ir.AggregateRead]]
    dependencies: Mapping[Name, Dependencies]
    flags: Mapping[str, decide.Program]

    @cached_property
    def sticky(self) -> frozenset[str]:
        """The flags whose decision needs the variants that profiles keep: sticky ones, and those that read one."""
        found: set[str] = set()
        for key, program in self.flags.items():  # each after all it refers to
            if any(stage.flag.sticky or not found.isdisjoint(stage.flags_read) for stage in program.stages()):
                found.add(key)
        return frozenset(found)

    @cached_property
    def local(self) -> local.LocalPrograms:
        """The flags as clients are given them to decide."""
        return local.prepare(self.flags, self.compiler, self.sticky)


@dataclass(frozen=True)
class Catalog:
    """The definitions of one environment, ready to serve.

    backfilling    definitions that are unknown until the head revision is backfilled
    must_backfill  whether state or memberships of any profile must be computed before the head revision can serve
    lists      the ids of static segments; empty in most environments, where no list is ever read
    new_lists  those whose profiles do not have them in their state yet
    killed     flags switched off by a kill switch, whatever the revision: definition id → the reason to show"""

    environment_id: int
    zone: str
    revision: int
    head: int
    live: CompiledSet
    candidate: CompiledSet | None
    backfilling: frozenset[Name]
    kept: Mapping[str, KeptAggregate]
    segments: tuple[Segment, ...]
    calendar: Days
    must_backfill: bool
    complete: frozenset[tuple[str, int]]
    lists: frozenset[int] = frozenset()
    new_lists: frozenset[int] = frozenset()
    killed: Mapping[int, Killed] = field(default_factory=dict)
    _kept_by_event: dict[str, tuple[KeptAggregate, ...]] = field(default_factory=dict, repr=False)
    _segments_by_event: dict[str, tuple[Segment, ...]] = field(default_factory=dict, repr=False)

    def kept_for(self, event: str) -> tuple[KeptAggregate, ...]:
        """The aggregates that an event of this name may add to."""
        found = self._kept_by_event.get(event)
        if found is None:
            found = tuple(kept for kept in self.kept.values() if kept.spec.event in {event, None})
            if len(self._kept_by_event) < 10_000:  # names come from clients, so the cache is bounded
                self._kept_by_event[event] = found
        return found

    def segments_for_event(self, event: str) -> tuple[Segment, ...]:
        """The segments whose membership an event of this name may change."""
        found = self._segments_by_event.get(event)
        if found is None:
            found = tuple(
                s for s in self.segments if s.dependencies.seen or not s.dependencies.events.isdisjoint({event, None})
            )
            if len(self._segments_by_event) < 10_000:
                self._segments_by_event[event] = found
        return found

    def segments_for_properties(self, names: Iterable[str]) -> tuple[Segment, ...]:
        """The segments that a change of these properties may affect.

        The change comes by a message without an event."""
        changed = set(names)
        return tuple(
            s for s in self.segments if s.dependencies.seen or not s.dependencies.properties.isdisjoint(changed)
        )

    def segments_for_group(self) -> tuple[Segment, ...]:
        """The segments that a change of group, or of the group's traits, may affect."""
        return tuple(s for s in self.segments if s.dependencies.group or s.dependencies.seen)

    def segments_for_lists(self, list_ids: Set[int]) -> tuple[Segment, ...]:
        """The segments that joining or leaving these lists may affect."""
        return tuple(s for s in self.segments if not s.dependencies.lists.isdisjoint(list_ids))

    def compiled_set(self, segment: Segment) -> CompiledSet:
        if segment.is_candidate:
            assert self.candidate is not None
            return self.candidate
        return self.live

    def activation(self, compiled_set: CompiledSet, profile: Profile, now: int) -> Activation:
        """What the set's evaluators need to answer for a profile at an instant."""
        return Activation(
            now,
            calendar=self.calendar,
            properties=profile.properties,
            state=profile.state,
            first_seen=profile.first_seen,
            last_seen=profile.last_seen,
            evaluators=compiled_set.evaluators,
            group=profile.group_traits,
            listed=profile.listed,
        )


def sources(definitions: Iterable[Definition]) -> list[DefinitionSource | FlagSource]:
    """The definitions as the language checks them. An archived flag is left out."""
    return [
        FlagSource(d.key, FLAG_TYPES[d.flag.type], d.flag.conditions, d.flag.required_flags)
        if d.flag is not None
        else DefinitionSource(
            "trait" if d.kind == "trait" else "segment", d.key, d.expression, d.id if d.static else None
        )
        for d in definitions
        if d.flag is None or not d.flag.archived
    ]


def build_catalog(
    environment_id: int,
    zone: str,
    live: Iterable[Definition],
    head: Iterable[Definition],
    *,
    live_revision: int,
    head_revision: int,
    on_type_mismatch: OnTypeMismatch = ignore,
) -> Catalog:
    """Compile the definitions of the live revision, and of the head revision if it differs.

    on_type_mismatch  called for each value whose type is not the one an expression needs"""
    calendar = days_in(zone)
    head_by_name = {d.name: d for d in head}
    live_by_name = {d.name: d for d in live}
    backfilling = head_revision != live_revision
    # A renamed flag keeps serving under its live key; under both keys it would answer from two revisions.
    kept = {d.id for d in live_by_name.values() if d.flag is not None}
    added = frozenset(name for name, d in head_by_name.items() if name not in live_by_name and d.id not in kept)
    new = added if backfilling else frozenset()
    served = {**{name: head_by_name[name] for name in new}, **live_by_name}
    try:
        checked = check_all(served.values())
    except InvalidInput:
        if not new:
            raise
        # New definitions belong to changes that are not live yet: without these changes they cannot exist.
        served, new = live_by_name, frozenset()
        checked = check_all(served.values())
    placeholders = frozenset(name for name in new if name[0] != "flag")
    serving = {read for name, c in checked.items() if name not in new for read in _reads(c)}
    complete = _parts(serving)
    live_set = _compiled_set(
        zone,
        served,
        checked,
        placeholders,
        ready=lambda read: _parts([read]) <= complete,
        on_type_mismatch=on_type_mismatch,
    )
    candidate_set = None
    reads = {read for c in checked.values() for read in _reads(c)}
    if backfilling:
        next_checked = check_all(head_by_name.values())
        candidate_set = _compiled_set(zone, head_by_name, next_checked, frozenset(), lambda _: True, on_type_mismatch)
        reads |= {read for c in next_checked.values() for read in _reads(c)}
    segments = [_segment(live_set, name) for name in served if name[0] == "segment" and name not in new]
    maintained = {segment.fingerprint for segment in segments}
    if candidate_set is not None:
        fingerprints = {segment.id: segment.fingerprint for segment in segments}
        coming = [_segment(candidate_set, name) for name in head_by_name if name[0] == "segment"]
        segments += [
            replace(segment, is_candidate=True, live_fingerprint=fingerprints.get(segment.id))
            for segment in coming
            if segment.fingerprint not in maintained
        ]
    before, after = _lists(live_by_name.values()), _lists(head_by_name.values())
    return Catalog(
        environment_id=environment_id,
        zone=zone,
        revision=live_revision,
        head=head_revision,
        live=live_set,
        candidate=candidate_set,
        backfilling=placeholders,
        kept=_kept(reads, complete, on_type_mismatch),
        segments=tuple(segments),
        calendar=calendar,
        complete=frozenset(complete),
        lists=before | after,
        new_lists=after - before,
        must_backfill=any(segment.is_candidate for segment in segments) or not _parts(reads) <= complete,
    )


def _lists(definitions: Iterable[Definition]) -> frozenset[int]:
    return frozenset(d.id for d in definitions if d.static)


def check_all(definitions: Iterable[Definition]) -> Mapping[Name, tuple[Checked, ...]]:
    """Check every definition among the others, each after all it refers to.

    Raises InvalidDefinitions."""
    listed = list(definitions)
    workspace = check_workspace(sources(listed))
    found: list[tuple[Name, str, list[Diagnostic]]] = []
    for definition in listed:
        name = definition.name
        if whole := workspace.graph.get(name):
            found.append((name, "", list(whole)))
        found += [(name, p.source, list(p.diagnostics)) for p in workspace.parts(name) if p.node is None]
    if found:
        raise InvalidDefinitions(found)
    check_flags({d.key: d.flag for d in listed if d.flag is not None}, {d.key for d in listed if d.kind == "segment"})
    return {name: workspace.checked[name] for name in workspace.order}


def _parts(reads: Iterable[ir.AggregateRead]) -> set[tuple[str, int]]:
    """The states that the reads need: (aggregate key, bucket width), with width 0 for the entries."""
    return {(read.spec.key, bucket_width) for read in reads for bucket_width in (0, *ir.bucket_widths_of(read))}


def _reads(checked: tuple[Checked, ...]) -> list[ir.AggregateRead]:
    return [read for c in checked for read in c.reads]


def _kept(
    reads: Iterable[ir.AggregateRead], complete: set[tuple[str, int]], on_type_mismatch: OnTypeMismatch
) -> dict[str, KeptAggregate]:
    specs: dict[str, ir.AggregateSpec] = {}
    bucket_widths: dict[str, set[int]] = {}
    for read in reads:
        specs[read.spec.key] = read.spec
        bucket_widths.setdefault(read.spec.key, set()).update(ir.bucket_widths_of(read))
    kept = {}
    for key, spec in sorted(specs.items()):
        heard = partial(on_type_mismatch, f"events.{spec.event if spec.event is not None else '*'}")
        matches = predicate(spec.where, heard)
        kept[key] = KeptAggregate(
            spec, key, tuple(sorted(bucket_widths[key])), matches, _value_of(spec, heard), (key, 0) not in complete
        )
    return kept


def _segment(compiled_set: CompiledSet, name: Name) -> Segment:
    return Segment(
        name, compiled_set.definitions[name].id, compiled_set.fingerprints[name], compiled_set.dependencies[name]
    )


def _compiled_set(
    zone: str,
    definitions: Mapping[Name, Definition],
    checked: Mapping[Name, tuple[Checked, ...]],
    placeholders: frozenset[Name],
    ready: Callable[[ir.AggregateRead], bool],
    on_type_mismatch: OnTypeMismatch,
) -> CompiledSet:
    nodes: dict[Name, ir.Node] = {}
    evaluators: dict[Name, Evaluator] = {}
    fingerprints: dict[Name, int] = {}
    reads: dict[Name, frozenset[ir.AggregateRead]] = {}
    dependencies: dict[Name, Dependencies] = {}
    flags: dict[str, decide.Program] = {}

    def resolve(name: Name) -> ir.Node | None:
        return None if name in placeholders else nodes.get(name)

    for name, parts in checked.items():  # each after all it refers to
        references = sorted({reference for part in parts for reference in part.references})
        dependencies[name] = _dependencies_of(parts, [dependencies[reference] for reference in references])
        reads[name] = frozenset(_reads(parts))
        fingerprints[name] = _fingerprint(zone, definitions[name], sorted(fingerprints[r] for r in references))
        compiler = Compiler(ready, resolve, partial(on_type_mismatch, f"{name[0]} {name[1]}"))
        if definitions[name].flag is not None:
            flags[name[1]] = _program(definitions[name], parts, compiler, evaluators, flags, placeholders, ready)
            evaluators[name] = decide.as_evaluator(flags[name[1]])
        elif parts[0].node is not None:
            nodes[name] = parts[0].node
            if name in placeholders:
                evaluators[name] = _unknown
            else:
                evaluate = compiler.compile(parts[0].node)
                evaluators[name] = membership(evaluate) if name[0] == "segment" else evaluate
    return CompiledSet(
        definitions, nodes, Compiler(ready, resolve), ready, evaluators, fingerprints, reads, dependencies, flags
    )


def _program(
    definition: Definition,
    parts: Sequence[Checked],
    compiler: Compiler,
    evaluators: dict[Name, Evaluator],
    flags: Mapping[str, decide.Program],
    placeholders: frozenset[Name],
    ready: Callable[[ir.AggregateRead], bool],
) -> decide.Program:
    """Compile a flag, stage by stage from the last.

    Adds to `evaluators` the conditions whose results may be kept."""
    flag = definition.flag
    assert flag is not None
    conditions: dict[str, tuple[ir.Node, Evaluator, tuple[str, ...], Callable[[], Finder]]] = {}
    # Without a listener: a value of another type was counted when the condition was evaluated.
    silent = Compiler(ready, compiler.resolve)
    for n, part in enumerate(parts):
        assert part.node is not None
        evaluate = compiler.compile(part.node)
        if not reads_request(part.node):
            evaluate = _remembered(("when", f"{flag.key}[{n}]"), evaluate, evaluators)
        waiting = tuple(_label(r) for r in sorted(part.references) if r in placeholders)
        conditions[part.source] = (
            part.node,
            evaluate,
            waiting or (() if all(map(ready, part.reads)) else ("its events",)),
            partial(finder_of, part.node, part.source, silent),
        )
    program, until = None, NEVER
    for at, stage in reversed(list(stages(flag))):
        needed = [conditions[rule.when] for rule in stage.rules]
        program = decide.prepare(definition.id, stage, needed, flags.__getitem__, until, program)
        until = at if at is not None else NEVER
    assert program is not None
    return program


def _remembered(name: Name, evaluate: Evaluator, evaluators: dict[Name, Evaluator]) -> Evaluator:
    """Register the evaluator under its own name.

    An activation then keeps its result while it is valid."""
    evaluators[name] = evaluate
    return lambda activation, at: activation.result(name, at)


def _unknown(activation: Activation, now: int) -> tuple[None, int]:
    return None, NEVER


def _label(name: Name) -> str:
    return f"{name[0]} {name[1]!r}"


def _fingerprint(zone: str, definition: Definition, references: list[int]) -> int:
    """64 bits that identify this meaning of this definition.

    The meaning includes the fingerprints of its references.

    Keys do not matter. A fingerprint is never reused for another meaning."""
    text = f"{zone} {definition.id} {definition.meaning} {references}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def _dependencies_of(parts: tuple[Checked, ...], references: list[Dependencies]) -> Dependencies:
    nodes = [node for part in parts if part.node is not None for node in ir.walk(part.node)]
    return Dependencies(
        events=frozenset(read.spec.event for read in _reads(parts)).union(*(w.events for w in references)),
        properties=frozenset(n.path[0] for n in nodes if isinstance(n, ir.Property)).union(
            *(w.properties for w in references)
        ),
        seen=any(isinstance(node, ir.Seen) for node in nodes) or any(w.seen for w in references),
        group=any(isinstance(node, ir.GroupTrait) for node in nodes) or any(w.group for w in references),
        lists=frozenset(n.list_id for n in nodes if isinstance(n, ir.Listed)).union(*(w.lists for w in references)),
    )
