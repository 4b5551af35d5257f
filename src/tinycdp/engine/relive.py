"""Replay a profile's history as if it had always had its current identifiers.

Shape   relive(life, catalog, groups, now) → a profile: state, properties, memberships with the instants they began
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
class Life:
    """What happened to a profile.

    begun     when its first identifier was seen
    arrivals  messages with the instant each arrived, in any order
    joined    histories that were merged into this one, each with the instant"""

    begun: Instant
    arrivals: Sequence[tuple[Instant, Message]]
    joined: Sequence[tuple[Instant, "Life"]] = ()


def relive(life: Life, catalog: Catalog, groups: Groups, now: Instant) -> Profile:
    """The profile at `now`. The caller sets its id and its bucketing key.

    groups  the traits of every group that a message names"""
    profile = _until(life, catalog, groups, now)
    recompute.review_all(profile, catalog, now)
    return profile


def _until(life: Life, catalog: Catalog, groups: Groups, end: Instant) -> Profile:
    profile = Profile(0, "", life.begun, warmed=catalog.head)
    profile.version = 1  # reviewed from the beginning: messages need not review segments that they cannot affect
    recompute.review_all(profile, catalog, life.begun)
    joined, arrivals = _joined(life)
    for at, messages in _groups(arrivals):
        while joined and joined[0][0] <= at:
            _join(profile, *joined.pop(0), catalog, groups)
        recompute.apply(profile, messages, catalog, at, groups)
    for at, other in joined:
        _join(profile, at, other, catalog, groups)
    recompute.advance(profile, catalog, end)
    return profile


def _joined(life: Life) -> tuple[list[tuple[Instant, Life]], list[tuple[Instant, Message]]]:
    """The histories merged into this one, each up to its merge.

    And this one's arrivals, with theirs from then on."""
    arrivals, lives = list(life.arrivals), []
    waiting = list(life.joined)
    while waiting:
        at, other = waiting.pop()
        lives.append((at, Life(
            other.begun,
            [arrival for arrival in other.arrivals if arrival[0] < at],
            [join for join in other.joined if join[0] < at],
        )))  # fmt: skip
        arrivals += [arrival for arrival in other.arrivals if arrival[0] >= at]
        waiting += [join for join in other.joined if join[0] >= at]
    return sorted(lives, key=lambda pair: pair[0]), arrivals


def _groups(arrivals: Iterable[tuple[Instant, Message]]) -> list[tuple[Instant, list[Message]]]:
    ordered = sorted(arrivals, key=lambda pair: pair[0])
    groups = [(at, [message for _, message in pairs]) for at, pairs in groupby(ordered, key=lambda pair: pair[0])]
    if len(groups) > MOST_ARRIVALS:
        early = groups[:-MOST_ARRIVALS]
        groups = [(early[-1][0], [message for _, messages in early for message in messages]), *groups[-MOST_ARRIVALS:]]
    return groups


def _join(profile: Profile, at: Instant, other: Life, catalog: Catalog, groups: Groups) -> None:
    absorbed = _until(other, catalog, groups, at)
    recompute.advance(profile, catalog, at)
    rebuild = recompute.absorb(profile, absorbed, catalog)
    assert not rebuild, "both histories were replayed with this catalog"
    recompute.review_all(profile, catalog, at)
