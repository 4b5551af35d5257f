"""All definitions of an environment at a revision, compiled and cross-indexed.

Shape   Catalog: what to keep of an event, which segments to look at again, and the steps that answer for one profile.
        While a revision warms up there are two universes: `live` serves, `next` is computed beside it
Laws    a definition without a live version is unknown (WARMING) until its revision has warmed up;
        a changed one keeps its live version until then. A fingerprint stands for one meaning and is never used again
Errors  InvalidDefinitions with every diagnostic of every definition
Source  dsl/SPEC.md "Definitions"; docs/decisions/0009-live-and-next.md
"""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from hashlib import blake2b
from typing import Any

import msgspec

from tinycdp.dsl import ir
from tinycdp.dsl.calendar import Days, days_in
from tinycdp.dsl.check import Checked
from tinycdp.dsl.compile import Compiler, membership, predicate
from tinycdp.dsl.diagnostics import Diagnostic, to_wire
from tinycdp.dsl.numbers import nanos
from tinycdp.dsl.steps import Frame, Step, coerce, lookup
from tinycdp.dsl.workspace import FlagSource, Source, check_workspace
from tinycdp.engine import decide
from tinycdp.engine.days import DayMap, Extent
from tinycdp.engine.flags import Exclusion, Flag, Rule, stages
from tinycdp.engine.log import Log
from tinycdp.engine.profile import Profile
from tinycdp.engine.tallies import Uniques, canonical, grade
from tinycdp.engine.trail import Killed
from tinycdp.engine.windows import Latest, empty
from tinycdp.errors import InvalidInput
from tinycdp.model import NEVER, Message

Name = tuple[str, str]  # (kind, key)

#: Hears where a value is of another type than needed: (definition, field).
Mismatched = Callable[[str, str], None]


def unheard(definition: str, field: str) -> None:
    """Nobody wants to know."""


#: What a flag is worth inside another flag's condition.
FLAG_TYPES = {
    "boolean": ir.Type.BOOL,
    "string": ir.Type.STRING,
    "integer": ir.Type.NUMBER,
    "float": ir.Type.NUMBER,
    "object": ir.Type.DYN,
}

#: Strings longer than this are no value to first(), last(), unique() and top(): state has a bound.
LONGEST_TEXT = 1_024


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a trait, segment or flag. A flag's `flag` is its document, the others have an `expression`.

    meaning  the version at which what it says last changed: a new description changes nobody's membership"""

    id: int
    version: int
    meaning: int = 1
    kind: str
    key: str
    expression: str = ""
    flag: Flag | None = None
    description: str = ""

    @property
    def name(self) -> Name:
        return (self.kind, self.key)


class InvalidDefinitions(InvalidInput):
    """Some definitions have errors; `details["definitions"]` lists them with every diagnostic, span and fix."""

    def __init__(self, found: list[tuple[Name, str, list[Diagnostic]]]) -> None:
        listed = [
            {
                "kind": name[0],
                "key": name[1],
                "diagnostics": [to_wire(source, diagnostic) for diagnostic in diagnostics],
            }
            for name, source, diagnostics in found
        ]
        (kind, key), _, first = found[0][0], found[0][1], found[0][2][0]
        super().__init__(first.code, f"{kind} {key!r}: {first.message}", definitions=listed)
        self.found = found


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of the events that match one aggregate.

    matches  whether an event's properties meet its `where`, None for all
    worth    what one event's properties are to the aggregate, None for nothing; itself None where nobody looks at them
    warming  whether the state of profiles older than the warming revision is not complete yet"""

    spec: ir.AggregateSpec
    key: str
    hops: tuple[int, ...]
    matches: Callable[[Mapping[str, Any]], bool] | None
    worth: Callable[[Mapping[str, Any]], Any] | None
    warming: bool

    def take(self, profile: Profile, message: Message, calendar: Days, complete: bool) -> None:
        """Add one event to the profile's state, where it matches."""
        if self.matches is not None and not self.matches(message.properties):
            return
        value: Any = None
        if self.worth is not None and (value := self.worth(message.properties)) is None:
            return
        state = profile.state(self.key)
        if state is None:
            if self.warming and not complete:
                return  # the backfill will read this event with all the others
            state = profile.states[self.key] = empty(self.spec.family)
        match state:
            case Log():
                if len(state.tiles) != len(self.hops):
                    state.serve(self.hops)
                state.add(message.occurred_at, message.message_id, value)
            case Latest() | Uniques():
                state.add(message.occurred_at, message.message_id, value)
            case DayMap():
                state.add_day(calendar.day(message.occurred_at))
            case Extent():
                state.add_instant(message.occurred_at)


