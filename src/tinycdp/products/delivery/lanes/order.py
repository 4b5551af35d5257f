"""Which delivery of a lane is next: in order for each person, first tries before retries.

Shape   add(item) in ascending order · next(now) → an item to try, None if none may be · probe() → one for a breaker
        done(item) · again(item, due): it failed · hurry(now): retries are due at once
Laws    pure. Of two items that share a person, the later one is not tried before the earlier one is done.
        An item that never failed goes before all that did
"""

import heapq
from collections import deque
from dataclasses import dataclass
from itertools import islice

from tinycdp.model import Instant
from tinycdp.products.delivery.happenings import Happening


@dataclass(slots=True, eq=False)
class LaneItem:
    """One delivery.

    attempts   that failed
    due        not before
    is_stored  it has a row in `waiting_deliveries`
    is_done    delivered, undelivered or erased
    is_failed  it failed since it was read
    read_at    when it was read, by the clock of the event loop"""

    happening: Happening
    attempts: int = 0
    due: Instant = 0
    reason: str = ""
    is_stored: bool = False
    is_done: bool = False
    is_failed: bool = False
    read_at: float = 0.0

    @property
    def seq(self) -> int:
        return self.happening.seq


class Order:
    """The deliveries of a lane that are not done."""

    def __init__(self) -> None:
        self._of_profile: dict[int, deque[LaneItem]] = {}
        self._first: deque[LaneItem] = deque()
        self._retries: list[tuple[Instant, int, LaneItem]] = []
        self.items: dict[int, LaneItem] = {}

    def __len__(self) -> int:
        return len(self.items)

    def add(self, item: LaneItem) -> None:
        """Add the newest item."""
        self.items[item.seq] = item
        for profile_id in item.happening.profile_ids:
            self._of_profile.setdefault(profile_id, deque()).append(item)
        self._offer(item)

    def next(self, now: Instant) -> LaneItem | None:
        """The next item to try; it is not returned again before `again`."""
        if self._first:
            return self._first.popleft()
        if self._retries and self._retries[0][0] <= now:
            return heapq.heappop(self._retries)[2]
        return None

    def probe(self) -> LaneItem | None:
        """The item to try whether the receiver is back: it may not be due yet."""
        if self._first:
            return self._first.popleft()
        return heapq.heappop(self._retries)[2] if self._retries else None

    def upcoming(self, n: int) -> list[LaneItem]:
        """The first tries that are next, at most n."""
        return list(islice(self._first, n))

    def next_due(self) -> Instant | None:
        """When the next retry is due; now or earlier if a first try waits."""
        if self._first:
            return 0
        return self._retries[0][0] if self._retries else None

    def done(self, item: LaneItem) -> None:
        """Remove an item that was returned by `next`; what waited behind it may be next."""
        item.is_done = True
        del self.items[item.seq]
        behind: dict[int, LaneItem] = {}
        for profile_id in item.happening.profile_ids:
            queue = self._of_profile[profile_id]
            queue.popleft()
            if queue:
                behind[queue[0].seq] = queue[0]
            else:
                del self._of_profile[profile_id]
        for seq in sorted(behind):
            self._offer(behind[seq])

    def again(self, item: LaneItem, due: Instant) -> None:
        """Try an item again later. It stays before all that waits behind it."""
        item.due = due
        self._offer(item)

    def hurry(self, now: Instant) -> None:
        """Make all retries due."""
        self._retries = [(min(due, now), seq, item) for due, seq, item in self._retries]
        heapq.heapify(self._retries)
        for item in self.items.values():
            item.due = min(item.due, now)

    def _offer(self, item: LaneItem) -> None:
        """Put an item up if it is the first of each of its people."""
        if all(self._of_profile[profile_id][0] is item for profile_id in item.happening.profile_ids):
            if item.attempts or item.due:
                heapq.heappush(self._retries, (item.due, item.seq, item))
            else:
                self._first.append(item)
