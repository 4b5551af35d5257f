"""What a change of definitions would do, before it is published.

Shape   Previews.compute(…) → Preview: for every segment, flag and trait that the changes reach, the numbers of profiles
        before and after, and examples of those that move, with the reason · preview_text(preview) → a table
Units   counts are of the sampled profiles; `estimate` is for all profiles. Instants are ISO 8601 in UTC
Laws    before and after are of one instant and one snapshot of the database, from raw messages by the same statement;
        messages that came after the instant do not count. Nothing is written.
        Profiles have the identifiers of today: later merges are not undone
Errors  what a publish of the changes would raise · NotFound EVENTS_DROPPED · InvalidInput PREVIEW_TOO_LONG ·
        Overloaded PREVIEWS_BUSY
Source  docs/decisions/0017-preview-and-replay.md
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from tinycdp.dsl.cost import Cost
from tinycdp.dsl.ir import Type
from tinycdp.dsl.sql import Unsupported, read_value, select
from tinycdp.engine.catalog import Catalog, Definition, Name
from tinycdp.engine.flags import explanation_text
from tinycdp.engine.flags.decide import decide
from tinycdp.engine.flags.explain import explain_definition
from tinycdp.engine.flags.trail import Killed, RuleUnknown, texts_of
from tinycdp.engine.two_version import Columns
from tinycdp.errors import InvalidInput, NotFound, Overloaded
from tinycdp.model import Instant
from tinycdp.runtime.decisions.decide import prepare
from tinycdp.runtime.definitions import kill_switches
from tinycdp.runtime.definitions import workspace as workspaces
from tinycdp.runtime.definitions.catalogs import compile_catalog
from tinycdp.runtime.definitions.change_set import Head, Move, draft_moves, next_definitions, split_changes, steps_of
from tinycdp.runtime.definitions.changes import Change
from tinycdp.runtime.definitions.publish import read_head
from tinycdp.runtime.definitions.references import closure, references_of
from tinycdp.runtime.definitions.revisions import Changed, changed
from tinycdp.runtime.definitions.workspace import EventNames, Workspace
from tinycdp.runtime.profiles.views import IdentifierRef, plain
from tinycdp.runtime.time_travel.as_of import profiles_as_of
from tinycdp.store.database.pool import Connection, Pool, snapshot
from tinycdp.store.history import past as past_store
from tinycdp.store.history import preview as store
from tinycdp.times import iso

#: How many profiles are sampled by default.
SAMPLE = 10_000
MOST_EXAMPLES = 100
AT_ONCE = 2
#: The longest time for a preview: it keeps a connection of the pool meanwhile.
SECONDS = 50
#: Profiles in one statement.
_BATCH = 5_000
#: Reasons are computed from raw messages, one by one. With more messages they are left out.
_EXPLAINED_MESSAGES = 20_000
_SHOWN_IDENTIFIERS = 20


@dataclass(slots=True)
class Example:
    """A profile that moves.

    why  the new definition in words; None if it is deleted, or would take too long
    """

    profile_id: str
    identifiers: list[IdentifierRef]
    why: str | None = None


@dataclass(slots=True)
class SegmentCounts:
    """How many profiles are members before and after, enter, leave, or have an unknown rule.

    A profile whose rule is unknown is no member."""

    members_before: int = 0
    members: int = 0
    enters: int = 0
    leaves: int = 0
    unknown_before: int = 0
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class SegmentPreview:
    """How the members of one segment change.

    key       None if it is deleted
    was       its key before; None if it is new
    estimate  the counts for all profiles; None if all of them were counted
    examples  of profiles that enter, leave, or have an unknown rule
    """

    key: str | None
    was: str | None
    counts: SegmentCounts
    estimate: SegmentCounts | None
    examples: dict[str, list[Example]]


@dataclass(slots=True)
class VariantMove:
    """How many profiles get one variant before and another after; None without such a flag."""

    before: str | None
    after: str | None
    profiles: int
    estimate: int | None
    examples: list[Example]


@dataclass(frozen=True, slots=True)
class FlagPreview:
    """How the variants of one flag change.

    moves  from variant to variant, the most frequent first; without examples if both are the same
    """

    key: str | None
    was: str | None
    moves: list[VariantMove]


@dataclass(slots=True)
class ValueExample(Example):
    """A profile for which a trait's value changes."""

    before: Any = None
    after: Any = None


