"""Messages and the clock, applied to one profile.

Shape   apply(profile, messages, catalog, now) and advance(profile, catalog, now) change the profile in place and give
        the transitions; both go through _review, so a membership changes by one path whoever caused it
Units   a transition's `at` is when the truth changed: the due instant for the clock, `now` for a message
Laws    what comes out is a function of the set of messages and of `now`, whatever their order and grouping;
        advance(p, t1) then advance(p, t2) is advance(p, t2), but for finding what came and went in between
Source  dsl/SPEC.md "State" and "valid_until"
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from tinycdp.engine.catalog import Catalog, Segment
from tinycdp.engine.profile import Profile
from tinycdp.model import NEVER, Instant, Message

NO_GROUPS: Mapping[str, Mapping[str, Any]] = {}
#: How many due instants one catch-up visits one by one; a profile further behind jumps to `now`.
CATCH_UP = 200


#: Why a membership changed; engine/outbox.py says what each means.
Cause: TypeAlias = Literal["event", "clock", "group", "merge", "unmerge", "edit", "repair"]


class Transition(msgspec.Struct, frozen=True):
    """One profile entered or left one segment. `is_next`: of a revision that is still warming up."""

    profile_id: int
    segment_id: int
    fingerprint: int
    entered: bool
    at: Instant
    is_next: bool = False
    cause: Cause = "event"


def apply(
    profile: Profile,
    messages: Iterable[Message],
    catalog: Catalog,
    now: Instant,
    groups: Mapping[str, Mapping[str, Any]] = NO_GROUPS,
) -> list[Transition]:
    """Take the messages, none of which was ever taken before, and review the segments that depend on them.

    groups  the traits, as they are now, of every group that a message names"""
    transitions = advance(profile, catalog, now)
    complete = profile.warmed >= catalog.head
    affected: dict[int, Segment] = {}
    if not profile.version:  # nobody has looked yet at the segments that none of its messages touch
        affected = {segment.fingerprint: segment for segment in catalog.segments}
    profile.keep_only(catalog.kept.keys())  # the others will miss these messages: one that comes back begins anew
    for message in messages:
        take(profile, message, catalog, complete)
        if message.name:
            segments = catalog.segments_for_event(message.name)
        elif message.kind == "identify":
            segments = catalog.segments_for_properties(message.properties)
        elif message.kind == "group":
            segments = catalog.segments_for_group()
        else:
            segments = catalog.segments_for_properties(())
        for segment in segments:
            affected[segment.fingerprint] = segment
    if profile.group is not None and (traits := groups.get(profile.group[2])) is not None:
        if traits != profile.group_traits:  # somebody else of the group may have said so
            affected |= {segment.fingerprint: segment for segment in catalog.segments_for_group()}
        profile.set_group_traits(traits)
    return transitions + _review(profile, affected.values(), catalog, now, profile.recompute_at, "event")


def take(profile: Profile, message: Message, catalog: Catalog, complete: bool) -> None:
    """Add one message to the profile's state. Tracks, pages and screens are events; the others set properties."""
    if message.active:
        profile.see(message.occurred_at)
    if message.name:
        for kept in catalog.kept_for(message.name):
            kept.take(profile, message, catalog.calendar, complete)
    elif message.kind == "identify":
        stamp = (message.occurred_at, message.message_id)
        for name, value in message.properties.items():
            profile.set_property(name, value, stamp)
    elif message.kind == "group" and message.group_id is not None:
        profile.join((message.occurred_at, message.message_id, message.group_id))


def regroup(profile: Profile, traits: Mapping[str, Any], catalog: Catalog, now: Instant) -> list[Transition]:
    """Take in that the traits of the profile's group are these now."""
    transitions = advance(profile, catalog, now)
    profile.set_group_traits(traits)
    return transitions + _review(profile, catalog.segments_for_group(), catalog, now, profile.recompute_at, "group")


def advance(profile: Profile, catalog: Catalog, now: Instant) -> list[Transition]:
    """Let time pass until `now`: every membership that changed by itself is found at the instant it did."""
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
    """Review every segment at `now`: after a merge, where anything may have changed."""
    transitions = _review(profile, catalog.segments, catalog, now, None, cause)
    _forget_unmaintained(profile, catalog)
    return transitions


def review_next(profile: Profile, catalog: Catalog, now: Instant) -> list[Transition]:
    """Review the segments of the revision that warms up, for a profile that is complete and was advanced to `now`:
    what is live was looked at whenever anything could change it."""
    coming = [segment for segment in catalog.segments if segment.is_next]
    transitions = _review(profile, coming, catalog, now, profile.recompute_at, "edit")
    _forget_unmaintained(profile, catalog)
    return transitions


def _forget_unmaintained(profile: Profile, catalog: Catalog) -> None:
    """Memberships by a meaning that no revision has any more."""
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
    """Bring the memberships of these segments up to date, and the wake-up with them.

    `otherwise` is when the segments that are not reviewed may change, None for never."""
    transitions = []
    wake = otherwise if otherwise is not None else NEVER
    complete = profile.warmed >= catalog.head
    live = following = None
    for segment in segments:
        if not segment.is_next:
            frame = live = live or catalog.frame(catalog.live, profile, at)
        elif complete:
            frame = following = following or catalog.frame(catalog.universe(segment), profile, at)
        else:
            continue
        value, until = frame.result(segment.name, at)
        wake = min(wake, until)
        member = segment.fingerprint in profile.memberships
        if (value is True) is member:
            continue
        if member:
            del profile.memberships[segment.fingerprint]
        else:
            since = profile.memberships.get(segment.was, at) if segment.was is not None else at
            profile.memberships[segment.fingerprint] = since
        transitions.append(
            Transition(profile.id, segment.id, segment.fingerprint, not member, at, segment.is_next, cause)
        )
    profile.recompute_at = wake if wake < NEVER else None
    return transitions


def absorb(survivor: Profile, other: Profile, catalog: Catalog) -> list[str]:
    """Merge the other profile's state into the survivor's. The keys returned have to be rebuilt from raw events.

    Who was in a segment by either history stays in it until the caller reviews all: a merge alone is no entry."""
    rebuild = []
    keys = survivor.keys() | other.keys()
    if other.warmed < catalog.head <= survivor.warmed:
        keys |= {key for key, kept in catalog.kept.items() if kept.warming}  # no backfill will look at the other now
    for key in keys:
        mine, theirs, kept = survivor.state(key), other.state(key), catalog.kept.get(key)
        if kept is None:
            survivor.forget(key)
        elif theirs is None and (not kept.warming or other.warmed >= catalog.head):
            continue
        elif mine is None and (not kept.warming or survivor.warmed >= catalog.head) and theirs is not None:
            survivor.states[key] = theirs
        elif mine is None or theirs is None or not (mine.serve(kept.hops) and theirs.serve(kept.hops)):
            rebuild.append(key)
        else:
            mine.absorb(theirs)  # type: ignore[arg-type]
    for name, value in other.properties.items():
        survivor.set_property(name, value, other.stamps[name])
    for fingerprint, entered_at in other.memberships.items():
        survivor.memberships[fingerprint] = min(entered_at, survivor.memberships.get(fingerprint, entered_at))
    other.memberships, other.recompute_at = {}, None  # nobody wakes it again
    for seen in (other.first_seen, other.last_seen):
        if seen is not None:
            survivor.see(seen)
    if other.group is not None and survivor.join(other.group):
        survivor.set_group_traits(other.group_traits)
    return rebuild
