"""Sessions: a person's active events, cut where the pause is as long as the gap or longer.

Laws    an event with `active: false` is in no session; midnight does not cut; a session belongs where it begins
"""

from analytics_oracle.world import RawEvent, World

#: What `unit: session` and the questions without a gap of their own go by.
GAP = 30 * 60_000


def sessions_of(profile: int, gap: int, world: World) -> list[tuple[RawEvent, ...]]:
    """The sessions of one person, from all events ever."""
    found: list[list[RawEvent]] = []
    for event in world.histories.get(profile, ()):
        if event.active:
            if found and event.occurred_at - found[-1][-1].occurred_at < gap:
                found[-1].append(event)
            else:
                found.append([event])
    return [tuple(session) for session in found]