@dataclass(frozen=True, slots=True)
class TraitPreview:
    """How the values of one trait change. differs: for how many profiles."""

    key: str | None
    was: str | None
    differs: int
    unknown_before: int
    unknown: int
    estimate: int | None
    examples: list[ValueExample]


@dataclass(frozen=True, slots=True)
class Draft:
    """A changed definition on its own: its warnings, and what it costs."""

    kind: str
    key: str
    diagnostics: list[dict[str, Any]]
    cost: Cost


@dataclass(frozen=True, slots=True)
class Preview:
    """What a set of changes would do.

    as_of                    the instant it is true for
    revision                 the one that `before` refers to
    looked_at                how many profiles were counted, of `profiles`
    sampled                  only some were counted: the same ones each time
    backfilling                  publishing this starts a backfill
    segments, flags, traits  the changed definitions, and all that depend on them
    """

    as_of: str
    revision: int
    looked_at: int
    profiles: int
    sampled: bool
    backfilling: bool
    changes: list[Changed]
    drafts: list[Draft]
    segments: list[SegmentPreview]
    flags: list[FlagPreview]
    traits: list[TraitPreview]


@dataclass(frozen=True, slots=True)
class PreviewRequest:
    """What to preview.

    at        None for now
    sample    how many profiles to count, None for all
    examples  the most examples of each kind
    """

    changes: Sequence[Change]
    prune: bool = False
    at: Instant | None = None
    sample: int | None = SAMPLE
    context: Mapping[str, Any] = field(default_factory=dict)
    examples: int = 20


class Previews:
    """The previews of one process, at most AT_ONCE at a time."""

    def __init__(self, pool: Pool, event_names: EventNames) -> None:
        self._pool = pool
        self._event_names = event_names
        self._running = 0

    async def compute(self, environment_id: int, request: PreviewRequest, now: Instant) -> Preview:
        """The preview of one request."""
        async with self.turn():
            try:
                return await self._compute(environment_id, request, now)
            except Unsupported as wrong:
                raise InvalidInput("INVALID_REQUEST", f"This cannot be previewed: {wrong}.") from None

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """One of the AT_ONCE places to look at many profiles, for at most SECONDS.

        Raises Overloaded if all are taken."""
        if self._running >= AT_ONCE:
            message = f"{AT_ONCE} previews are running already; try again shortly."
            raise Overloaded("PREVIEWS_BUSY", message, retry_after_seconds=5)
        self._running += 1
        try:
            async with asyncio.timeout(SECONDS):
                yield
        except TimeoutError:
            message = f"The preview took longer than {SECONDS} seconds; choose a smaller `sample`."
            raise InvalidInput("PREVIEW_TOO_LONG", message) from None
        finally:
            self._running -= 1

    async def _compute(self, environment_id: int, request: PreviewRequest, now: Instant) -> Preview:
        at = request.at if request.at is not None else now
        async with snapshot(self._pool) as connection:
            await store.force_custom_plans(connection)
            oldest = await past_store.oldest_arrival(connection, environment_id)
            if request.at is not None and (oldest is None or at < oldest):
                kept = f"Raw events are kept from {iso(oldest)} on" if oldest is not None else "There are no raw events"
                raise NotFound("EVENTS_DROPPED", f"{kept}; choose a later instant.")
            head = await read_head(connection, environment_id)
            moves = await draft_moves(connection, head, split_changes(request.changes)[0], now, prune=request.prune)
            known = await self._event_names.known(connection, environment_id, now)
            wanted = next_definitions(head, moves)
            before = await catalog_of(head, head.definitions)
            after = await catalog_of(head, wanted)
            workspace = Workspace(after, after.live, tuple(known.events), frozenset(), None, known=known)
            profiles = await store.count_profiles(connection, environment_id, at)
            ids = await store.sample_profiles(connection, environment_id, at, request.sample)
            counters = _Counters(before, after, at, request)
            killed = await kill_switches.in_force(connection, environment_id, at)
            await counters.count(connection, sorted(ids), killed)
            await counters.explain(connection)
        scale = profiles / len(ids) if 0 < len(ids) < profiles else None
        return Preview(
            as_of=iso(at),
            revision=head.revision,
            looked_at=len(ids),
            profiles=profiles,
            sampled=len(ids) < profiles,
            backfilling=_must_backfill(head, before, after),
            changes=[changed(step) for step in steps_of(moves)],
            drafts=_drafts(workspace, moves),
            **counters.results(scale),
        )