def _worth(spec: ir.AggregateSpec, mismatched: Callable[[str], None]) -> Callable[[Mapping[str, Any]], Any] | None:
    """What one event's properties are to the aggregate, None for nothing; itself None where they are not looked at."""
    path, family = spec.path, spec.family
    if not path:
        return None
    if family in {ir.Family.NUMBER, ir.Family.HISTOGRAM}:
        number = _number_at(path, partial(mismatched, ".".join(path)))
        if family is ir.Family.NUMBER:
            return number
        return lambda properties: None if (n := number(properties)) is None else grade(n)

    def worth(properties: Mapping[str, Any]) -> Any:
        value = coerce(lookup(properties, path), ir.Type.DYN)
        if value is None or isinstance(value, dict | tuple) or (type(value) is str and len(value) > LONGEST_TEXT):
            return None
        return canonical(value) if family in {ir.Family.UNIQUE, ir.Family.TOP} else value

    return worth


def _number_at(path: tuple[str, ...], mismatched: Callable[[], None]) -> Callable[[Mapping[str, Any]], int | None]:
    name = path[0] if len(path) == 1 else None

    def number(properties: Mapping[str, Any]) -> int | None:
        value = properties.get(name) if name is not None else lookup(properties, path)
        found = nanos(value)
        if found is None and value is not None:
            mismatched()
        return found

    return number


@dataclass(frozen=True, slots=True)
class Watch:
    """What a definition's value depends on. `events` holds None where every event counts."""

    events: frozenset[str | None]
    properties: frozenset[str]
    seen: bool
    group: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment whose membership is maintained.

    is_next  of a revision that warms up; `was` is then the fingerprint of its live meaning, if it has one"""

    name: Name
    id: int
    fingerprint: int
    watch: Watch
    is_next: bool = False
    was: int | None = None


@dataclass(frozen=True)
class Universe:
    """One consistent set of definitions: every reference resolves inside it.

    nodes       of traits and segments; those of a flag's conditions are in its program
    compiler    what made the steps, and makes the step of any part of them; `ready` says of a read whether it may"""

    definitions: Mapping[Name, Definition]
    nodes: Mapping[Name, ir.Node]
    compiler: Compiler
    ready: Callable[[ir.AggregateRead], bool]
    steps: Mapping[Name, Step]
    fingerprints: Mapping[Name, int]
    reads: Mapping[Name, frozenset[ir.AggregateRead]]
    watches: Mapping[Name, Watch]
    flags: Mapping[str, decide.Program]


@dataclass(frozen=True)
class Catalog:
    """`warming` names what is unknown until the head revision has warmed up; `must_warm` says whether any profile's
    state or memberships have to be computed before it can serve. `killed` are the flags that are switched off by hand,
    whatever the revision: by definition id, each with the words that say so."""

    environment_id: int
    zone: str
    revision: int
    head: int
    live: Universe
    next: Universe | None
    warming: frozenset[Name]
    kept: Mapping[str, Kept]
    segments: tuple[Segment, ...]
    calendar: Days
    must_warm: bool
    complete: frozenset[tuple[str, int]]
    killed: Mapping[int, Killed] = field(default_factory=dict)
    _kept_by_event: dict[str, tuple[Kept, ...]] = field(default_factory=dict, repr=False)
    _segments_by_event: dict[str, tuple[Segment, ...]] = field(default_factory=dict, repr=False)

    def kept_for(self, event: str) -> tuple[Kept, ...]:
        """The aggregates an event of this name may add to."""
        found = self._kept_by_event.get(event)
        if found is None:
            found = tuple(kept for kept in self.kept.values() if kept.spec.event in {event, None})
            if len(self._kept_by_event) < 10_000:  # names come from clients: bounded
                self._kept_by_event[event] = found
        return found

    def segments_for_event(self, event: str) -> tuple[Segment, ...]:
        """The segments that an event of this name may move someone into or out of."""
        found = self._segments_by_event.get(event)
        if found is None:
            found = tuple(s for s in self.segments if s.watch.seen or not s.watch.events.isdisjoint({event, None}))
            if len(self._segments_by_event) < 10_000:
                self._segments_by_event[event] = found
        return found

    def segments_for_properties(self, names: Iterable[str]) -> tuple[Segment, ...]:
        """The segments that a change of these properties, by a message without an event, may move someone in."""
        changed = set(names)
        return tuple(s for s in self.segments if s.watch.seen or not s.watch.properties.isdisjoint(changed))

    def segments_for_group(self) -> tuple[Segment, ...]:
        """The segments that another group, or other traits of the group, may move someone in."""
        return tuple(s for s in self.segments if s.watch.group or s.watch.seen)

    def universe(self, segment: Segment) -> Universe:
        if segment.is_next:
            assert self.next is not None
            return self.next
        return self.live

    def frame(self, universe: Universe, profile: Profile, now: int) -> Frame:
        """What the universe's steps need to answer for a profile at an instant."""
        return Frame(
            now,
            calendar=self.calendar,
            properties=profile.properties,
            state=profile.state,
            first_seen=profile.first_seen,
            last_seen=profile.last_seen,
            steps=universe.steps,
            group=profile.group_traits,
        )


