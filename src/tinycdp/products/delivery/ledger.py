"""What a receiver has of each person, and what has to be sent so that it has what it should.

Shape   Ledger(policy, entries, removals).want(wanted, run) → RecordSend or None · absorb(…) for merges · answered(…)
        A run loads the part of the ledger that its people concern, changes it, and writes `changed_*` down before
        anything is sent, and again when all was answered
Laws    pure. An entry is `sent` only if the receiver acknowledged this very record and nothing was tried since; an
        entry in any other state says nothing about what the receiver has, so its record is sent again.
        A key at the receiver belongs to one person. A key that its person gives up becomes a removal; the next person
        to have it takes the record over, and the removal is not sent
        A send has a number that no other send of the sync has; it keeps the number until it is acknowledged, or until
        another record takes its place
Source  tests/property/test_sync_laws.py
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tinycdp.model import Instant

OnLeave = Literal["nothing", "clear", "remove", "delete"]
Operation = Literal["upsert", "add", "clear", "remove", "delete"]

#: sent       the receiver acknowledged the record with this hash
#: sending    it was about to be sent; perhaps it was
#: failed     the last attempt failed; perhaps it arrived nevertheless
#: waiting    another person has its key
#: unmatched  it has no record, for the reason that is given; a member nevertheless
#: left       not a member any more; the receiver keeps the record
#: out        not a member; kept because that may change with time alone
State = Literal["sent", "sending", "failed", "waiting", "unmatched", "left", "out"]
#: What every run tries again.
UNSETTLED: tuple[State, ...] = ("sending", "failed", "waiting")
#: The states whose hash is what the receiver has.
_KNOWN: frozenset[State] = frozenset({"sent", "left"})


@dataclass(frozen=True, slots=True)
class SyncPolicy:
    """What is sent when a record changes, and when a person leaves."""

    change: Literal["upsert", "add"]
    on_leave: OnLeave


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What is known of one person. The fields are those of the table `sync_records`.

    match_key       as the receiver knows the person; None if it has nothing of it
    hash            of the record that was sent last under this key
    number          of that send
    next_change_at  when the record may change with time alone
    attempts        that failed since the receiver acknowledged a record under this key
    tried_run       the run that tried it last"""

    profile_id: int
    match_key: str | None
    hash: bytes | None
    number: int
    state: State
    next_change_at: Instant | None
    attempts: int
    reason: str
    tried_run: int


@dataclass(frozen=True, slots=True)
class LedgerRemoval:
    """A key that has to leave the receiver. The fields are those of the table `sync_removals`.

    hash        of the record that the receiver has; None if that is not known
    is_allowed  the brake let it pass"""

    match_key: str
    profile_id: int
    hash: bytes | None
    number: int
    is_allowed: bool
    attempts: int
    reason: str
    tried_run: int


@dataclass(frozen=True, slots=True)
class WantedRecord:
    """What a receiver should have of one person now.

    match_key  None: nothing
    record     what the mapping makes of the person
    reason     why a member has no record
    is_erased  the person was erased: nothing of it may stay
    version    of the profile; None without one"""

    profile_id: int
    match_key: str | None = None
    record: Mapping[str, Any] | None = None
    hash: bytes | None = None
    until: Instant | None = None
    reason: str = ""
    is_erased: bool = False
    version: int | None = None


@dataclass(frozen=True, slots=True)
class RecordSend:
    """A record to send."""

    operation: Operation
    profile_id: int
    match_key: str
    number: int
    record: Mapping[str, Any] = field(default_factory=dict)
    hash: bytes | None = None


