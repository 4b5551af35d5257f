"""A person's history lived again: what would be known of them had they always been who they are now.

Shape   relive(life, catalog, groups, now) → a profile: state, properties, memberships with the instants they began
Units   a message's arrival is when it was committed; lives that joined later did so at an instant of arrival, too
Laws    state and properties are those of all messages in any order. A membership began when it would have begun: at the
        arrival of what caused it, or at the instant the clock did. Groups have had the traits that they have now
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

#: Of how many arrivals, the newest, it is looked at one by one what they changed; all older ones are one arrival.
MOST_ARRIVALS = 5_000


@dataclass(frozen=True, slots=True)
class Life:
    """begun     when the first identifier was seen
    arrivals  messages with the instant each arrived, in any order
    joined    lives that became this one, each with the instant it did"""

    begun: Instant
    arrivals: Sequence[tuple[Instant, Message]]
    joined: Sequence[tuple[Instant, "Life"]] = ()


def relive(life: Life, catalog: Catalog, groups: Groups, now: Instant) -> Profile:
    """The profile at `now`; who it is, its id and its bucketing key, is left to the caller.

    groups  the traits of every group that a message names"""
    profile = _until(life, catalog, groups, now)
    recompute.review_all(profile, catalog, now)
    return profile


def _until(life: Life, catalog: Catalog, groups: Groups, end: Instant) -> Profile:
    profile = Profile(0, "", life.begun, warmed=catalog.head)
    profile.version = 1  # looked at from the beginning: a message need not look at what it cannot change
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
    """The lives that became part of this one, each as it was until then; and this one's arrivals, theirs since then
    among them."""
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
    assert not rebuild, "both lives were made for this catalog"
    recompute.review_all(profile, catalog, at)
