"""How the values of one trait are spread over people now.

Shape   distribution(…) → Distribution: what was looked at, how many are unknown, and the values by kind
Units   numbers are exact, durations seconds, instants ISO 8601 in UTC. Counts are of the sampled profiles
Laws    a value is that of a decision at the same instant: computed from the state. Every profile that was looked at
        is counted once: it is unknown, or of one kind. A bin has the values from its start to before its end
        The sample is that of previews: the same profiles each time. No more profiles than it has are evaluated
Errors  NotFound NOT_FOUND · those of Previews.turn
Source  docs/reference/profiles.md "The values of a trait"
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal

from tinycdp.dsl.ir import Type
from tinycdp.dsl.values.numbers import SCALE, nanos
from tinycdp.engine.catalog import Catalog
from tinycdp.errors import NotFound
from tinycdp.model import DAY_MS, HOUR_MS, MINUTE_MS, Instant
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.profiles import storage
from tinycdp.runtime.profiles.views import evaluate, plain
from tinycdp.runtime.time_travel.preview import Previews
from tinycdp.store.database.pool import snapshot
from tinycdp.store.history import preview as preview_store
from tinycdp.store.history import verify as profile_store
from tinycdp.store.profiles import ProfileRow
from tinycdp.times import iso

#: How many profiles are evaluated by default, and at most.
SAMPLE = 2_000
MOST_SAMPLED = 10_000
MOST_BINS = 20
MOST_TEXTS = 20
#: Profiles in one statement.
_BATCH = 500
#: The widths of bins of instants and durations, up to a day.
_SHORT = (1, 10, 100, 1_000, 5_000, 15_000, MINUTE_MS, 5 * MINUTE_MS, 15 * MINUTE_MS, HOUR_MS, 6 * HOUR_MS)

Kind = Literal["number", "datetime", "duration", "boolean", "text", "list", "other"]
_ORDERED: dict[Kind, Type] = {"number": Type.NUMBER, "datetime": Type.DATETIME, "duration": Type.DURATION}


@dataclass(frozen=True, slots=True)
class Bin:
    """How many values are from `start` to before `end`."""

    start: Any
    end: Any
    profiles: int


@dataclass(frozen=True, slots=True)
class Spread:
    """Values that have an order: numbers, instants or durations.

    p5 … p95  the smallest value with at least that share of the values at or below it
    bins      of one width, without a gap"""

    kind: Kind
    min: Any
    p5: Any
    p25: Any
    median: Any
    p75: Any
    p95: Any
    max: Any
    bins: list[Bin]


@dataclass(frozen=True, slots=True)
class Booleans:
    """How many are true, and how many false."""

    true: int
    false: int


@dataclass(frozen=True, slots=True)
class TextCount:
    """How many profiles have a text."""

    value: str
    profiles: int


@dataclass(frozen=True, slots=True)
class Texts:
    """The most frequent texts.

    rest, rest_profiles  how many further texts there are, and how many profiles have one of them"""

    top: list[TextCount]
    rest: int
    rest_profiles: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """How the values of a trait are spread.

    looked_at  how many profiles were evaluated, of `profiles`
    sampled    only some were: the same ones each time
    kinds      how many values are of each kind; a trait of any type may have several
    spreads    one for each kind that has an order"""

    trait: str
    type: str
    as_of: str
    revision: int
    backfilling: bool
    looked_at: int
    profiles: int
    sampled: bool
    unknown: int
    kinds: dict[Kind, int]
    spreads: list[Spread]
    booleans: Booleans | None
    texts: Texts | None


async def distribution(
    environment: Environment, catalogs: Catalogs, previews: Previews, key: str, sample: int = SAMPLE
) -> Distribution:
    """The distribution of a live trait over a sample of the profiles."""
    counted = _Values()
    async with previews.turn(), snapshot(environment.pool) as connection:
        now = environment.now()
        catalog = await catalogs.current_in(connection, environment.id)
        if ("trait", key) not in catalog.live.nodes:
            raise NotFound("NOT_FOUND", f"There is no trait {key!r}.")
        kind = catalog.live.nodes["trait", key].type
        profiles = await preview_store.count_profiles(connection, environment.id, now)
        ids = sorted(await preview_store.sample_profiles(connection, environment.id, now, sample))
        for first in range(0, len(ids), _BATCH):
            rows = await profile_store.load_profiles(connection, environment.id, ids[first : first + _BATCH])
            # In a thread, so that decisions do not wait.
            counted.add(await asyncio.to_thread(_values, rows, catalog, key, now), kind)
    return Distribution(
        trait=key,
        type=kind.value,
        as_of=iso(now),
        revision=catalog.revision,
        backfilling=("trait", key) in catalog.backfilling,
        looked_at=len(ids),
        profiles=profiles,
        sampled=len(ids) < profiles,
        unknown=counted.unknown,
        kinds=dict(counted.kinds),
        spreads=[spread(which, counted.ordered[which]) for which in _ORDERED if which in counted.ordered],
        booleans=Booleans(counted.booleans[True], counted.booleans[False]) if counted.booleans else None,
        texts=_top(counted.texts) if counted.texts else None,
    )


def _values(rows: Iterable[ProfileRow], catalog: Catalog, key: str, now: Instant) -> list[Any]:
    name = ("trait", key)
    return [evaluate(storage.from_row(row), catalog, now, [name])[name][0] for row in rows]


class _Values:
    """Values by kind. ordered: in the engine's form, as integers"""

    def __init__(self) -> None:
        self.unknown = 0
        self.kinds: Counter[Kind] = Counter()
        self.ordered: dict[Kind, list[int]] = {}
        self.booleans: Counter[bool] = Counter()
        self.texts: Counter[str] = Counter()

    def add(self, values: Iterable[Any], type: Type) -> None:
        for value in values:
            if value is None:
                self.unknown += 1
                continue
            kind, read = _read(value, type)
            self.kinds[kind] += 1
            if kind in _ORDERED:
                self.ordered.setdefault(kind, []).append(read)
            elif kind == "boolean":
                self.booleans[read] += 1
            elif kind == "text":
                self.texts[read] += 1


