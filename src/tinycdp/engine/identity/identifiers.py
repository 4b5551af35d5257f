"""One identifier as it is stored, and what a set of them says of their profile.

Shape   IdentifierRow · bucketing_key(rows) → the key that rollouts hash, and since when the profile exists
Units   instants in milliseconds; a rank is (strength of the owner's kind, instant, message id), the smallest wins
Laws    a profile's bucketing key is the identifier that was seen first; of one instant the strongest, then by value.
        It never depends on merges, only on which identifiers there are
"""

from collections.abc import Iterable

import msgspec

from tinycdp.model import STRENGTH, Identifier, Instant

_WEAKEST = len(STRENGTH)

#: The order that decides between claims: the smallest wins.
Rank = tuple[int, Instant, str]

#: An identifier's place among those of a profile: the smallest gives the bucketing key.
Age = tuple[Instant, int, str, str]


class IdentifierRow(msgspec.Struct, frozen=True):
    """A stored identifier, with the claim that holds. owner_id, rank: both None if no identifier claims it."""

    id: int
    identifier: Identifier
    profile_id: int
    created_at: Instant
    owner_id: int | None = None
    rank: Rank | None = None


def age(created_at: Instant, identifier: Identifier) -> Age:
    """The place of an identifier among those of its profile, the oldest first."""
    kind = identifier.kind
    return created_at, STRENGTH.get(kind, _WEAKEST), kind, identifier.value


def age_of(row: IdentifierRow) -> Age:
    """The same of a stored identifier."""
    return age(row.created_at, row.identifier)


def bucketing_key(rows: Iterable[IdentifierRow]) -> tuple[str, Instant]:
    """The bucketing key of a profile with these identifiers, and the instant the profile exists since."""
    first = min(rows, key=age_of)
    return first.identifier.value, first.created_at
