"""Apply messages and the passing of time to one profile.

Shape   apply(profile, messages, catalog, now) and advance(profile, catalog, now) change the profile in place and return
        the transitions; both go through _review, so memberships change along one path, whatever the cause
Units   a transition's `at` is when the truth changed: the due instant for the clock, `now` for a message
Laws    the result is a function of the set of messages and of `now`, whatever their order and grouping;
        advance(p, t1) then advance(p, t2) equals advance(p, t2), except that it also finds changes in between
Source  dsl/SPEC.md "State" and "valid_until"
"""

from collections.abc import Iterable, Mapping, Set
from typing import Any, Literal, TypeAlias

import msgspec

from tinycdp.engine.catalog import Catalog, Segment
from tinycdp.engine.profile import Profile
from tinycdp.model import NEVER, Instant, Message

NO_GROUPS: Mapping[str, Mapping[str, Any]] = {}
#: How many due instants one catch-up visits one by one. A profile further behind then jumps to `now`.
CATCH_UP = 200


#: Why a membership changed; engine/outbox.py says what each means.
Cause: TypeAlias = Literal["event", "clock", "group", "merge", "unmerge", "edit", "repair", "anonymization"]


class Transition(msgspec.Struct, frozen=True):
    """A profile entered or left a segment. `is_candidate`: of a revision that is still backfilling."""

    profile_id: int
    segment_id: int
    fingerprint: int
    entered: bool
    at: Instant
    is_candidate: bool = False
    cause: Cause = "event"


def apply(
    profile: Profile,
    messages: Iterable[Message],
    catalog: Catalog,
    now: Instant,
    groups: Mapping[str, Mapping[str, Any]] = NO_GROUPS,
) -> list[Transition]:
    """Apply new messages, and review the segments that depend on them.

    None of the messages may have been applied before.

    groups  the current traits of every group that a message names"""
    applying = Applying(profile, catalog, now)
    applying.add(messages)
    return applying.review(groups)


class Applying:
    """What `apply` does, in pieces: other work may run between two calls of `add`. One review ends it."""

    def __init__(self, profile: Profile, catalog: Catalog, now: Instant) -> None:
        self._profile, self._catalog, self._now = profile, catalog, now
        self._transitions = advance(profile, catalog, now)
        self._complete = profile.backfilled >= catalog.head
        self._affected: dict[int, Segment] = {}
        if not profile.version:  # new profile: segments that no message touches have not been reviewed yet
            self._affect(catalog.segments)
        # Other aggregates miss these messages, so they must start again if they return.
        profile.keep_only(catalog.kept.keys())

    def add(self, messages: Iterable[Message]) -> None:
        """Add messages to the profile's state."""
        catalog = self._catalog
        for message in messages:
            apply_message(self._profile, message, catalog, self._complete)
            if message.name:
                self._affect(catalog.segments_for_event(message.name))
            elif message.kind == "identify":
                self._affect(catalog.segments_for_properties(message.properties))
            elif message.kind == "group":
                self._affect(catalog.segments_for_group())
            else:
                self._affect(catalog.segments_for_properties(()))

    def review(self, groups: Mapping[str, Mapping[str, Any]]) -> list[Transition]:
        """Review the segments that depend on the messages; returns all transitions."""
        profile, catalog, now = self._profile, self._catalog, self._now
        if profile.group is not None and (traits := groups.get(profile.group[2])) is not None:
            if traits != profile.group_traits:  # another member may have changed them
                self._affect(catalog.segments_for_group())
            profile.set_group_traits(traits)
        reviewed = _review(profile, self._affected.values(), catalog, now, profile.recompute_at, "event")
        return self._transitions + reviewed

    def _affect(self, segments: Iterable[Segment]) -> None:
        for segment in segments:
            self._affected[segment.fingerprint] = segment


def apply_message(profile: Profile, message: Message, catalog: Catalog, complete: bool) -> None:
    """Add one message to the profile's state.

    Tracks, pages and screens are events; the others set properties."""
    if message.active:
        profile.record_activity(message.occurred_at)
    if message.name:
        for kept in catalog.kept_for(message.name):
            kept.add_event(profile, message, catalog.calendar, complete)
    elif message.kind == "identify":
        stamp = (message.occurred_at, message.message_id)
        for name, value in message.properties.items():
            profile.set_property(name, value, stamp)
    elif message.kind == "group" and message.group_id is not None:
        profile.join((message.occurred_at, message.message_id, message.group_id))


def apply_group_traits(profile: Profile, traits: Mapping[str, Any], catalog: Catalog, now: Instant) -> list[Transition]:
    """Apply new traits of the profile's group."""
    transitions = advance(profile, catalog, now)
    profile.set_group_traits(traits)
    return transitions + _review(profile, catalog.segments_for_group(), catalog, now, profile.recompute_at, "group")