def _read(value: Any, type: Type) -> tuple[Kind, Any]:
    """The kind of a known value, and the value in the form that is counted."""
    match type:
        case Type.NUMBER:
            return "number", value
        case Type.DATETIME:
            return "datetime", value
        case Type.DURATION:
            return "duration", value
        case Type.VERSION:
            return "text", plain(value, type)
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, str):
        return "text", value
    if isinstance(value, list | tuple | set | frozenset):
        return "list", value
    exact = nanos(value)
    return ("number", exact) if exact is not None else ("other", value)


def _top(texts: Counter[str]) -> Texts:
    """The most frequent first; of equally frequent ones by the alphabet."""
    ranked = sorted(texts.items(), key=lambda pair: (-pair[1], pair[0]))
    top, rest = ranked[:MOST_TEXTS], ranked[MOST_TEXTS:]
    return Texts([TextCount(*pair) for pair in top], len(rest), sum(n for _, n in rest))


def spread(kind: Kind, values: Sequence[int]) -> Spread:
    """The spread of at least one value in the engine's form."""
    ranked, type = sorted(values), _ORDERED[kind]

    def at(percent: int) -> Any:
        return plain(ranked[max(0, -(-percent * len(ranked) // 100) - 1)], type)

    width = _width(kind, ranked)
    first = ranked[0] // width
    counts = Counter(value // width - first for value in ranked)
    bins = [
        Bin(plain((first + n) * width, type), plain((first + n + 1) * width, type), counts[n])
        for n in range(ranked[-1] // width - first + 1)
    ]
    return Spread(
        kind=kind,
        min=at(0),
        p5=at(5),
        p25=at(25),
        median=at(50),
        p75=at(75),
        p95=at(95),
        max=at(100),
        bins=bins,
    )


def _width(kind: Kind, ranked: Sequence[int]) -> int:
    """The least round width with which at most MOST_BINS bins have all values; whole if all numbers are."""
    whole = kind == "number" and all(value % SCALE == 0 for value in ranked)
    return next(
        width for width in _widths(kind, SCALE if whole else 1)
        if ranked[-1] // width - ranked[0] // width < MOST_BINS
    )  # fmt: skip


def _widths(kind: Kind, least: int) -> Iterator[int]:
    if kind != "number":
        yield from _SHORT
        least = DAY_MS
    for power in count():
        yield from (least * factor * 10**power for factor in (1, 2, 5))