async def catalog_of(head: Head, definitions: Sequence[Definition]) -> Catalog:
    """The catalog of these definitions, all of them live."""
    revision = head.revision
    return await compile_catalog(head.environment_id, head.zone, definitions, definitions, revision, revision)


def _must_backfill(head: Head, before: Catalog, after: Catalog) -> bool:
    kept = {segment.fingerprint for segment in before.segments}
    new = any(segment.fingerprint not in kept for segment in after.segments)
    return head.live != head.revision or new or not after.complete <= before.complete


def _drafts(workspace: Workspace, moves: Sequence[Move]) -> list[Draft]:
    found = []
    for before, after in moves:
        if after is not None and after is not before:
            meaning = workspaces.understand_definition(workspace, after)
            found.append(Draft(after.kind, after.key, meaning.diagnostics, meaning.cost))
    return found


def affected(before: Catalog, after: Catalog) -> list[Move]:
    """Each definition whose meaning changes, or that depends on one; before and after."""
    olds = {d.id: d for d in before.live.definitions.values()}
    news = {d.id: d for d in after.live.definitions.values()}
    users: dict[int, list[int]] = {}
    for definitions in (olds, news):
        ids = {d.name: d.id for d in definitions.values()}
        for definition in definitions.values():
            for name in references_of(definition):
                if name in ids:
                    users.setdefault(ids[name], []).append(definition.id)
    start = [
        id
        for id in olds.keys() | news.keys()
        if id not in olds or id not in news or olds[id].meaning != news[id].meaning
    ]
    pairs = [(olds.get(id), news.get(id)) for id in (*start, *closure(start, users))]
    return sorted(pairs, key=_name_of)


def _name_of(pair: Move) -> Name:
    definition = pair[1] or pair[0]
    assert definition is not None
    return definition.name


#: A bucketing key, and identifiers as "kind value".
_Unit = tuple[str, tuple[str, ...]]


