"""How much a key and a person may send, and of which events only a share is kept.

Shape   Limits is the policy admins write. Limiter.request(key) and .admit(key, n) come before a request is read and
        stored; sift(…) goes through its messages; scaled(…) tells analytics what a kept event stands for
Units   instants in milliseconds; a bucket counts in fractions of an event that make its refill whole per millisecond
Laws    integers throughout. A request is taken whole or refused whole, whatever its size: one that is larger than a
        burst is taken when the bucket is full, and what follows waits the longer. What is not stored in the end costs
        nothing. A message is kept or left out alike at every try and on every process
Errors  Overloaded RATE_LIMIT with whole seconds. Redis that is away never refuses anything: each process then goes by
        its own share
Source  docs/decisions/0026-limits.md; docs/reference/policies.md "limits"
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import TracebackType
from typing import Annotated, Literal, NamedTuple, Protocol, Self

import msgspec

from tinycdp.engine.flags.bucketing import BUCKETS, bucket
from tinycdp.errors import Overloaded
from tinycdp.model import MINUTE_MS, SECOND_MS, Alias, Instant, Message, Rejection
from tinycdp.runtime.policies.rejections import refusal_of

log = logging.getLogger(__name__)

#: The property of a sampled event that says how many it stands for.
FACTOR = "_sample_factor"
#: People whose rate is remembered at most, in each of two generations; some 200 bytes each.
MOST_PEOPLE = 100_000
#: No client waits longer on its own; Segment's do not wait longer at all.
_LONGEST_WAIT_MS = 300 * SECOND_MS

PerSecond = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Burst = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]


class Rate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """So many a second in the long run; burst: so many at once after a silence, null for one second's worth."""

    per_second: PerSecond
    burst: Burst | None = None

    @property
    def most(self) -> int:
        return self.burst if self.burst is not None else self.per_second


