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
from tinycdp.model import NEVER, Instant, Message

Groups = Mapping[str, Mapping[str, Any]]

#: An identifier was on a list since an instant, and until another one or still.
Listing = tuple[Instant, Instant | None, int]

#: Only this many of the newest arrivals are replayed one by one; all older ones count as one arrival.
MOST_ARRIVALS = 5_000


@dataclass(frozen=True, slots=True)
class ProfileHistory:
    """What happened to a profile.

    created   when its first identifier was seen
    arrivals  messages with the instant each arrived, in any order
    merged    histories that were merged into this one, each with the instant
    listings  when its own identifiers were on lists: (since, until, list); None for those that still are"""

    created: Instant
    arrivals: Sequence[tuple[Instant, Message]]
    merged: Sequence[tuple[Instant, "ProfileHistory"]] = ()
    listings: Sequence[Listing] = ()


def replay_history(history: ProfileHistory, catalog: Catalog, groups: Groups, now: Instant) -> Profile:
    """The profile at `now`. The caller sets its id and its bucketing key.

    groups  the traits of every group that a message names"""
    profile = _replay_until(history, catalog, groups, now)
    profile.listed = frozenset(list_id for _, until, list_id in _listings(history) if until is None)
    recompute.review_all(profile, catalog, now)
    return profile


def _replay_until(history: ProfileHistory, catalog: Catalog, groups: Groups, end: Instant) -> Profile:
    profile = Profile(0, "", history.created, backfilled=catalog.head)
    profile.version = 1  # reviewed from the beginning: messages need not review segments that they cannot affect
    recompute.review_all(profile, catalog, history.created)
    merged, arrivals = _merged(history)
    lists = lists_over_time(_listings(history), end)

    def catch_up(until: Instant) -> None:
        """The merges and the changes of lists by an instant, in order."""
        while (merged and merged[0][0] <= until) or (lists and lists[0][0] <= until):
            if lists and not (merged and merged[0][0] <= lists[0][0]):
                at, listed = lists.pop(0)
                recompute.apply_lists(profile, listed, catalog, at)
            else:
                _merge(profile, *merged.pop(0), catalog, groups)

    for at, messages in _by_arrival(arrivals):
        catch_up(at)
        recompute.apply(profile, messages, catalog, at, groups)
    catch_up(NEVER)
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
            other.listings,
        )))  # fmt: skip
        arrivals += [arrival for arrival in other.arrivals if arrival[0] >= at]
        waiting += [merge for merge in other.merged if merge[0] >= at]
    return sorted(histories, key=lambda pair: pair[0]), arrivals


def _listings(history: ProfileHistory) -> list[Listing]:
    """Those of all identifiers, each from the moment its identifier belongs to the profile."""
    found = [(max(since, history.created), until, list_id) for since, until, list_id in history.listings]
    for at, other in history.merged:
        found += [(max(since, at), until, list_id) for since, until, list_id in _listings(other)]
    return [one for one in found if one[1] is None or one[0] < one[1]]


def lists_over_time(listings: Sequence[Listing], end: Instant) -> list[tuple[Instant, frozenset[int]]]:
    """Each instant by `end` at which the lists may change, with those that hold from then on."""
    instants = sorted({at for since, until, _ in listings for at in (since, until) if at is not None and at <= end})
    return [
        (at, frozenset(id for since, until, id in listings if since <= at and (until is None or at < until)))
        for at in instants
    ]


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
