"""What a batch of the outbox means for the tables of analytics.

Shape   plan_of(batch) → Plan; first_rows(batch, events) → a shorter batch
Laws    rows are applied in order, and the last statement about a thing holds.
        The plan of a batch depends on its rows alone, so that a repeated batch inserts the same data under the same
        tokens.
        What an erasure deletes is deleted before anything of the batch is inserted. An anonymisation stores events
        again under the same ids: they carry its position in `restored`, and copies with a smaller one are deleted
Units   instants in milliseconds; ids are those of Postgres
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from tinycdp.engine import outbox
from tinycdp.model import Instant
from tinycdp.products.analytics.store.target import EVERYBODY
from tinycdp.runtime.outbox import Batch

Runs = list[tuple[int, int]]


@dataclass(slots=True)
class Plan:
    """What to delete, copy and note for one batch.

    last        the position after it
    events      event id → (profile id, position of the anonymisation that stored it again, or 0)
    received    the earliest and the latest `received_at` of the events
    people      profiles to copy as they are now
    histories   profiles whose transitions to copy, as far as they were recorded since `since`
    anew        profiles whose transitions to copy from the beginning
    exposures   runs of ids to copy
    noted       what of people changed, but for what the rows of the batch say: see Reads in compile/world.py
    rejoined    profiles whose exposures may belong to another person now
    overrides   identifier id → (profile id, position)
    erased_profiles, erased_identifiers, erased_exposures  to be deleted everywhere"""

    last: int
    since: Instant
    events: dict[int, tuple[int, int]] = field(default_factory=dict)
    received: tuple[Instant, Instant] | None = None
    people: set[int] = field(default_factory=set)
    histories: set[int] = field(default_factory=set)
    anew: set[int] = field(default_factory=set)
    exposures: Runs = field(default_factory=list)
    rejoined: set[int] = field(default_factory=set)
    noted: set[tuple[str, str]] = field(default_factory=set)
    overrides: dict[int, tuple[int, int]] = field(default_factory=dict)
    erased_profiles: set[int] = field(default_factory=set)
    erased_identifiers: set[int] = field(default_factory=set)
    erased_exposures: Runs = field(default_factory=list)

    @property
    def restored(self) -> dict[int, int]:
        """Event id → the position of the anonymisation that stored it again."""
        return {id: position for id, (_, position) in self.events.items() if position}


def plan_of(batch: Batch) -> Plan:
    """The plan of a batch that is not empty."""
    plan = Plan(batch.last, min(row.at for row in batch.rows))
    for row in batch.rows:
        erased = any(isinstance(change, outbox.Erased) for change in row.changes)
        for change in row.changes:
            _add(plan, change, row.position, erased=erased)
    return plan


def _add(plan: Plan, change: outbox.Change, position: int, *, erased: bool) -> None:
    """Add a change. erased: of a row with an erasure, so that it says what was kept of the erased profiles."""
    plan.noted |= _noted(change)
    match change:
        case outbox.StoredEvents():
            restored = position if erased else 0
            plan.events.update((id, (profile, restored)) for id, profile in change.pairs())
            earliest, latest = plan.received or change.received
            plan.received = min(earliest, change.received[0]), max(latest, change.received[1])
            plan.people.update(change.profiles)
        case outbox.Transitions(rows=crossings):
            profiles = {one.profile_id for one in crossings}
            plan.people |= profiles
            (plan.anew if erased else plan.histories).update(profiles)
        case outbox.Moved():
            plan.people |= {change.from_id, change.to_id}
            plan.rejoined |= {change.from_id, change.to_id}
            plan.overrides.update(dict.fromkeys(change.identifiers, (change.to_id, position)))
        case outbox.Merged():
            _rejoin(plan, {change.survivor_id, change.absorbed_id})
        case outbox.Unmerged():
            _rejoin(plan, {id for id, _ in change.profiles})
            if erased:
                plan.anew.update(id for id, _ in change.profiles)
        case outbox.Erased():
            plan.people.update(change.profiles)
            plan.erased_profiles.update(change.profiles)
            plan.erased_identifiers.update(change.identifiers)
            plan.erased_exposures += change.exposures
            for id in change.identifiers:
                plan.overrides.pop(id, None)
        case outbox.Written():
            plan.people.update(change.profiles)
        case outbox.RecordedExposures():
            plan.exposures += change.ids


def _noted(change: outbox.Change) -> set[tuple[str, str]]:
    """What of people a change changes. Properties and flags are in the rows that are copied."""
    match change:
        case outbox.StoredEvents():
            return {("seen", "")}
        case outbox.Transitions(rows=crossings):
            return {("segment", str(one.segment_id)) for one in crossings}
        case outbox.Written():
            return {("group", "")}
        case outbox.RecordedExposures():
            return set()
        case _:  # profiles exchanged what they have, or lost it
            return {EVERYBODY}


def _rejoin(plan: Plan, profiles: set[int]) -> None:
    # A merge may move memberships without a transition in the outbox; the table of transitions has them.
    plan.people |= profiles
    plan.rejoined |= profiles
    plan.histories |= profiles


def first_rows(batch: Batch, events: int) -> Batch:
    """The batch up to the row with which it has so many events; at least one row."""
    n = 0
    for place, row in enumerate(batch.rows):
        n += sum(len(change.profiles) for change in row.changes if isinstance(change, outbox.StoredEvents))
        if n >= events and place + 1 < len(batch.rows):
            return replace(batch, last=row.position, rows=batch.rows[: place + 1])
    return batch


def pieces(ids: list[int], size: int) -> Iterator[list[int]]:
    """The ids, at most so many at a time."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