def sources(definitions: Iterable[Definition]) -> list[Source | FlagSource]:
    """What the language needs to see of the definitions. An archived flag takes no part."""
    return [
        FlagSource(d.key, FLAG_TYPES[d.flag.type], d.flag.conditions, d.flag.required_flags)
        if d.flag is not None
        else Source("trait" if d.kind == "trait" else "segment", d.key, d.expression)
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
    mismatched: Mismatched = unheard,
) -> Catalog:
    """Compile the definitions of the live revision, and those of the head revision beside them where it is another.

    mismatched  hears of every value that is of another type than an expression needs"""
    calendar = days_in(zone)
    head_by_name = {d.name: d for d in head}
    live_by_name = {d.name: d for d in live}
    warming_up = head_revision != live_revision
    # A flag that is only renamed serves under the key it had: under both it would answer by two revisions.
    kept = {d.id for d in live_by_name.values() if d.flag is not None}
    added = frozenset(name for name, d in head_by_name.items() if name not in live_by_name and d.id not in kept)
    new = added if warming_up else frozenset()
    served = {**{name: head_by_name[name] for name in new}, **live_by_name}
    try:
        checked = check_all(served.values())
    except InvalidInput:
        if not new:
            raise
        # What is new belongs to changes that are not live yet: it does not exist before they do.
        served, new = live_by_name, frozenset()
        checked = check_all(served.values())
    placeholders = frozenset(name for name in new if name[0] != "flag")
    serving = {read for name, c in checked.items() if name not in new for read in _reads(c)}
    complete = _parts(serving)
    live_universe = _universe(
        zone,
        served,
        checked,
        placeholders,
        ready=lambda read: _parts([read]) <= complete,
        mismatched=mismatched,
    )
    next_universe = None
    reads = {read for c in checked.values() for read in _reads(c)}
    if warming_up:
        next_checked = check_all(head_by_name.values())
        next_universe = _universe(zone, head_by_name, next_checked, frozenset(), lambda _: True, mismatched)
        reads |= {read for c in next_checked.values() for read in _reads(c)}
    segments = [_segment(live_universe, name) for name in served if name[0] == "segment" and name not in new]
    maintained = {segment.fingerprint for segment in segments}
    if next_universe is not None:
        was = {segment.id: segment.fingerprint for segment in segments}
        coming = [_segment(next_universe, name) for name in head_by_name if name[0] == "segment"]
        segments += [
            replace(segment, is_next=True, was=was.get(segment.id))
            for segment in coming
            if segment.fingerprint not in maintained
        ]
    return Catalog(
        environment_id=environment_id,
        zone=zone,
        revision=live_revision,
        head=head_revision,
        live=live_universe,
        next=next_universe,
        warming=placeholders,
        kept=_kept(reads, complete, mismatched),
        segments=tuple(segments),
        calendar=calendar,
        complete=frozenset(complete),
        must_warm=any(segment.is_next for segment in segments) or not _parts(reads) <= complete,
    )


def check_all(definitions: Iterable[Definition]) -> Mapping[Name, tuple[Checked, ...]]:
    """Every definition checked among the others, each after all it refers to. Raises InvalidDefinitions."""
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


