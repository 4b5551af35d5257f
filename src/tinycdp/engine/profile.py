"""One profile's state: decoded from a row, changed by messages, encoded back.

Shape   Profile: properties with the instant each was set, aggregate states by key, segment memberships.
        StoredProfile: only the states, for reading
Units   instants in milliseconds; `memberships` maps a segment's fingerprint to the instant of entry
Laws    a property has its latest value by (instant, message id), so the order of arrival never matters.
        States and stamps stay encoded until they are used, so unused ones cost neither time nor memory
Source  dsl/SPEC.md "State"; docs/decisions/0008-traits-are-derived.md
"""

from collections.abc import Mapping, Set
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import msgspec

from tinycdp.engine.aggregates.codec import State, pack, unpack
from tinycdp.model import Instant

_FORMAT = 1
_encode = msgspec.msgpack.Encoder(decimal_format="string").encode
_decode = msgspec.msgpack.Decoder(
    tuple[int, dict[str, msgspec.Raw], msgspec.Raw, dict[int, int], tuple[Any, ...] | None, int | tuple[int, ...]]
).decode
# Group traits are kept as JSON: it keeps numbers exact, which the other encoding does not.
_encode_traits = msgspec.json.Encoder(decimal_format="number").encode
_decode_traits = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode
_decode_state = msgspec.msgpack.Decoder().decode
_decode_stamps = msgspec.msgpack.Decoder(dict[str, tuple[int, str]]).decode

#: The traits of profiles without a group.
NO_TRAITS: Mapping[str, Any] = MappingProxyType({})

#: The lists of a profile that is on none.
NOT_LISTED: Set[int] = frozenset()

#: (instant, message id): which of two writes to one property is the later one.
Stamp = tuple[Instant, str]


