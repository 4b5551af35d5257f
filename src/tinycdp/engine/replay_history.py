"""Replay a profile's history as if it had always had its current identifiers.

Shape   replay_history(life, catalog, groups, now) → a profile: state, properties, memberships with their instants
        of entry
Units   a message's arrival is when it was committed; histories also joined at an instant of arrival
Laws    state and properties are those of all messages, in any order. A membership begins at the arrival of its cause,
        or when the clock caused it. Groups have their current traits for the whole replay
Source  docs/decisions/0021-undo.md
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from tinycdp.engine import recompute
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.profile import Profile
from tinycdp.model import Instant, Message

Groups = Mapping[str, Mapping[str, Any]]

#: Only this many of the newest arrivals are replayed one by one; all older ones count as one arrival.
MOST_ARRIVALS = 5_000


@dataclass(frozen=True, slots=True)
class ProfileHistory:
    """What happened to a profile.

    created   when its first identifier was seen
    arrivals  messages with the instant each arrived, in any order
    merged    histories that were merged into this one, each with the instant"""

    created: Instant
    arrivals: Sequence[tuple[Instant, Message]]
    merged: Sequence[tuple[Instant, "ProfileHistory"]] = ()


def replay_history(history: ProfileHistory, catalog: Catalog, groups: Groups, now: Instant) -> Profile:
    """The profile at `now`. The caller sets its id and its bucketing key.

    groups  the traits of every group that a message names"""
    profile = _replay_until(history, catalog, groups, now)
    recompute.review_all(profile, catalog, now)
    return profile


def _replay_until(history: ProfileHistory, catalog: Catalog, groups: Groups, end: Instant) -> Profile:
    profile = Profile(0, "", history.created, backfilled=catalog.head)
    profile.version = 1  # reviewed from the beginning: messages need not review segments that they cannot affect
    recompute.review_all(profile, catalog, history.created)
    merged, arrivals = _merged(history)
    for at, messages in _by_arrival(arrivals):
        while merged and merged[0][0] <= at:
            _merge(profile, *merged.pop(0), catalog, groups)
        recompute.apply(profile, messages, catalog, at, groups)
    for at, other in merged:
        _merge(profile, at, other, catalog, groups)
    recompute.advance(profile, catalog, end)
    return profile


def _merged(history: ProfileHistory) -> tuple[list[tuple[Instant, ProfileHistory]], list[tuple[Instant, Message]]]:
    """The histories merged into this one, each up to its merge.

    It also returns this one's arrivals, with those of the others from their merge on."""
    arrivals, histories = list(history.arrivals), []
    waiting = list(history.merged)
    while waiting:
        at, other = waiting.pop()
        histories.append((at, ProfileHistory(
            other.created,
            [arrival for arrival in other.arrivals if arrival[0] < at],
            [merge for merge in other.merged if merge[0] < at],
        )))  # fmt: skip
        arrivals += [arrival for arrival in other.arrivals if arrival[0] >= at]
        waiting += [merge for merge in other.merged if merge[0] >= at]
    return sorted(histories, key=lambda pair: pair[0]), arrivals


def _by_arrival(arrivals: Iterable[tuple[Instant, Message]]) -> list[tuple[Instant, list[Message]]]:
    ordered = sorted(arrivals, key=lambda pair: pair[0])
    groups = [(at, [message for _, message in pairs]) for at, pairs in groupby(ordered, key=lambda pair: pair[0])]
    if len(groups) > MOST_ARRIVALS:
        early = groups[:-MOST_ARRIVALS]
        groups = [(early[-1][0], [message for _, messages in early for message in messages]), *groups[-MOST_ARRIVALS:]]
    return groups


def _merge(profile: Profile, at: Instant, other: ProfileHistory, catalog: Catalog, groups: Groups) -> None:
    absorbed = _replay_until(other, catalog, groups, at)
    recompute.advance(profile, catalog, at)
    rebuild = recompute.absorb(profile, absorbed, catalog)
    assert not rebuild, "both histories were replayed with this catalog"
    recompute.review_all(profile, catalog, at)
