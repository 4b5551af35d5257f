"""Did you mean: find the nearest of the names that are visible at a place.

Laws    at most two edits away (Damerau-Levenshtein: insert, delete, replace, swap neighbours), at most one for
        names of four characters or fewer; case differences cost nothing; ties go to the first in alphabetical order
"""

from collections.abc import Iterable

from rapidfuzz.distance import DamerauLevenshtein


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate nearest to the name; None if all are too far."""
    reach = 2 if len(name) > 4 else 1
    lowered = name.lower()
    best: tuple[int, str] | None = None
    for candidate in candidates:
        if candidate == name or abs(len(candidate) - len(name)) > reach:
            continue
        distance = DamerauLevenshtein.distance(lowered, candidate.lower(), score_cutoff=reach)
        if distance <= reach and (best is None or (distance, candidate) < best):
            best = (distance, candidate)
    return best[1] if best else None