class Profile:
    """A profile's working copy.

    backfilled        every aggregate's state is known to be complete up to this revision
    recompute_at  the first instant at which a membership may change with time alone; None for never
    saved_memberships, properties_changed   the state of the row, so that only differences are written
    saved_state   the state as it was encoded when it was saved
    group         (instant, message id, group id) of the latest group call
    group_traits  a copy of the group's traits; a change of the traits updates the copy in every member
    group_changed whether the group differs from the row's
    listed        the ids of static segments whose list has an identifier of the profile
    """

    __slots__ = (
        "_group_json",
        "_group_traits",
        "_packed",
        "_packed_stamps",
        "_stamps",
        "backfilled",
        "bucketing_key",
        "created_at",
        "first_seen",
        "group",
        "group_changed",
        "id",
        "last_seen",
        "listed",
        "memberships",
        "properties",
        "properties_changed",
        "recompute_at",
        "saved_memberships",
        "saved_state",
        "states",
        "version",
    )

    def __init__(self, id: int, bucketing_key: str, created_at: Instant, *, backfilled: int = 0) -> None:
        self.id = id
        self.bucketing_key = bucketing_key
        self.created_at = created_at
        self.first_seen: Instant | None = None
        self.last_seen: Instant | None = None
        self.properties: dict[str, Any] = {}
        self.properties_changed = False
        self._stamps: dict[str, Stamp] | None = {}
        self.states: dict[str, State] = {}
        self.memberships: dict[int, Instant] = {}
        self.saved_memberships: dict[int, Instant] = {}
        self.group: tuple[Instant, str, str] | None = None
        self.group_changed = False
        self._group_json = b""
        self._group_traits: Mapping[str, Any] | None = {}
        self.listed: Set[int] = NOT_LISTED
        self.recompute_at: Instant | None = None
        self.version = 0
        self.saved_state = b""
        self.backfilled = backfilled
        self._packed: dict[str, msgspec.Raw] = {}
        self._packed_stamps = msgspec.Raw()

    @property
    def stamps(self) -> dict[str, Stamp]:
        """When each property was last written."""
        if self._stamps is None:
            self._stamps = _decode_stamps(self._packed_stamps)
        return self._stamps

    def state(self, key: str) -> State | None:
        """The state of an aggregate; None if nothing was ever added.

        Changing it changes the profile."""
        found = self.states.get(key)
        if found is None and (packed := self._packed.pop(key, None)) is not None:
            found = self.states[key] = unpack(_decode_state(packed))
        return found

    def keys(self) -> set[str]:
        """The aggregates for which this profile has state."""
        return self.states.keys() | self._packed.keys()

    def keep_only(self, keys: Set[str]) -> None:
        """Drop every aggregate except these."""
        if not (self._packed.keys() <= keys and self.states.keys() <= keys):
            for key in self.keys() - keys:
                self.forget(key)

    def forget(self, key: str) -> None:
        """Drop one aggregate's state."""
        self.states.pop(key, None)
        self._packed.pop(key, None)

    def set_property(self, name: str, value: Any, stamp: Stamp) -> bool:
        """Write one property unless a later message already has. Returns True if the value changed."""
        known = self.stamps.get(name)
        if known is not None and (known[0], known[1]) >= stamp:
            return False
        self.stamps[name] = stamp
        changed = name not in self.properties or not same_json(self.properties[name], value)
        if changed:
            self.properties[name] = value
            self.properties_changed = True
        return changed

    def join(self, joined: tuple[Instant, str, str]) -> bool:
        """Join a group unless a later call named another.

        Returns True if the group changed; its traits are then unknown."""
        if self.group is not None and joined[:2] <= self.group[:2]:
            return False
        another = self.group is None or self.group[2] != joined[2]
        self.group = joined
        if another:
            self.group_changed = True
            self.set_group_traits({})
        return another

    @property
    def group_traits(self) -> Mapping[str, Any]:
        if self._group_traits is None:
            self._group_traits = _decode_traits(self._group_json)
        return self._group_traits

    def set_group_traits(self, traits: Mapping[str, Any]) -> None:
        self._group_traits = traits
        self._group_json = _encode_traits(traits) if traits else b""

    def reset(self, backfilled: int) -> None:
        """Drop everything learned from messages.

        Keeps the identity, and memberships until they are reviewed."""
        self.first_seen = self.last_seen = None
        self.group_changed = self.group_changed or self.group is not None
        self.group = None
        self.set_group_traits({})
        self.properties, self._stamps, self.states, self._packed = {}, {}, {}, {}
        self.properties_changed = True
        self.recompute_at = None
        self.backfilled = backfilled

    def record_activity(self, at: Instant) -> None:
        """Record that the profile was active at an instant."""
        if self.first_seen is None or at < self.first_seen:
            self.first_seen = at
        if self.last_seen is None or at > self.last_seen:
            self.last_seen = at

    def encode(self) -> bytes:
        """Encode everything except the values of properties and the columns of the row."""
        states: dict[str, Any] = dict(self._packed)
        for key, state in self.states.items():
            states[key] = pack(state)
        stamps = self._packed_stamps if self._stamps is None else self._stamps
        group = None if self.group is None else (*self.group, self._group_json)
        # Most profiles are on no list: they have the number alone.
        backfilled = (self.backfilled, *sorted(self.listed)) if self.listed else self.backfilled
        return _encode((_FORMAT, states, stamps, self.memberships, group, backfilled))

    def decode(self, blob: bytes) -> None:
        if blob:
            _, self._packed, self._packed_stamps, self.memberships, group, backfilled = _decode(blob)
            if isinstance(backfilled, int):
                self.backfilled = backfilled
            else:
                self.backfilled, self.listed = backfilled[0], frozenset(backfilled[1:])
            self._stamps = None
            if group is not None:
                self.group, self._group_json = group[:3], bytes(group[3]) if len(group) > 3 else b""
                self._group_traits = None if self._group_json else {}


class StoredProfile:
    """A stored profile for readers that keep thousands of them.

    `release` drops everything that was decoded."""

    __slots__ = ("_blob", "_packed", "_states")

    def __init__(self, blob: bytes) -> None:
        self._blob = blob
        self._packed: dict[str, msgspec.Raw] | None = None
        self._states: dict[str, State] | None = None

    def state(self, key: str) -> State | None:
        """The state of an aggregate; None if nothing was ever added."""
        if self._packed is None or self._states is None:
            self._packed, self._states = _decode(self._blob)[1] if self._blob else {}, {}
        found = self._states.get(key)
        if found is None and (packed := self._packed.get(key)) is not None:
            found = self._states[key] = unpack(_decode_state(packed))
        return found

    def release(self) -> None:
        """Drop everything that was decoded; only the encoded blob stays."""
        self._packed = self._states = None

    def group_traits_and_lists(self) -> tuple[Mapping[str, Any], Set[int]]:
        """The traits of the profile's group, and the lists that the profile is on."""
        if not self._blob:
            return NO_TRAITS, NOT_LISTED
        *_, group, backfilled = _decode(self._blob)
        traits = _decode_traits(bytes(group[3])) if group is not None and len(group) > 3 and group[3] else NO_TRAITS
        return traits, NOT_LISTED if isinstance(backfilled, int) else frozenset(backfilled[1:])


def same_json(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal.

    Unlike Python's ==, true is not 1, even inside lists and objects."""
    if type(one) is not type(other) or one != other:
        return False
    return type(one) not in {dict, list} or _encode(one) == _encode(other)
