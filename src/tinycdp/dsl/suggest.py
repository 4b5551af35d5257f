"""Did you mean: find the nearest of the names that are valid at a place.

Shape   nearest(name, candidates) → one of them, or None · did_you_mean(name, candidates) → a sentence, or "" ·
        edits(name, other, reach) is their measure ·
        within(name, names, reach) → those of many names that are near
Laws    at most two edits away (Damerau-Levenshtein: insert, delete, replace, swap neighbours), at most one for
        names of four characters or fewer; case differences cost nothing; ties go to the first in alphabetical order.
        If none is so near: the only candidate that begins with the name, of three characters or more.
        An error names the candidate, so candidates are names that the caller may see
"""

from collections.abc import Iterable, Iterator, Sequence

from rapidfuzz import process
from rapidfuzz.distance import OSA, DamerauLevenshtein

#: From how many characters on a name may be the beginning of another.
_SHORTEST_BEGINNING = 3
#: Longer names are no misspellings, and comparing them takes long.
_LONGEST = 200


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate nearest to the name; None if all are too far."""
    if len(name) > _LONGEST:
        return None
    reach = 2 if len(name) > 4 else 1
    lowered = name.lower()
    best: tuple[int, str] | None = None
    begun: list[str] = []
    for candidate in candidates:
        if candidate == name:
            continue
        if len(name) >= _SHORTEST_BEGINNING and len(begun) < 2 and candidate.lower().startswith(lowered):
            begun.append(candidate)
        if abs(len(candidate) - len(name)) > reach:
            continue
        distance = edits(lowered, candidate.lower(), reach)
        if distance <= reach and (best is None or (distance, candidate) < best):
            best = (distance, candidate)
    if best is not None:
        return best[1]
    return begun[0] if len(begun) == 1 else None


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """The question at the end of an error about an unknown name, with a space before it; empty if none is near."""
    near = nearest(name, candidates)
    return f" Did you mean {near!r}?" if near is not None else ""


def edits(name: str, other: str, reach: int) -> int:
    """The edits between two names in lower case; more than `reach` if they are further apart."""
    return DamerauLevenshtein.distance(name, other, score_cutoff=reach)


def within(name: str, others: Sequence[str], reach: int) -> Iterator[tuple[int, int]]:
    """The indexes of the names that are at most `reach` edits away, with their edits; all are in lower case."""
    # This distance is much faster to tell, and at most one edit longer.
    for _, _, index in process.extract(name, others, scorer=OSA.distance, score_cutoff=reach + 1, limit=None):
        if (distance := edits(name, others[index], reach)) <= reach:
            yield index, distance
