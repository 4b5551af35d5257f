"""Find names that are probably misspellings of others: `signpu` beside `signup`.

Shape   likely_misspellings(names) → {doubtful name: the name that was probably meant}
Laws    a planned name is never doubtful. Besides being like another, a doubtful name is much rarer, or younger and
        rarer, or the other one is planned and was never received.
        Names are alike that are one edit apart, long ones two: `signin` and `signup` are two names. Names that differ
        in a digit, such as step_1 and step_2, are different names
Units   likeness is in edits, as the language's suggestions measure them; differences of case count nothing
Source  docs/reference/registry.md
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tinycdp.dsl.suggest import within
from tinycdp.model import DAY_MS, Instant

#: A doubtful name is received at most once for this many of the other.
RARER = 10
#: Or it is this much younger.
YOUNGER_MS = 7 * DAY_MS
_SHORTEST, _LONG = 4, 9
_DIGITS = re.compile(r"\d+")
#: The names that the server itself adds, and those of its own.
_RESERVED = ("$", "_")


@dataclass(frozen=True, slots=True)
class NameSeen:
    """A name, how often and since when it was received, and whether it is in the tracking plan."""

    name: str
    n: int
    first_at: Instant
    planned: bool


def likely_misspellings(names: Iterable[NameSeen]) -> Mapping[str, str]:
    """The doubtful names, each with the nearest name that was probably meant."""
    by_length: dict[int, list[NameSeen]] = {}
    for seen in names:
        if not seen.name.startswith(_RESERVED) and len(seen.name) >= _SHORTEST:
            by_length.setdefault(len(seen.name), []).append(seen)
    found: dict[str, str] = {}
    for length, entries in by_length.items():
        reach = 2 if length >= _LONG else 1
        others = [other for n in range(length - reach, length + reach + 1) for other in by_length.get(n, ())]
        lowered = [other.name.lower() for other in others]
        for seen in entries:
            if seen.planned or not seen.n:
                continue
            meant = [
                (distance, -others[n].n, others[n].name)
                for n, distance in within(seen.name.lower(), lowered, reach)
                if _is_doubtful(seen, others[n])
            ]
            if meant:
                found[seen.name] = min(meant)[2]
    return found


def _is_doubtful(seen: NameSeen, other: NameSeen) -> bool:
    """Whether a name that was received and is not planned has reason to be a misspelling of one that is like it."""
    if _DIGITS.findall(seen.name) != _DIGITS.findall(other.name):
        return False
    if not other.n:
        return other.planned
    younger = seen.n < other.n and seen.first_at - other.first_at >= YOUNGER_MS
    return younger or seen.n * RARER <= other.n