class _Counters:
    """Counts, row by row, what changes for each profile."""

    def __init__(self, before: Catalog, after: Catalog, at: Instant, request: PreviewRequest) -> None:
        self._after, self._at, self._request = after, at, request
        self._columns = Columns(before.live, after.live, at, after.calendar, read_value)
        self._killed: Mapping[int, Killed] = {}
        self._segments: list[_Segment] = []
        self._traits: list[_Trait] = []
        self._flags: list[_Flag] = []
        for old, new in affected(before, after):
            kind, _ = _name_of((old, new))
            if kind == "flag":
                self._flags.append(_Flag(old, new, self._columns, (before, after), request.examples))
            elif kind == "segment":
                self._segments.append(_Segment(old, new, self._columns, request.examples))
            else:
                self._traits.append(_Trait(old, new, self._columns, after, before, request.examples))

    async def count(self, connection: Connection, ids: Sequence[int], killed: Mapping[int, Killed]) -> None:
        environment_id, at = self._after.environment_id, self._at
        if not (self._segments or self._traits or self._flags):
            return
        self._killed = killed
        statement = select(
            self._columns.nodes,
            resolve=self._columns.resolve,
            zone=self._after.zone,
            context=self._request.context,
        )
        for first in range(0, len(ids), _BATCH):
            batch = ids[first : first + _BATCH]
            rows = await store.compute_values(connection, statement, environment_id, at, batch)
            units: dict[int, _Unit] = {}
            if self._flags:
                for row in await store.units_of(connection, environment_id, batch):
                    units[row.id] = (row.bucketing_key, (f"profileId {row.id}", *row.identifiers))
            # In a thread, so that decisions do not wait.
            await asyncio.to_thread(self._add, rows, units, killed)

    def _add(self, rows: Iterable[tuple[Any, ...]], units: Mapping[int, _Unit], killed: Mapping[int, Killed]) -> None:
        columns, context = self._columns, self._request.context
        for id, *values in rows:
            columns.load_row(values)
            for segment in self._segments:
                segment.add(id)
            for trait in self._traits:
                trait.add(id)
            if self._flags and id in units:
                activations = [columns.activation(side, *units[id], killed, context) for side in (0, 1)]
                for flag in self._flags:
                    flag.add(id, activations, self._at)

    async def explain(self, connection: Connection) -> None:
        """Add identifiers to the examples, and the reason in words; to those of flags, the parts that are unknown."""
        named: list[tuple[Definition | None, Example]] = []
        for segment in self._segments:
            named += [(segment.new, example) for example in segment.all_examples()]
        for trait in self._traits:
            named += [(trait.new, example) for example in trait.all_examples()]
        examples = [example for flag in self._flags for example in flag.all_examples()] + [
            example for _, example in named
        ]
        ids = sorted({int(example.profile_id) for example in examples})
        environment_id = self._after.environment_id
        identifiers = {
            row.id: [IdentifierRef(*identifier.split(" ", 1)) for identifier in row.identifiers[:_SHOWN_IDENTIFIERS]]
            for row in await store.units_of(connection, environment_id, ids)
        }
        for example in examples:
            example.identifiers = identifiers.get(int(example.profile_id), [])
        open_rules = [(flag, move, example) for flag in self._flags for move, example in flag.unexplained]
        explained = sorted(
            {int(example.profile_id) for new, example in named if new is not None}
            | {int(example.profile_id) for _, _, example in open_rules}
        )
        profiles = await profiles_as_of(connection, self._after, explained, self._at, _EXPLAINED_MESSAGES)
        for new, example in named:
            activation = profiles.get(int(example.profile_id))
            if new is not None and activation is not None:
                prepare(self._after, activation, self._at, self._request.context)
                example.why = explanation_text.of_definition(
                    explain_definition(self._after, new.name, activation), self._after.zone
                )
        for flag, move, example in open_rules:
            activation = profiles.get(int(example.profile_id))
            if flag.new is not None and activation is not None:
                prepare(self._after, activation, self._at, self._request.context)
                activation.killed = self._killed
                decision = decide(self._after.live.flags[flag.new.key], activation, self._at)
                if decision.variant == move.after:
                    example.why = "; ".join(texts_of(decision.trail))

    def results(self, scale: float | None) -> dict[str, Any]:
        return {
            "segments": [segment.result(scale) for segment in self._segments],
            "flags": [flag.result(scale) for flag in self._flags],
            "traits": [trait.result(scale) for trait in self._traits],
        }


def _scaled(n: int, scale: float | None) -> int | None:
    return None if scale is None else round(n * scale)


class _Segment:
    def __init__(self, old: Definition | None, new: Definition | None, columns: Columns, examples: int) -> None:
        self.old, self.new, self._most = old, new, examples
        self._before, self._now = _reader(old, 0, columns), _reader(new, 1, columns)
        self._counts = SegmentCounts()
        self._examples: dict[str, list[Example]] = {"enters": [], "leaves": [], "unknown": []}

    def add(self, id: int) -> None:
        counts, was, is_now = self._counts, self._before(), self._now()
        counts.members_before += was is True
        counts.members += is_now is True
        counts.unknown_before += self.old is not None and was is None
        if is_now is True and was is not True:
            counts.enters += 1
            self._show("enters", id)
        elif was is True and is_now is not True:
            counts.leaves += 1
            self._show("leaves", id)
        if self.new is not None and is_now is None:
            counts.unknown += 1
            self._show("unknown", id)

    def _show(self, what: str, id: int) -> None:
        if len(self._examples[what]) < self._most:
            self._examples[what].append(Example(str(id), []))

    def all_examples(self) -> list[Example]:
        return [example for examples in self._examples.values() for example in examples]

    def result(self, scale: float | None) -> SegmentPreview:
        estimate = None
        if scale is not None:
            counts = asdict(self._counts)
            estimate = SegmentCounts(**{name: round(n * scale) for name, n in counts.items()})
        return SegmentPreview(*_keys(self.old, self.new), self._counts, estimate, self._examples)