def apply_lists(
    profile: Profile, listed: Set[int], catalog: Catalog, now: Instant, cause: Cause = "edit"
) -> list[Transition]:
    """Set the lists that the profile is on, and review the segments that depend on those that changed."""
    transitions = advance(profile, catalog, now)
    changed = profile.listed ^ listed
    profile.listed = listed
    affected = catalog.segments_for_lists(changed)
    return transitions + _review(profile, affected, catalog, now, profile.recompute_at, cause)


def advance(profile: Profile, catalog: Catalog, now: Instant) -> list[Transition]:
    """Let time pass until `now`.

    Each membership that changes with time alone changes at its true instant."""
    transitions: list[Transition] = []
    for _ in range(CATCH_UP):
        due = profile.recompute_at
        if due is None or due > now:
            return transitions
        transitions += _review(profile, catalog.segments, catalog, due, None, "clock")
    if profile.recompute_at is not None and profile.recompute_at <= now:
        transitions += _review(profile, catalog.segments, catalog, now, None, "clock")
    return transitions


def review_all(profile: Profile, catalog: Catalog, now: Instant, cause: Cause = "merge") -> list[Transition]:
    """Review every segment at `now`. Needed after a merge, where any of them may have changed."""
    transitions = _review(profile, catalog.segments, catalog, now, None, cause)
    _forget_unmaintained(profile, catalog)
    return transitions


def review_next(profile: Profile, catalog: Catalog, now: Instant) -> list[Transition]:
    """Review the segments of the backfilling revision.

    The profile must be complete and advanced to `now`.

    Live segments need no review: they are reviewed whenever something can change them."""
    coming = [segment for segment in catalog.segments if segment.is_candidate]
    transitions = _review(profile, coming, catalog, now, profile.recompute_at, "edit")
    _forget_unmaintained(profile, catalog)
    return transitions


def _forget_unmaintained(profile: Profile, catalog: Catalog) -> None:
    """Drop memberships whose meaning is not in any revision any more."""
    for fingerprint in profile.memberships.keys() - {segment.fingerprint for segment in catalog.segments}:
        del profile.memberships[fingerprint]


def _review(
    profile: Profile,
    segments: Iterable[Segment],
    catalog: Catalog,
    at: Instant,
    otherwise: Instant | None,
    cause: Cause,
) -> list[Transition]:
    """Bring the memberships of these segments and the profile's wake-up time up to date.

    `otherwise` is when the segments that are not reviewed may change; None for never."""
    transitions = []
    wake = otherwise if otherwise is not None else NEVER
    complete = profile.backfilled >= catalog.head
    live = following = None
    for segment in segments:
        if not segment.is_candidate:
            activation = live = live or catalog.activation(catalog.live, profile, at)
        elif complete:
            activation = following = following or catalog.activation(catalog.compiled_set(segment), profile, at)
        else:
            continue
        value, until = activation.result(segment.name, at)
        wake = min(wake, until)
        member = segment.fingerprint in profile.memberships
        if (value is True) is member:
            continue
        if member:
            del profile.memberships[segment.fingerprint]
        else:
            since = (
                profile.memberships.get(segment.live_fingerprint, at) if segment.live_fingerprint is not None else at
            )
            profile.memberships[segment.fingerprint] = since
        transitions.append(
            Transition(profile.id, segment.id, segment.fingerprint, not member, at, segment.is_candidate, cause)
        )
    profile.recompute_at = wake if wake < NEVER else None
    return transitions


def absorb(survivor: Profile, other: Profile, catalog: Catalog) -> list[str]:
    """Merge the other profile's state into the survivor's.

    Returns the keys that must be rebuilt from raw events.

    A membership of either profile stays until the caller reviews all segments: a merge alone is not an entry."""
    rebuild = []
    keys = survivor.keys() | other.keys()
    if other.backfilled < catalog.head <= survivor.backfilled:
        keys |= {
            key for key, kept in catalog.kept.items() if kept.backfilling
        }  # the backfill will not visit the other now
    for key in keys:
        mine, theirs, kept = survivor.state(key), other.state(key), catalog.kept.get(key)
        if kept is None:
            survivor.forget(key)
        elif theirs is None and (not kept.backfilling or other.backfilled >= catalog.head):
            continue
        elif mine is None and (not kept.backfilling or survivor.backfilled >= catalog.head) and theirs is not None:
            survivor.states[key] = theirs
        elif (
            mine is None
            or theirs is None
            or not (mine.keep_buckets(kept.bucket_widths) and theirs.keep_buckets(kept.bucket_widths))
        ):
            rebuild.append(key)
        else:
            mine.absorb(theirs)  # type: ignore[arg-type]
    survivor.listed |= other.listed
    for name, value in other.properties.items():
        survivor.set_property(name, value, other.stamps[name])
    for fingerprint, entered_at in other.memberships.items():
        survivor.memberships[fingerprint] = min(entered_at, survivor.memberships.get(fingerprint, entered_at))
    other.memberships, other.recompute_at = {}, None  # it must not be woken again
    for seen in (other.first_seen, other.last_seen):
        if seen is not None:
            survivor.record_activity(seen)
    if other.group is not None and survivor.join(other.group):
        survivor.set_group_traits(other.group_traits)
    return rebuild
