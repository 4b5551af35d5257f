"""Syncs: whatever fails and whenever a run dies, the receiver has in the end what the mapping makes of the members."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinycdp.products.delivery.ledger import (
    UNSETTLED,
    Ledger,
    LedgerEntry,
    LedgerRemoval,
    OnLeave,
    RecordSend,
    SyncPolicy,
    WantedRecord,
)

PEOPLE = range(1, 6)
#: Fewer keys than people: some have the same one.
KEYS = "abc"


class _Died(Exception):
    """The process died."""


@dataclass
class Person:
    key: str | None = None
    value: int = 0
    is_member: bool = True
    merged_into: int | None = None
    is_erased: bool = False


@dataclass
class Receiver:
    """What a receiver has. It ignores an id that it knows, as the documentation advises."""

    on_leave: OnLeave
    records: dict[str, Any] = field(default_factory=dict)
    known: set[int] = field(default_factory=set)

    def take(self, send: RecordSend) -> None:
        if send.number in self.known:
            return
        self.known.add(send.number)
        if send.operation in {"upsert", "add"}:
            self.records[send.match_key] = dict(send.record)
        elif send.operation == "clear":
            self.records[send.match_key] = {"key": send.match_key, "value": None}
        else:
            self.records.pop(send.match_key, None)


class World:
    """People, a receiver, and the tables of a sync. A run reads and writes them as the real one does."""

    def __init__(self, policy: SyncPolicy, choose: random.Random) -> None:
        self.policy, self.choose = policy, choose
        self.people = {id: Person() for id in PEOPLE}
        self.receiver = Receiver(policy.on_leave)
        self.entries: dict[int, LedgerEntry] = {}
        self.removals: dict[str, LedgerRemoval] = {}
        self.dirty: list[int] = []
        self.run_number = self.number = 0
        self.trouble = 0.0
        #: The record of each person that was acknowledged last, since anything else was tried with the person or key.
        self.acknowledged: dict[int, tuple[str, bytes | None]] = {}
        self.repeated: list[RecordSend] = []

    # What happens to people

    def change(self, id: int, key: str | None, value: int) -> None:
        person = self.people[id]
        if person.merged_into is None and not person.is_erased:
            person.key, person.value = key, value
            self.dirty.append(id)

    def toggle(self, id: int) -> None:
        """It leaves, or comes back as it was."""
        self.people[id].is_member = not self.people[id].is_member
        self.dirty.append(id)

    def merge(self, survivor: int, absorbed: int) -> None:
        one, other = self.people[survivor], self.people[absorbed]
        if survivor == absorbed or any(p.merged_into is not None or p.is_erased for p in (one, other)):
            return
        other.merged_into = survivor
        if one.key is None:
            one.key = other.key
        self.dirty += [survivor, absorbed]

    def erase(self, id: int) -> None:
        if self.people[id].merged_into is None:
            self.people[id] = Person(is_erased=True)
            self.dirty.append(id)

    def wanted(self, id: int) -> WantedRecord:
        person = self.people[id]
        if person.is_erased or not person.is_member or person.key is None:
            return WantedRecord(id, is_erased=person.is_erased)
        record = {"key": person.key, "value": person.value}
        return WantedRecord(id, person.key, record, blake2b(repr(record).encode(), digest_size=16).digest())

    # A run

    def ledger(self, ids: Iterable[int], wanted: Mapping[int, WantedRecord]) -> Ledger:
        """The part of the tables that these people concern."""
        asked = {*ids, *wanted}
        keys = {one.match_key for one in wanted.values()} | {
            self.entries[id].match_key for id in asked if id in self.entries
        }
        entries = [one for one in self.entries.values() if one.profile_id in asked or one.match_key in keys - {None}]
        return Ledger(self.policy, entries, [one for k, one in self.removals.items() if k in keys], self.next_number)

    def next_number(self) -> int:
        self.number += 1
        return self.number

    def survivor(self, id: int) -> int:
        while (into := self.people[id].merged_into) is not None:
            id = into
        return id

    def save(self, ledger: Ledger) -> None:
        for id in ledger.changed_profiles:
            self.entries.pop(id, None)
        for id in ledger.changed_profiles & ledger.entries.keys():
            self.entries[id] = ledger.entries[id]
        for key in ledger.changed_keys:
            self.removals.pop(key, None)
        for key in ledger.changed_keys & ledger.removals.keys():
            self.removals[key] = ledger.removals[key]
        keys = [one.match_key for one in self.entries.values() if one.match_key is not None]
        assert len(keys) == len(set(keys)), "a unique index"

    def live(self) -> None:
        """The process may die at any of these places."""
        if self.choose.random() < self.trouble / 4:
            raise _Died

    def send(self, send: RecordSend) -> str:
        if self.acknowledged.get(send.profile_id) == (send.match_key, send.hash):
            self.repeated.append(send)
        for id, (key, _) in list(self.acknowledged.items()):
            if send.match_key == key or send.profile_id == id:
                del self.acknowledged[id]
        if self.choose.random() < self.trouble:
            if self.choose.random() < 0.5:  # it arrives, and the answer is lost
                self.receiver.take(send)
            return "no answer"
        self.receiver.take(send)
        return ""

    def process(self, ids: list[int]) -> None:
        """Some people, from what they should have to what was answered."""
        survivors = {id: self.survivor(id) for id in ids}
        wanted = {id: self.wanted(id) for id in set(survivors.values())}
        ledger = self.ledger(ids, wanted)
        for id, survivor in survivors.items():
            if id != survivor:
                ledger.absorb(id, survivor)
        sends = [send for one in wanted.values() if (send := ledger.want(one, self.run_number)) is not None]
        self.live()
        self.save(ledger)
        self.deliver(ledger, sends)

    def deliver(self, ledger: Ledger, sends: list[RecordSend]) -> None:
        answers = []
        for send in sends:
            self.live()
            answers.append((send, self.send(send)))
        self.live()
        for send, error in answers:
            ledger.answered(send, error)
            if not error:
                self.acknowledged[send.profile_id] = (send.match_key, send.hash)
        self.save(ledger)

    def run(self) -> None:
        self.run_number += 1
        try:
            while self.dirty:
                part = list(dict.fromkeys(self.dirty))[: self.choose.randint(1, 4)]
                self.process(part)
                self.dirty = [id for id in self.dirty if id not in part]
            unsettled = [
                id for id, one in self.entries.items() if one.state in UNSETTLED and one.tried_run < self.run_number
            ]
            for id in unsettled:
                self.process([id])
            for key in list(self.removals):
                if self.removals[key].tried_run < self.run_number:
                    ledger = Ledger(self.policy, [], [self.removals[key]], self.next_number)
                    send = ledger.removing(key, self.run_number)
                    self.save(ledger)
                    self.deliver(ledger, [send])
        except _Died:
            self.acknowledged.clear()

    def members(self) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for id in PEOPLE:
            if self.survivor(id) == id and (record := self.wanted(id).record) is not None:
                found.setdefault(record["key"], []).append(dict(record))
        return found


_id = st.sampled_from(PEOPLE)
#: Those that may end: the others go on, so that much happens to them.
_mortal = st.sampled_from(PEOPLE[3:])
_steps = st.lists(
    st.one_of(
        st.tuples(st.just("change"), _id, st.one_of(st.none(), st.sampled_from(KEYS)), st.integers(0, 1)),
        st.tuples(st.just("toggle"), _id),
        st.tuples(st.just("merge"), _id, _mortal),
        st.tuples(st.just("erase"), _mortal),
        st.tuples(st.just("run"), st.sampled_from([0.0, 0.5])),
    ),
    min_size=8,
    max_size=50,
)


@pytest.mark.parametrize("on_leave", ["nothing", "clear", "remove", "delete"])
@settings(max_examples=200, deadline=None)
@given(steps=_steps, seed=st.integers(0, 2**32))
def test_the_receiver_has_in_the_end_what_it_should(on_leave: OnLeave, steps: list[Any], seed: int) -> None:
    world = World(SyncPolicy("add" if on_leave == "remove" else "upsert", on_leave), random.Random(seed))
    for name, *arguments in steps:
        if name == "run":
            (world.trouble,) = arguments
            world.run()
        else:
            getattr(world, name)(*arguments)
    world.trouble = 0.0
    for _ in range(4):  # what waits for another one's key gets it a run later
        world.run()
    members, there = world.members(), world.receiver.records
    for key, records in members.items():
        assert there[key] in records
    if on_leave in {"remove", "delete"}:
        assert there.keys() == members.keys()
    elif on_leave == "clear":
        assert all(there[key]["value"] is None for key in there.keys() - members.keys())
    assert not world.removals
    assert not world.repeated, "a record that the receiver had was sent again"
    before = world.number
    world.dirty = [*PEOPLE]
    world.run()
    assert world.number == before, "nothing changed, so nothing is sent"
