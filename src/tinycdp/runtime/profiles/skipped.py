"""Events of a profile that a definition skips, because a number is text.

Shape   skipped_by(…) → for each definition, Skipped for each event and property; raw events are read once for all
Laws    an event counts if it is in the window of a read of the definition, or of a definition that it refers to
Source  docs/reference/decide.md "Explanations"
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from tinycdp.dsl import ir
from tinycdp.dsl.evaluators import lookup
from tinycdp.engine.catalog import Catalog, CompiledSet, Name
from tinycdp.engine.schema.number_reads import paths_of, roots_of, text_at
from tinycdp.model import Instant
from tinycdp.runtime.decisions.snapshots import Snapshot
from tinycdp.runtime.environment import Environment
from tinycdp.store import events as store
from tinycdp.store.database.pool import acquired

_LIST = msgspec.json.Decoder(list[dict[str, Any]], float_hook=Decimal)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A property that is text where a number is needed.

    event   "" for a property of the profile
    events  how many events are skipped; 0 for a property of the profile"""

    event: str
    property: str
    events: int

    def in_words(self) -> str:
        if not self.event:
            return f"{self.property} is text, not a number"
        return f"{self.events} {'event' if self.events == 1 else 'events'} skipped: {self.property} is text"


async def skipped_by(
    environment: Environment, catalog: Catalog, names: Iterable[Name], snapshot: Snapshot
) -> dict[Name, list[Skipped]]:
    """What each of these definitions of the live revision skips for this profile; the most frequent first."""
    live = catalog.live
    found = {
        name: [Skipped("", property, 0) for property in sorted(set(_texts_of(live, name, snapshot)))] for name in names
    }
    by_name = {name: [read for read in _reads_of(live, name) if any(paths_of(read.spec))] for name in found}
    events = {read.spec.event for reads in by_name.values() for read in reads}
    if not events or not snapshot.profile_id:
        return found
    named = None if None in events else sorted(str(event) for event in events)
    now = environment.now()
    async with acquired(environment.pool) as connection:
        rows = await store.history_of_profiles(
            connection, environment.id, [snapshot.profile_id], named, with_ids=False, with_properties=True
        )
    histories = [
        (event, list(zip(instants, _LIST.decode(properties or "[]"), strict=True)))
        for _, event, instants, _, properties in rows
    ]
    for name, reads in by_name.items():
        found[name] += _counted(catalog, reads, histories, now)
    return found


def with_skipped(sentence: str, skipped: Iterable[Skipped]) -> str:
    """An explanation in words, and what was skipped."""
    return "; ".join([sentence, *(one.in_words() for one in skipped)])


def _counted(
    catalog: Catalog,
    reads: Sequence[ir.AggregateRead],
    histories: Sequence[tuple[str, Sequence[tuple[Instant, dict[str, Any]]]]],
    now: Instant,
) -> list[Skipped]:
    counts: dict[tuple[str, str], int] = {}
    for event, history in histories:
        for read in reads:
            if read.spec.event in {event, None}:
                own: dict[tuple[str, str], int] = {}
                for at, sent in history:
                    if _is_in(read.window, at, now) and (path := _skipped_at(catalog, read.spec, sent)) is not None:
                        key = (event, ".".join(path))
                        own[key] = own.get(key, 0) + 1
                for key, n in own.items():
                    counts[key] = max(n, counts.get(key, 0))
    listed = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [Skipped(event, property, n) for (event, property), n in listed]


def _skipped_at(catalog: Catalog, spec: ir.AggregateSpec, properties: dict[str, Any]) -> tuple[str, ...] | None:
    """The path because of which an aggregate skips an event; None if it does not."""
    path = text_at(paths_of(spec), properties)
    if path is None or path != spec.path:
        return path
    kept = catalog.kept.get(spec.key)
    matches = kept.matches if kept is not None else None
    return path if matches is None or matches(properties) else None


def _is_in(window: ir.Window, at: Instant, now: Instant) -> bool:
    return (window.start_ms is None or at > now - window.start_ms) and at <= now - window.end_ms


def _closure(live: CompiledSet, name: Name) -> list[Name]:
    """The definition and all that it refers to."""
    found = [name]
    for one in found:
        nodes = [node for root in roots_of(live, one) for node in ir.walk(root)]
        named = [(node.kind, node.key) for node in nodes if isinstance(node, ir.Reference)]
        found += [other for other in dict.fromkeys(named) if other in live.definitions and other not in found]
    return found


def _reads_of(live: CompiledSet, name: Name) -> Iterator[ir.AggregateRead]:
    for one in _closure(live, name):
        yield from live.reads[one]


def _texts_of(live: CompiledSet, name: Name, snapshot: Snapshot) -> Iterator[str]:
    """The properties of the profile, and traits of its group, that are text and are read as numbers."""
    for one in _closure(live, name):
        for root in roots_of(live, one):
            for node in ir.walk(root):
                if node.type is not ir.Type.NUMBER:
                    continue
                if isinstance(node, ir.Property) and type(lookup(snapshot.properties, node.path)) is str:
                    yield "profile." + ".".join(node.path)
                elif isinstance(node, ir.GroupTrait) and type(lookup(snapshot.group, node.path)) is str:
                    yield "group." + ".".join(node.path)
