"""Rate limits of API keys and profiles, and sampling of events.

Shape   Limits is the policy that admins write · Limiter.request(key) and .admit(key, n) run before a request is parsed
        and stored · apply_limits(…) filters its messages · add_sample_factor(…) adds the weight of a sampled event
Units   Instants are milliseconds. A bucket counts in fractions of an event, so its refill per millisecond is a whole
        number.
Laws    All arithmetic is on integers. A request is accepted or rejected as a whole: one that is larger than a burst is
        accepted when the bucket is full, and later ones wait longer. A request that fails costs nothing.
        Sampling gives the same result at every retry and in every process.
Errors  Overloaded RATE_LIMIT with whole seconds. If Redis is unreachable, each process applies its own share.
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
from tinycdp.engine.schema.event_names import Renaming
from tinycdp.errors import Overloaded
from tinycdp.model import MINUTE_MS, SECOND_MS, Identifier, Instant, Message, Rejection
from tinycdp.runtime.policies.rejections import rejection_of

log = logging.getLogger(__name__)

#: The property of a sampled event: how many events it represents.
FACTOR = "_sample_factor"
#: How many profiles' rates are remembered in each of two generations, about 200 bytes each.
MOST_PROFILES = 100_000
_MOST_LISTED = 1_000
#: The longest Retry-After: Segment's clients wait no longer.
_LONGEST_WAIT_MS = 300 * SECOND_MS

PerSecond = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Burst = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]


class Rate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A rate. burst: how many at once after a pause; null for the amount of one second."""

    per_second: PerSecond
    burst: Burst | None = None

    @property
    def most(self) -> int:
        return self.burst if self.burst is not None else self.per_second