def check_flags(flags: Mapping[str, Flag], segments: Set[str]) -> None:
    """What a flag says of segments and of other flags, at every stage of its schedule."""
    shares: list[tuple[str, Rule, Exclusion]] = []
    for key, flag in flags.items():
        if flag.archived:
            continue
        claimed: dict[tuple[str, Decimal, Decimal], tuple[str, Rule, Exclusion]] = {}
        for at, stage in stages(flag):
            where = f"flag {key!r}" if at is None else f"flag {key!r}, as its schedule leaves it,"
            for n, override in enumerate(stage.overrides):
                if override.segment is not None and override.segment not in segments:
                    message = f"{where} $.overrides[{n}].segment: there is no segment {override.segment!r}."
                    raise InvalidInput("UNKNOWN_SEGMENT", message)
            for n, prerequisite in enumerate(stage.prerequisites):
                other = _required(flags, prerequisite.flag, f"{where} $.prerequisites[{n}].flag")
                for variant in prerequisite.variants:
                    if all(variant not in s.variants for _, s in stages(other)):
                        message = f"{where} $.prerequisites[{n}].variants: {other.key!r} has no variant {variant!r}."
                        raise InvalidInput("UNKNOWN_VARIANT", message)
            for n, holdout in enumerate(stage.holdouts):
                if _required(flags, holdout, f"{where} $.holdouts[{n}]").type != "boolean":
                    raise InvalidInput("INVALID_FLAG", f"{where} $.holdouts[{n}]: {holdout!r} is no boolean flag.")
            for rule in stage.rules:
                if (share := rule.exclusion) is not None:
                    claimed.setdefault((share.group, share.since, share.to), (key, rule, share))
        for other_key, other_rule, other_share in shares:
            for _, rule, share in claimed.values():
                if share.group == other_share.group and share.since < other_share.to and other_share.since < share.to:
                    message = (
                        f"flag {key!r}, rule {rule.id!r}: its share {share.since} to {share.to} of the exclusion group "
                        f"{share.group!r} overlaps that of flag {other_key!r}, rule {other_rule.id!r}, "
                        f"{other_share.since} to {other_share.to}."
                    )
                    raise InvalidInput("EXCLUSION_OVERLAP", message)
        shares += claimed.values()


def _required(flags: Mapping[str, Flag], key: str, where: str) -> Flag:
    flag = flags.get(key)
    if flag is None or flag.archived:
        what = "is archived" if flag is not None else "does not exist"
        raise InvalidInput("UNKNOWN_FLAG", f"{where}: the flag {key!r} {what}.")
    return flag


def _parts(reads: Iterable[ir.AggregateRead]) -> set[tuple[str, int]]:
    """The states some reads need: (aggregate key, tile width), width 0 for the entries."""
    return {(read.spec.key, hop) for read in reads for hop in (0, *ir.hops_of(read))}


def _reads(checked: tuple[Checked, ...]) -> list[ir.AggregateRead]:
    return [read for c in checked for read in c.reads]


def _kept(reads: Iterable[ir.AggregateRead], complete: set[tuple[str, int]], mismatched: Mismatched) -> dict[str, Kept]:
    specs: dict[str, ir.AggregateSpec] = {}
    hops: dict[str, set[int]] = {}
    for read in reads:
        specs[read.spec.key] = read.spec
        hops.setdefault(read.spec.key, set()).update(ir.hops_of(read))
    kept = {}
    for key, spec in sorted(specs.items()):
        heard = partial(mismatched, f"events.{spec.event if spec.event is not None else '*'}")
        matches = predicate(spec.where, heard)
        kept[key] = Kept(spec, key, tuple(sorted(hops[key])), matches, _worth(spec, heard), (key, 0) not in complete)
    return kept


def _segment(universe: Universe, name: Name) -> Segment:
    return Segment(name, universe.definitions[name].id, universe.fingerprints[name], universe.watches[name])