class _Trait:
    def __init__(
        self,
        old: Definition | None,
        new: Definition | None,
        columns: Columns,
        after: Catalog,
        before: Catalog,
        examples: int,
    ) -> None:
        self.old, self.new, self._most = old, new, examples
        self._before, self._now = _reader(old, 0, columns), _reader(new, 1, columns)
        self._types = [
            catalog.live.nodes[d.name].type if d is not None else Type.DYN
            for d, catalog in ((old, before), (new, after))
        ]
        self._differs = self._unknown_before = self._unknown = 0
        self._examples: list[ValueExample] = []

    def add(self, id: int) -> None:
        was, is_now = self._before(), self._now()
        self._unknown_before += self.old is not None and was is None
        self._unknown += self.new is not None and is_now is None
        if was == is_now and isinstance(was, bool) is isinstance(is_now, bool):
            return
        self._differs += 1
        if len(self._examples) < self._most:
            values = [plain(value, kind) for value, kind in zip((was, is_now), self._types, strict=True)]
            self._examples.append(ValueExample(str(id), [], None, *values))

    def all_examples(self) -> list[ValueExample]:
        return self._examples

    def result(self, scale: float | None) -> TraitPreview:
        return TraitPreview(
            *_keys(self.old, self.new),
            self._differs,
            self._unknown_before,
            self._unknown,
            _scaled(self._differs, scale),
            self._examples,
        )


class _Flag:
    def __init__(
        self,
        old: Definition | None,
        new: Definition | None,
        columns: Columns,
        catalogs: tuple[Catalog, Catalog],
        examples: int,
    ) -> None:
        self.old, self.new, self._most = old, new, examples
        # An archived flag has no program: it is never served.
        self._programs = [
            columns.program(side, d.key) if d is not None and d.key in catalogs[side].live.flags else None
            for side, d in enumerate((old, new))
        ]
        self._moves: dict[tuple[str | None, str | None], VariantMove] = {}
        #: Examples in which a rule is unknown; columns have no values of the parts that would say why.
        self.unexplained: list[tuple[VariantMove, Example]] = []

    def add(self, id: int, activations: Sequence[Any], at: Instant) -> None:
        decisions = [
            decide(program, activation, at) if program is not None else None
            for program, activation in zip(self._programs, activations, strict=True)
        ]
        was, is_now = (decision.variant if decision is not None else None for decision in decisions)
        move = self._moves.get((was, is_now))
        if move is None:
            move = self._moves[was, is_now] = VariantMove(was, is_now, 0, None, [])
        move.profiles += 1
        if was != is_now and len(move.examples) < self._most:
            trail = decisions[1].trail if decisions[1] is not None else ()
            move.examples.append(Example(str(id), [], "; ".join(texts_of(trail)) or None))
            if any(isinstance(cause, RuleUnknown) for cause in trail):
                self.unexplained.append((move, move.examples[-1]))

    def all_examples(self) -> list[Example]:
        return [example for move in self._moves.values() for example in move.examples]

    def result(self, scale: float | None) -> FlagPreview:
        moves = sorted(self._moves.values(), key=lambda move: -move.profiles)
        for move in moves:
            move.estimate = _scaled(move.profiles, scale)
        return FlagPreview(*_keys(self.old, self.new), moves)


def _reader(definition: Definition | None, side: int, columns: Columns) -> Callable[[], Any]:
    return columns.request(side, definition.name) if definition is not None else lambda: None


def preview_text(preview: Preview) -> str:
    """A preview as a short table. Estimated numbers have a ~."""
    about = "~" if preview.sampled else ""
    lines = [f"as of {preview.as_of}, {preview.looked_at:,} of {preview.profiles:,} profiles sampled"]
    for segment in preview.segments:
        counts = segment.estimate or segment.counts
        sizes = f"{about}{counts.members_before:,} -> {about}{counts.members:,}"
        moved = f"{about}+{counts.enters:,} {about}-{counts.leaves:,}, {about}{counts.unknown:,} unknown"
        lines.append(f"segment {segment.key or segment.was}: {sizes} members, {moved}")
    for flag in preview.flags:
        moves = [
            f"{move.before or 'none'} -> {move.after or 'none'} {about}{move.estimate or move.profiles:,}"
            for move in flag.moves
            if move.before != move.after
        ]
        lines.append(f"flag {flag.key or flag.was}: {', '.join(moves) or 'no profile gets another variant'}")
    lines += [
        f"trait {trait.key or trait.was}: another value for {about}{trait.estimate or trait.differs:,}"
        for trait in preview.traits
    ]
    return "\n".join(lines)


def _keys(old: Definition | None, new: Definition | None) -> tuple[str | None, str | None]:
    """(key, was)"""
    return new.key if new is not None else None, old.key if old is not None else None