class KeyLimits(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The limits of one API key, by its id, in place of the general ones; null for no limit."""

    key: Annotated[int, msgspec.Meta(ge=1)]
    requests: Rate | None = None
    events: Rate | None = None


class Sampling(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A percentage of an event that is kept.

    by  profile: all events of a sampled profile, and the same profiles for every event; message: independent of it"""

    event: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    percent: Annotated[float, msgspec.Meta(gt=0, le=100)]
    by: Literal["profile", "message"] = "profile"

    @property
    def threshold(self) -> int:
        """How many of the 100,000 rollout buckets are kept."""
        return round(self.percent * 1_000)


class Limits(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The limits of an environment; null is no limit.

    requests, events           of each key that `keys` does not list
    profile_events_per_minute  of each profile; each message above it is rejected"""

    requests: Rate | None = None
    events: Rate | None = None
    keys: tuple[KeyLimits, ...] = ()
    profile_events_per_minute: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    sampling: tuple[Sampling, ...] = ()

    def __post_init__(self) -> None:
        for what, named in (("key", [k.key for k in self.keys]), ("event", [s.event for s in self.sampling])):
            if len(named) > _MOST_LISTED:
                raise ValueError(f"at most {_MOST_LISTED:,} {what}s may be listed")
            if len(set(named)) < len(named):
                raise ValueError(f"a {what} is listed twice")
        for rule in self.sampling:
            if not rule.threshold or abs(rule.percent * 1_000 - rule.threshold) > 1e-6:
                raise ValueError("a percentage has at most three decimals")

    def renamed(self, renaming: Renaming) -> "Limits":
        """The limits with sampling also under the names that events are stored as; a rule for that name goes first."""
        by_event = {rule.event: rule for rule in self.sampling}
        for rule in self.sampling:
            name = renaming.name_of(rule.event)
            by_event.setdefault(name, msgspec.structs.replace(rule, event=name))
        return msgspec.structs.replace(self, sampling=tuple(by_event.values())[:_MOST_LISTED])


class Limited(NamedTuple):
    """The messages to store, the rejections, and how many messages sampling dropped."""

    messages: Sequence[Message]
    rejections: Sequence[Rejection] = ()
    sampled: int = 0


class Meter(Protocol):
    """Keeps the levels of token buckets."""

    async def take(self, name: str, rate: Rate, n: int, now: Instant) -> int | None:
        """Take n tokens. Returns 0 if taken, else the wait in milliseconds; None if unknown.

        A negative n returns."""


class Bucket:
    """A token bucket. Its rate is passed at each call, because a policy may change meanwhile.

    price   units per event
    refill  units per millisecond
    size    units of a full bucket"""

    __slots__ = ("_at", "_spent")

    def __init__(self, now: Instant) -> None:
        self._spent = 0
        self._at = now

    def take(self, n: int, now: Instant, *, price: int, refill: int, size: int) -> int:
        """Returns 0 if n were taken, else the milliseconds until they can be."""
        if now > self._at:  # a clock that is set back refills nothing twice
            self._spent = max(0, self._spent - (now - self._at) * refill)
            self._at = now
        # A request larger than the bucket needs a full one.
        missing = self._spent + min(n * price, size) - size
        if missing > 0:
            return -(-missing // refill)
        self._spent += n * price
        return 0

    def give_back(self, units: int) -> None:
        self._spent = max(0, self._spent - units)


class LocalMeter:
    """Token buckets in memory. Each of `processes` has an equal share of every rate."""

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


class _ProfileBuckets:
    """Token buckets of profiles.

    After a minute without events a bucket is full, and can be forgotten."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._young: dict[tuple[int, Identifier], Bucket] = {}
        self._old: dict[tuple[int, Identifier], Bucket] = {}
        self._turned_at: Instant = 0

    def of(self, environment_id: int, identifier: Identifier, now: Instant) -> Bucket:
        if now - self._turned_at >= MINUTE_MS or len(self._young) >= self._most:
            self._old = self._young if now - self._turned_at < 2 * MINUTE_MS else {}
            self._young, self._turned_at = {}, now
        name = (environment_id, identifier)
        found = self._young.get(name)
        if found is None:
            found = self._young[name] = self._old.get(name) or Bucket(now)
        return found

    def __len__(self) -> int:
        return len(self._young) + len(self._old)


@dataclass(slots=True)
class Charge:
    """The tokens that a request took.

    They are returned if its block ends with an error, because the client sends the request again."""

    environment_id: int
    now: Instant
    paid: list[tuple[str, Rate, int]] = field(default_factory=list)
    profiles: list[Bucket] = field(default_factory=list)
    meters: Sequence[Meter] = ()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, Exception):  # a cancelled request is not refunded
            return
        for profile_bucket in self.profiles:
            profile_bucket.give_back(MINUTE_MS)
        for name, rate, n in self.paid:
            for meter in self.meters:
                if await meter.take(name, rate, -n, self.now) is not None:
                    break


class Limiter:
    """The limits of one process. `shared`, a meter of all processes, is asked first."""

    def __init__(self, processes: int = 1, shared: Meter | None = None, *, most_profiles: int = MOST_PROFILES) -> None:
        local = LocalMeter(processes)
        self._meters: Sequence[Meter] = (shared, local) if shared is not None else (local,)
        self._profiles = _ProfileBuckets(most_profiles)
        self._rules: dict[int, tuple[Limits, Mapping[str, Sampling]]] = {}

    @property
    def profiles_remembered(self) -> int:
        return len(self._profiles)

    async def request(self, limits: Limits, key_id: int, now: Instant) -> None:
        """Count a request of a key. Raises Overloaded if it exceeds the rate."""
        if (rate := _limits_of(limits, key_id).requests) is not None:
            await self._take(f"requests {key_id}", rate, 1, now, "requests")

    async def admit(self, limits: Limits, environment_id: int, key_id: int, n: int, now: Instant) -> Charge:
        """Count n events of a key. Raises Overloaded if they exceed the rate."""
        charge = Charge(environment_id, now, meters=self._meters)
        if n and (rate := _limits_of(limits, key_id).events) is not None:
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
                " request was stored: send the whole request again after Retry-After.",
                retry_after_seconds=-(-min(wait_ms, _LONGEST_WAIT_MS) // SECOND_MS),
            )

    def apply_limits(
        self, limits: Limits, environment_id: int, messages: Sequence[Message], charge: Charge | None
    ) -> Limited:
        """Apply sampling and the rate limit of profiles.

        Without a charge (imports) profiles have no rate limit."""
        sampled = 0
        if limits.sampling:
            rules = self._sampling(limits, environment_id)
            kept = [message for message in messages if _is_kept(message, rules)]
            sampled, messages = len(messages) - len(kept), kept
        if charge is None or limits.profile_events_per_minute is None:
            return Limited(messages, (), sampled)
        return self._limit_profiles(limits.profile_events_per_minute, messages, charge, sampled)

    def _limit_profiles(self, per_minute: int, messages: Sequence[Message], charge: Charge, sampled: int) -> Limited:
        kept: list[Message] = []
        rejected: list[Rejection] = []
        for message in messages:
            spent = self._profiles.of(charge.environment_id, message.identifiers[0], charge.now)
            # A bucket refills in a minute: an event costs MINUTE_MS units, and per_minute units return a millisecond.
            if spent.take(1, charge.now, price=MINUTE_MS, refill=per_minute, size=per_minute * MINUTE_MS):
                rejected.append(_too_many(message, per_minute))
            else:
                charge.profiles.append(spent)
                kept.append(message)
        return Limited(kept, rejected, sampled)

    def add_sample_factor(self, limits: Limits, environment_id: int, message: Message) -> Message:
        """Add how many events a sampled one represents, including sampling by the client."""
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


def _limits_of(limits: Limits, key_id: int) -> Limits | KeyLimits:
    if not limits.keys:
        return limits
    return next((own for own in limits.keys if own.key == key_id), limits)


def _is_kept(message: Message, rules: Mapping[str, Sampling]) -> bool:
    rule = rules.get(message.name) if message.name else None  # calls about identity are never sampled
    if rule is None:
        return True
    if rule.by == "message":
        unit = message.message_id
    else:
        first = message.identifiers[0]
        unit = f"{first.kind} {first.value}"
    return bucket("sampling", rule.by, unit) < rule.threshold


def _too_many(message: Message, per_minute: int) -> Rejection:
    first = message.identifiers[0]
    text = f"{first.kind} {first.value[:40]!r} sent more than {per_minute:,} events in a minute, its limit."
    return rejection_of(message, "PROFILE_RATE_LIMIT", text)
