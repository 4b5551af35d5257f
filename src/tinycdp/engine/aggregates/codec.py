"""The states of aggregates as lists and numbers, as they are stored in a profile's row.

Shape   State is any of them; empty(family) → State; pack(state) → lists for msgpack; unpack(packed) → State
Laws    unpack(pack(state)) answers as `state` does. Instants are stored as differences. Buckets that no window can
        reach any more are left out: relative to the newest entry, so that this too depends only on the set of events
Source  dsl/SPEC.md "State"; docs/decisions/0006-entries-and-buckets.md
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import accumulate
from operator import sub
from typing import Any

from tinycdp.dsl.ir import Family
from tinycdp.engine.aggregates.calendar_days import DayMap, Extent
from tinycdp.engine.aggregates.counters import Counts, Firsts, Latest, Numbers
from tinycdp.engine.aggregates.distributions import Key, Percentiles, Tallies, Tally, Tops, Uniques
from tinycdp.engine.aggregates.event_log import Entry

State = Counts | Numbers | Firsts | Percentiles | Tops | Latest | Uniques | DayMap | Extent
_STATES: dict[str, type[State]] = {
    kind.family.value: kind for kind in (Counts, Numbers, Firsts, Percentiles, Tops, Latest, Uniques, DayMap, Extent)
}
_INT64 = 2**63
_Keys = Callable[[Iterable[Any]], list[Any]]


def empty(family: Family) -> State:
    """The state of an aggregate to which nothing was added."""
    return _STATES[family.value]()


def pack(state: State) -> list[Any]:
    """The state as lists and numbers for msgpack. `unpack` reads it back."""
    match state:
        case DayMap():
            return [state.family.value, state.base, state.bits.to_bytes((state.bits.bit_length() + 7) // 8, "little")]
        case Extent():
            return [state.family.value, state.first, state.last]
        case Latest():
            return [state.family.value, state.entry and _pack_entry(state.entry)]
    ts = state.ts
    deltas = [ts[0], *map(sub, ts[1:], ts)] if ts else []
    if isinstance(state, Uniques):
        return [state.family.value, deltas, b"".join(state.hashes)]
    buckets: dict[int, Any] = state.reachable()
    match state:
        case Firsts():
            values = [_pack_value(value) for value in state.values]
            dropped = state.dropped and _pack_entry(state.dropped)
            buckets = {
                bucket_width: {start: _pack_entry(entry) for start, entry in kept.items()}
                for bucket_width, kept in buckets.items()
            }
            return [state.family.value, deltas, dropped, buckets, state.ids, values]
        case Numbers():
            numbers = [_pack_int(value) for value in state.values]
            buckets = {
                bucket_width: {s: [*map(_pack_int, bucket)] for s, bucket in kept.items()}
                for bucket_width, kept in buckets.items()
            }
            return [state.family.value, deltas, [*map(_pack_int, state.dropped)], buckets, state.ids, numbers]
        case Tallies():
            keys: _Keys = list if isinstance(state, Percentiles) else _pack_keys  # grades are stored as they are
            buckets = {
                bucket_width: {s: _pack_tally(tally, keys) for s, tally in kept.items()}
                for bucket_width, kept in buckets.items()
            }
            return [
                state.family.value,
                deltas,
                _pack_tally(state.dropped, keys),
                buckets,
                state.ids,
                keys(state.values),
            ]
        case _:
            return [state.family.value, deltas, state.dropped, buckets]


def unpack(packed: list[Any]) -> State:
    """Read back the state that `pack` returned."""
    state = _STATES[packed[0]]()
    match state:
        case DayMap():
            state.base, state.bits = packed[1], int.from_bytes(packed[2], "little")
            return state
        case Extent():
            state.first, state.last = packed[1], packed[2]
            return state
        case Latest():
            state.entry = packed[1] and _unpack_entry(packed[1])
            return state
    state.ts = list(accumulate(packed[1]))
    if isinstance(state, Uniques):
        state.hashes = [packed[2][i : i + 8] for i in range(0, len(packed[2]), 8)]
        state.latest = dict(zip(state.hashes, state.ts, strict=True))
        return state
    state.dropped, state.buckets = packed[2], packed[3]
    match state:
        case Firsts():
            state.ids, state.values = packed[4], [_unpack_value(value) for value in packed[5]]
            state.dropped = packed[2] and _unpack_entry(packed[2])
            state.buckets = {
                bucket_width: {s: _unpack_entry(e) for s, e in kept.items()} for bucket_width, kept in packed[3].items()
            }
        case Numbers():
            state.ids, state.values = packed[4], [*map(int, packed[5])]
            state.dropped = tuple(map(int, packed[2]))
            state.buckets = {
                bucket_width: {s: tuple(map(int, t)) for s, t in kept.items()}
                for bucket_width, kept in packed[3].items()
            }
        case Tallies():
            keys: _Keys = list if isinstance(state, Percentiles) else _unpack_keys
            state.ids, state.values = packed[4], keys(packed[5])
            state.dropped = _unpack_tally(packed[2], keys)
            state.buckets = {
                bucket_width: {s: _unpack_tally(tally, keys) for s, tally in kept.items()}
                for bucket_width, kept in packed[3].items()
            }
    return state


def _pack_int(value: int) -> int | str:
    """msgpack's integers end at 64 bits; nanos need up to 128."""
    return value if -_INT64 <= value < _INT64 else str(value)


def _pack_value(value: Any) -> Any:
    if type(value) is Decimal:
        return [str(value)]
    return [str(value), 0] if type(value) is int and not -_INT64 <= value < _INT64 else value


def _unpack_value(value: Any) -> Any:
    if type(value) is list:
        return Decimal(value[0]) if len(value) == 1 else int(value[0])
    return value


def _pack_entry(entry: Entry) -> list[Any]:
    return [entry[0], entry[1], _pack_value(entry[2])]


def _unpack_entry(packed: list[Any]) -> Entry:
    return (packed[0], packed[1], _unpack_value(packed[2]))


def _pack_keys(keys: Iterable[Key]) -> list[Any]:
    """Encode canonical values for msgpack.

    A bool loses its tuple, which in memory distinguishes it from 0 and 1."""
    return [key if type(key) is str else key[0] if type(key) is tuple else _pack_value(key) for key in keys]


def _unpack_keys(packed: Iterable[Any]) -> list[Key]:
    return [key if type(key) is str else (key,) if type(key) is bool else _unpack_value(key) for key in packed]


def _pack_tally(tally: Tally, keys: _Keys) -> list[Any] | None:
    return None if tally is None else [keys(tally), list(tally.values())]


def _unpack_tally(packed: list[Any] | None, keys: _Keys) -> Tally:
    return None if packed is None else dict(zip(keys(packed[0]), packed[1], strict=True))