class Ledger:
    """A part of a sync's ledger: the entries of some people, and all that is known of the keys that they have or want.

    next_number  draws a number for a new send"""

    def __init__(
        self,
        policy: SyncPolicy,
        entries: Iterable[LedgerEntry],
        removals: Iterable[LedgerRemoval],
        next_number: Callable[[], int],
    ) -> None:
        self.policy = policy
        self.entries = {one.profile_id: one for one in entries}
        self.removals = {one.match_key: one for one in removals}
        self._holders = {one.match_key: one.profile_id for one in self.entries.values() if one.match_key is not None}
        self._next_number = next_number
        self.changed_profiles: set[int] = set()
        self.changed_keys: set[str] = set()

    def want(self, wanted: WantedRecord, run: int) -> RecordSend | None:
        """Take note of what a person's record is now. Returns what has to be sent for that."""
        key = wanted.match_key
        if key is None:
            self._leave(wanted)
            return None
        known = self._taken_over(wanted.profile_id, key)
        if known is _HELD:
            self._wait(wanted, key)
            return None
        entry = self.entries.get(wanted.profile_id)
        number, attempts = 0, 0
        if entry is not None and entry.match_key == key:
            known = entry.hash if entry.state in _KNOWN else None
            if entry.state in UNSETTLED:
                number, attempts = entry.number if entry.hash == wanted.hash else 0, entry.attempts
        elif entry is not None:
            self._give_up(entry)
        assert wanted.hash is not None
        if known == wanted.hash:
            before, tried = (entry.number, entry.tried_run) if entry is not None else (0, 0)
            self._put(LedgerEntry(wanted.profile_id, key, known, before, "sent", wanted.until, 0, "", tried))
            return None
        number = number or self._next_number()
        reason = entry.reason if entry is not None and attempts else ""
        self._put(
            LedgerEntry(wanted.profile_id, key, wanted.hash, number, "sending", wanted.until, attempts, reason, run)
        )
        return RecordSend(self.policy.change, wanted.profile_id, key, number, wanted.record or {}, wanted.hash)

    def put_off(self, wanted: WantedRecord) -> bool:
        """Whether a person's record is for a retry, since an attempt failed. Takes note of how long it holds alone."""
        entry = self.entries.get(wanted.profile_id)
        if entry is None or entry.match_key is None or entry.match_key != wanted.match_key:
            return False
        if entry.state not in UNSETTLED or not entry.attempts:
            return False
        self._put(replace(entry, next_change_at=wanted.until))
        return True

    def absorb(self, absorbed_id: int, survivor_id: int) -> None:
        """A person became part of another one, who takes the record over unless the other one has one."""
        entry = self.entries.get(absorbed_id)
        if entry is None:
            return
        survivor = self.entries.get(survivor_id)
        self._drop(absorbed_id)
        if entry.match_key is None:
            return
        if survivor is None or survivor.match_key is None:
            self._put(replace(entry, profile_id=survivor_id))
        else:
            self._give_up(entry)

    def removing(self, match_key: str, run: int) -> RecordSend:
        """Begin to remove a key."""
        removal = self.removals[match_key]
        number = removal.number or self._next_number()
        self._put_removal(replace(removal, hash=None, number=number, tried_run=run))
        operation = self.policy.on_leave
        assert operation != "nothing"
        return RecordSend(operation, removal.profile_id, match_key, number)

    def answered(self, send: RecordSend, error: str, *, tries: int = 1) -> None:
        """Take note of what became of a send.

        error: empty if the receiver acknowledged it; tries: 0 if it was not sent after all: an earlier reason stays"""
        if send.operation != self.policy.change:
            removal = self.removals[send.match_key]
            if error:
                reason = error if tries else removal.reason or error
                self._put_removal(replace(removal, attempts=removal.attempts + tries, reason=reason))
            else:
                del self.removals[send.match_key]
                self.changed_keys.add(send.match_key)
            return
        entry = self.entries[send.profile_id]
        if error:
            reason = error if tries else entry.reason or error
            self._put(replace(entry, state="failed", attempts=entry.attempts + tries, reason=reason))
        else:
            self._put(replace(entry, state="sent", attempts=0, reason=""))

    def renumbered(self, sends: Iterable[RecordSend], settled: Callable[[int], int]) -> list[RecordSend]:
        """The sends with their final numbers, which the ledger has from now on too."""
        for id in self.changed_profiles & self.entries.keys():
            entry = self.entries[id]
            self.entries[id] = replace(entry, number=settled(entry.number))
        for key in self.changed_keys & self.removals.keys():
            removal = self.removals[key]
            self.removals[key] = replace(removal, number=settled(removal.number))
        return [replace(send, number=settled(send.number)) for send in sends]

    # What changes

    def _taken_over(self, profile_id: int, key: str) -> "bytes | _Held | None":
        """The hash of the record that the receiver has under a key; _HELD if another person holds the key."""
        holder_id = self._holders.get(key)
        if holder_id is not None and holder_id != profile_id:
            holder = self.entries[holder_id]
            if holder.state != "left":
                return _HELD
            self._keep_time(holder)
            return holder.hash
        removal = self.removals.pop(key, None)
        if removal is None:
            return None
        self.changed_keys.add(key)
        return removal.hash

    def _wait(self, wanted: WantedRecord, key: str) -> None:
        entry = self.entries.get(wanted.profile_id)
        if entry is not None:
            self._give_up(entry)
        reason = f"Profile {self._holders[key]} has the same match key."
        self._put(LedgerEntry(wanted.profile_id, None, None, 0, "waiting", wanted.until, 0, reason, 0))

    def _leave(self, wanted: WantedRecord) -> None:
        entry = self.entries.get(wanted.profile_id)
        if entry is not None and entry.match_key is not None:
            if self.policy.on_leave == "nothing" and not wanted.is_erased and not wanted.reason:
                known = entry.hash if entry.state in _KNOWN else None
                left = replace(entry, state="left", hash=known, next_change_at=wanted.until, attempts=0, reason="")
                if left != entry:
                    self._put(left)
                return
            self._give_up(entry, is_allowed=wanted.is_erased)
        if wanted.reason:
            self._put(LedgerEntry(wanted.profile_id, None, None, 0, "unmatched", wanted.until, 0, wanted.reason, 0))
        elif wanted.until is not None:
            self._put(LedgerEntry(wanted.profile_id, None, None, 0, "out", wanted.until, 0, "", 0))
        else:
            self._drop(wanted.profile_id)

    def _give_up(self, entry: LedgerEntry, *, is_allowed: bool = False) -> None:
        """Let go of the key of an entry, which is then replaced."""
        key = entry.match_key
        if key is None:
            return
        self._let_go(entry)
        if self.policy.on_leave != "nothing":
            known = entry.hash if entry.state in _KNOWN else None
            self._put_removal(LedgerRemoval(key, entry.profile_id, known, 0, is_allowed, 0, "", 0))

    def _keep_time(self, entry: LedgerEntry) -> None:
        """Keep of an entry only when its person may become a member."""
        if entry.next_change_at is None:
            self._drop(entry.profile_id)
        else:
            self._put(replace(entry, match_key=None, hash=None, state="out"))

    def _put(self, entry: LedgerEntry) -> None:
        before = self.entries.get(entry.profile_id)
        if before is not None and before.match_key != entry.match_key:
            self._let_go(before)
        self.entries[entry.profile_id] = entry
        if entry.match_key is not None:
            self._holders[entry.match_key] = entry.profile_id
        if before != entry:
            self.changed_profiles.add(entry.profile_id)

    def _drop(self, profile_id: int) -> None:
        entry = self.entries.pop(profile_id, None)
        if entry is not None:
            self._let_go(entry)
            self.changed_profiles.add(profile_id)

    def _let_go(self, entry: LedgerEntry) -> None:
        if entry.match_key is not None and self._holders.get(entry.match_key) == entry.profile_id:
            del self._holders[entry.match_key]

    def _put_removal(self, removal: LedgerRemoval) -> None:
        self.removals[removal.match_key] = removal
        self.changed_keys.add(removal.match_key)


class _Held:
    """Another person holds the key."""


_HELD = _Held()
