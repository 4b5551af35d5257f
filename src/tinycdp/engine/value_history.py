"""What changed in a profile, when, and why: its values replayed from its messages.

Shape   value_changes(profile, arrivals, catalog, names, since, until) → Change after Change, in order
Units   a message's arrival is when it was committed; instants in milliseconds
Laws    between two changes of a value, a decision at any instant would have seen the value before the second: by the
        definitions of the catalog, and with the messages that had arrived by then. A window that slides is a change at
        its true instant, by the clock. Durations, such as `ago(…)`, change all the time; they are followed by
        messages only. Groups have their current traits for the whole replay
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from tinycdp.dsl.ir import Type
from tinycdp.engine import recompute
from tinycdp.engine.catalog import Catalog, Name
from tinycdp.engine.profile import Profile, same_json
from tinycdp.engine.replay_history import Groups, Listing, lists_over_time
from tinycdp.model import NEVER, Instant, Message


@dataclass(frozen=True, slots=True)
class ValueChange:
    """One value changed.

    name      ("trait", key), ("segment", key) or ("property", name)
    cause     event: a message; edit: the list of a static segment was edited; clock: time passed
    messages  those that arrived at this instant"""

    at: Instant
    name: tuple[str, str]
    before: Any
    after: Any
    cause: Literal["event", "edit", "clock"]
    messages: Sequence[Message]


@dataclass(frozen=True, slots=True)
class ReplayedInstant:
    """One instant of the replay, with what it changed."""

    at: Instant
    changes: list[ValueChange]


def value_changes(
    profile: Profile,
    arrivals: Iterable[tuple[Instant, Message]],
    catalog: Catalog,
    names: Collection[Name],
    properties: Collection[str] | None,
    groups: Groups,
    listings: Sequence[Listing],
    since: Instant,
    until: Instant,
) -> Iterator[ReplayedInstant]:
    """The instants in [since, until) at which something could change, each with its changes, which may be none.

    profile     without messages; it is changed
    properties  None for all
    groups      the traits of every group that a message names
    listings    when its identifiers were on lists"""
    ordered = sorted(arrivals, key=lambda pair: pair[0])
    waiting = [(at, [message for _, message in pairs]) for at, pairs in groupby(ordered, key=lambda pair: pair[0])]
    early = sum(at < since for at, _ in waiting)
    _apply(profile, [message for _, messages in waiting[:early] for message in messages], catalog, groups)
    edits = lists_over_time(listings, until)
    while edits and edits[0][0] < since:
        profile.listed = edits.pop(0)[1]
    values: dict[Name, Any] = {}
    dues: dict[Name, Instant] = {}
    _evaluate(profile, catalog, names, since - 1, values, dues)
    known = _properties(profile, properties)
    following = iter(waiting[early:])
    arrival, messages = next(following, (NEVER, []))
    while (now := min(arrival, min(dues.values(), default=NEVER), edits[0][0] if edits else NEVER)) < until:
        arrived = messages if arrival == now else []
        if arrived:
            _apply(profile, arrived, catalog, groups)
            arrival, messages = next(following, (NEVER, []))
        edited = bool(edits) and edits[0][0] == now
        if edited:
            profile.listed = edits.pop(0)[1]
        cause: Literal["event", "edit", "clock"] = "event" if arrived else "edit" if edited else "clock"
        before = dict(values)
        # By the clock, a value changes only when it is due.
        _evaluate(profile, catalog, [n for n in names if cause != "clock" or dues[n] <= now], now, values, dues)
        changes = [
            ValueChange(now, name, before[name], value, cause, arrived)
            for name, value in values.items()
            if not same_json(before[name], value)
        ]
        if arrived:
            present = _properties(profile, properties)
            changes += [
                ValueChange(now, ("property", name), known.get(name), present.get(name), cause, arrived)
                for name in sorted(known.keys() | present.keys())
                if not same_json(known.get(name), present.get(name))
            ]
            known = present
        yield ReplayedInstant(now, changes)


def _apply(profile: Profile, messages: Iterable[Message], catalog: Catalog, groups: Groups) -> None:
    for message in messages:
        recompute.apply_message(profile, message, catalog, complete=True)
    if profile.group is not None:
        profile.set_group_traits(groups.get(profile.group[2], {}))


def _evaluate(
    profile: Profile,
    catalog: Catalog,
    names: Iterable[Name],
    now: Instant,
    values: dict[Name, Any],
    dues: dict[Name, Instant],
) -> None:
    """Set the values at an instant, and when each may change by the clock; NEVER for a duration, which always does."""
    activation = catalog.activation(catalog.live, profile, now)
    for name in names:
        values[name], until = activation.result(name, now)
        dues[name] = until if catalog.live.nodes[name].type is not Type.DURATION else NEVER


def _properties(profile: Profile, wanted: Collection[str] | None) -> dict[str, Any]:
    return {name: value for name, value in profile.properties.items() if wanted is None or name in wanted}