class KeyLimits(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What one key, by its id, may send instead of what the others may; null for any amount."""

    key: Annotated[int, msgspec.Meta(ge=1)]
    requests: Rate | None = None
    events: Rate | None = None


class Sampling(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Of an event only a percentage is kept. by person: all or nothing of each, the same people for every event."""

    event: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    percent: Annotated[float, msgspec.Meta(gt=0, le=100)]
    by: Literal["person", "message"] = "person"

    @property
    def threshold(self) -> int:
        """The buckets that are kept, of 100,000."""
        return round(self.percent * 1_000)


class Limits(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """null is no limit.

    requests, events           of each key that `keys` does not name
    profile_events_per_minute  of each person; what is more is refused one by one"""

    requests: Rate | None = None
    events: Rate | None = None
    keys: tuple[KeyLimits, ...] = ()
    profile_events_per_minute: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    sampling: tuple[Sampling, ...] = ()

    def __post_init__(self) -> None:
        for what, named in (("key", [k.key for k in self.keys]), ("event", [s.event for s in self.sampling])):
            if len(named) > 1_000:
                raise ValueError(f"at most 1,000 {what}s are named")
            if len(set(named)) < len(named):
                raise ValueError(f"a {what} stands twice")
        for rule in self.sampling:
            if not rule.threshold or abs(rule.percent * 1_000 - rule.threshold) > 1e-6:
                raise ValueError("a percentage has at most three decimals")


class Sifted(NamedTuple):
    """What goes on, what is refused with its reason, and how many the sampling left out."""

    messages: Sequence[Message]
    rejections: Sequence[Rejection] = ()
    sampled: int = 0


class Meter(Protocol):
    """Where the level of a key's bucket is kept. Gives 0 where n were taken, else the wait in milliseconds; None where
    it cannot tell. A negative n gives back."""

    async def take(self, name: str, rate: Rate, n: int, now: Instant) -> int | None: ...


class Bucket:
    """A token bucket. Its rate is told at each call, because a policy may change meanwhile.

    price  units that one event costs; refill: units that come back in a millisecond; size: units when full"""

    __slots__ = ("_at", "_spent")

    def __init__(self, now: Instant) -> None:
        self._spent = 0
        self._at = now

    def take(self, n: int, now: Instant, *, price: int, refill: int, size: int) -> int:
        """0 where n were taken, else the milliseconds until they can be."""
        if now > self._at:  # a clock that is set back gives nothing twice
            self._spent = max(0, self._spent - (now - self._at) * refill)
            self._at = now
        # More than a full bucket holds is taken from a full one.
        missing = self._spent + min(n * price, size) - size
        if missing > 0:
            return -(-missing // refill)
        self._spent += n * price
        return 0

    def give_back(self, units: int) -> None:
        self._spent = max(0, self._spent - units)


class Local:
    """The buckets of this process: each of `processes` has an equal share of every rate."""

    def __init__(self, processes: int = 1) -> None:
        self._processes = processes
        self._buckets: dict[str, Bucket] = {}

    async def take(self, name: str, rate: Rate, n: int, now: Instant) -> int:
        found = self._buckets.get(name)
        if found is None:
            found = self._buckets[name] = Bucket(now)
        price = SECOND_MS * self._processes
        if n < 0:
            found.give_back(-n * price)
            return 0
        return found.take(n, now, price=price, refill=rate.per_second, size=rate.most * SECOND_MS)


class _People:
    """The buckets of people. Whoever sent nothing for a minute has a full one, which needs no memory."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._young: dict[tuple[int, Alias], Bucket] = {}
        self._old: dict[tuple[int, Alias], Bucket] = {}
        self._turned_at: Instant = 0

    def of(self, environment_id: int, person: Alias, now: Instant) -> Bucket:
        if now - self._turned_at >= MINUTE_MS or len(self._young) >= self._most:
            self._old = self._young if now - self._turned_at < 2 * MINUTE_MS else {}
            self._young, self._turned_at = {}, now
        who = (environment_id, person)
        found = self._young.get(who)
        if found is None:
            found = self._young[who] = self._old.get(who) or Bucket(now)
        return found

    def __len__(self) -> int:
        return len(self._young) + len(self._old)


@dataclass(slots=True)
class Charge:
    """What a request has cost so far; given back where it leaves the block by an error, because then it is sent again
    and would pay twice."""

    environment_id: int
    now: Instant
    paid: list[tuple[str, Rate, int]] = field(default_factory=list)
    people: list[Bucket] = field(default_factory=list)
    meters: Sequence[Meter] = ()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, Exception):  # a client that hangs up has sent what it sent
            return
        for bucket_of_person in self.people:
            bucket_of_person.give_back(MINUTE_MS)
        for name, rate, n in self.paid:
            for meter in self.meters:
                if await meter.take(name, rate, -n, self.now) is not None:
                    break


class Limiter:
    """The limits of one process. `shared` is asked first, where several processes have one count."""

    def __init__(self, processes: int = 1, shared: Meter | None = None, *, most_people: int = MOST_PEOPLE) -> None:
        local = Local(processes)
        self._meters: Sequence[Meter] = (shared, local) if shared is not None else (local,)
        self._people = _People(most_people)
        self._rules: dict[int, tuple[Limits, Mapping[str, Sampling]]] = {}

    @property
    def people_remembered(self) -> int:
        return len(self._people)

    async def request(self, limits: Limits, key_id: int, now: Instant) -> None:
        """Count a request of a key; raises Overloaded where it is one too many."""
        if (rate := _of_key(limits, key_id).requests) is not None:
            await self._take(f"requests {key_id}", rate, 1, now, "requests")

    async def admit(self, limits: Limits, environment_id: int, key_id: int, n: int, now: Instant) -> Charge:
        """Count n events of a key; raises Overloaded where they are too many."""
        charge = Charge(environment_id, now, meters=self._meters)
        if n and (rate := _of_key(limits, key_id).events) is not None:
            name = f"events {key_id}"
            await self._take(name, rate, n, now, "events")
            charge.paid.append((name, rate, n))
        return charge

    async def _take(self, name: str, rate: Rate, n: int, now: Instant, what: str) -> None:
        for meter in self._meters:
            wait_ms = await meter.take(name, rate, n, now)
            if wait_ms is not None:
                break
        if wait_ms:
            raise Overloaded(
                "RATE_LIMIT",
                f"This key may send {rate.per_second:,} {what} a second, and {rate.most:,} at once. Nothing of this"
                " request was taken: send it again, whole, after Retry-After.",
                retry_after_seconds=-(-min(wait_ms, _LONGEST_WAIT_MS) // SECOND_MS),
            )

    def sift(self, limits: Limits, environment_id: int, messages: Sequence[Message], charge: Charge | None) -> Sifted:
        """The messages that sampling keeps and whose person has not sent too many. Without a charge, as for history
        that is imported, people may have done any number of things."""
        sampled = 0
        if limits.sampling:
            rules = self._sampling(limits, environment_id)
            kept = [message for message in messages if _is_kept(message, rules)]
            sampled, messages = len(messages) - len(kept), kept
        if charge is None or limits.profile_events_per_minute is None:
            return Sifted(messages, (), sampled)
        return self._per_person(limits.profile_events_per_minute, messages, charge, sampled)

    def _per_person(self, per_minute: int, messages: Sequence[Message], charge: Charge, sampled: int) -> Sifted:
        taken: list[Message] = []
        refused: list[Rejection] = []
        for message in messages:
            spent = self._people.of(charge.environment_id, message.aliases[0], charge.now)
            # A minute brings the whole size back: so many units for each event, so many events' worth a millisecond.
            if spent.take(1, charge.now, price=MINUTE_MS, refill=per_minute, size=per_minute * MINUTE_MS):
                refused.append(_too_many(message, per_minute))
            else:
                charge.people.append(spent)
                taken.append(message)
        return Sifted(taken, refused, sampled)

    def scaled(self, limits: Limits, environment_id: int, message: Message) -> Message:
        """The message with what it stands for, where its event is sampled. A client may have sampled before."""
        rule = self._sampling(limits, environment_id).get(message.name) if message.name else None
        if rule is None or rule.threshold == BUCKETS:
            return message
        before = message.properties.get(FACTOR, 1)
        before = before if type(before) is int and 0 < before < BUCKETS else 1
        whole, rest = divmod(BUCKETS * before, rule.threshold)
        factor = round(Decimal(BUCKETS * before) / rule.threshold, 6) if rest else whole
        return msgspec.structs.replace(message, properties={**message.properties, FACTOR: factor})

    def _sampling(self, limits: Limits, environment_id: int) -> Mapping[str, Sampling]:
        known = self._rules.get(environment_id)
        if known is None or known[0] is not limits:
            known = self._rules[environment_id] = (limits, {rule.event: rule for rule in limits.sampling})
        return known[1]


def _of_key(limits: Limits, key_id: int) -> Limits | KeyLimits:
    if not limits.keys:
        return limits
    return next((own for own in limits.keys if own.key == key_id), limits)


def _is_kept(message: Message, rules: Mapping[str, Sampling]) -> bool:
    rule = rules.get(message.name) if message.name else None  # who somebody is, is never left out
    if rule is None:
        return True
    if rule.by == "message":
        unit = message.message_id
    else:
        person = message.aliases[0]
        unit = f"{person.kind} {person.value}"
    return bucket("sampling", rule.by, unit) < rule.threshold


def _too_many(message: Message, per_minute: int) -> Rejection:
    person = message.aliases[0]
    text = f"{person.kind} {person.value[:40]!r} may have {per_minute:,} events a minute and sent more."
    return refusal_of(message, "PROFILE_RATE_LIMIT", text)