def _universe(
    zone: str,
    definitions: Mapping[Name, Definition],
    checked: Mapping[Name, tuple[Checked, ...]],
    placeholders: frozenset[Name],
    ready: Callable[[ir.AggregateRead], bool],
    mismatched: Mismatched,
) -> Universe:
    nodes: dict[Name, ir.Node] = {}
    steps: dict[Name, Step] = {}
    fingerprints: dict[Name, int] = {}
    reads: dict[Name, frozenset[ir.AggregateRead]] = {}
    watches: dict[Name, Watch] = {}
    flags: dict[str, decide.Program] = {}

    def resolve(name: Name) -> ir.Node | None:
        return None if name in placeholders else nodes.get(name)

    for name, parts in checked.items():  # each after all that it refers to
        references = sorted({reference for part in parts for reference in part.references})
        watches[name] = _watch(parts, [watches[reference] for reference in references])
        reads[name] = frozenset(_reads(parts))
        fingerprints[name] = _fingerprint(zone, definitions[name], sorted(fingerprints[r] for r in references))
        compiler = Compiler(ready, resolve, partial(mismatched, f"{name[0]} {name[1]}"))
        if definitions[name].flag is not None:
            flags[name[1]] = _program(definitions[name], parts, compiler, steps, flags, placeholders, ready)
            steps[name] = decide.as_step(flags[name[1]])
        elif parts[0].node is not None:
            nodes[name] = parts[0].node
            if name in placeholders:
                steps[name] = _unknown
            else:
                step = compiler.compile(parts[0].node)
                steps[name] = membership(step) if name[0] == "segment" else step
    return Universe(definitions, nodes, Compiler(ready, resolve), ready, steps, fingerprints, reads, watches, flags)


def _program(
    definition: Definition,
    parts: Sequence[Checked],
    compiler: Compiler,
    steps: dict[Name, Step],
    flags: Mapping[str, decide.Program],
    placeholders: frozenset[Name],
    ready: Callable[[ir.AggregateRead], bool],
) -> decide.Program:
    """A flag, stage by stage from the last. `steps` takes in those of its conditions whose results may be kept."""
    flag = definition.flag
    assert flag is not None
    conditions: dict[str, tuple[ir.Node, Step, tuple[str, ...]]] = {}
    for n, part in enumerate(parts):
        assert part.node is not None
        step = compiler.compile(part.node)
        if not _reads_request(part):
            step = _remembered(("when", f"{flag.key}[{n}]"), step, steps)
        waiting = tuple(_label(r) for r in sorted(part.references) if r in placeholders)
        conditions[part.source] = (part.node, step, waiting or (() if all(map(ready, part.reads)) else ("its events",)))
    program, until = None, NEVER
    for at, stage in reversed(list(stages(flag))):
        needed = [conditions[rule.when] for rule in stage.rules]
        program = decide.prepare(definition.id, stage, needed, flags.__getitem__, until, program)
        until = at if at is not None else NEVER
    assert program is not None
    return program


def _reads_request(part: Checked) -> bool:
    """Whether a condition depends on more than the profile: on the request's context, or on a flag that may."""
    nodes = ir.walk(part.node) if part.node is not None else []
    return any(isinstance(n, ir.Context) or (isinstance(n, ir.Reference) and n.kind == "flag") for n in nodes)


def _remembered(name: Name, step: Step, steps: dict[Name, Step]) -> Step:
    """The step under a name of its own, so that a frame keeps its result for as long as that holds."""
    steps[name] = step
    return lambda frame, at: frame.result(name, at)


def _unknown(frame: Frame, now: int) -> tuple[None, int]:
    return None, NEVER


def _label(name: Name) -> str:
    return f"{name[0]} {name[1]!r}"


def _fingerprint(zone: str, definition: Definition, references: list[int]) -> int:
    """64 bits for this meaning of a definition: of this very one, by these references, whatever they are called. Never
    used for another again."""
    text = f"{zone} {definition.id} {definition.meaning} {references}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def _watch(parts: tuple[Checked, ...], references: list[Watch]) -> Watch:
    nodes = [node for part in parts if part.node is not None for node in ir.walk(part.node)]
    return Watch(
        events=frozenset(read.spec.event for read in _reads(parts)).union(*(w.events for w in references)),
        properties=frozenset(n.path[0] for n in nodes if isinstance(n, ir.Property)).union(
            *(w.properties for w in references)
        ),
        seen=any(isinstance(node, ir.Seen) for node in nodes) or any(w.seen for w in references),
        group=any(isinstance(node, ir.GroupTrait) for node in nodes) or any(w.group for w in references),
    )
