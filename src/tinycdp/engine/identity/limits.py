"""How many identifiers of a kind one profile may have.

Shape   LimitRules is what an environment's identity policy allows · count(rows, …) and exceeded(rules, parts) apply it
Laws    a limit is checked before identifiers meet in one profile, and never splits a profile that exists already
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from tinycdp.engine.identity.identifiers import IdentifierRow
from tinycdp.model import SECOND_MS, Identifier, Instant


class Limit(Protocol):
    """Of one kind of identifier.

    limit      most identifiers of the kind in one profile, None for any number
    new_limit  most of them that were first seen within new_seconds, None for any number"""

    @property
    def limit(self) -> int | None: ...

    @property
    def new_limit(self) -> int | None: ...

    @property
    def new_seconds(self) -> int: ...


class LimitRules(Protocol):
    """What an environment allows. limited: the kinds that have a limit"""

    @property
    def limited(self) -> Mapping[str, Limit]: ...

    def strength(self, kind: str) -> int:
        """Lower is stronger."""

    def may_claim(self, owner: Identifier, claimed: Identifier) -> bool:
        """Whether one identifier may claim another, or be joined with it."""


#: Of each limited kind the number of identifiers, and how many of them are new. A kind without any is left out.
Counts = Mapping[str, tuple[int, int]]


def new_since(limit: Limit, now: Instant) -> Instant:
    """An identifier of the kind is new if it was first seen after this instant."""
    return now - limit.new_seconds * SECOND_MS


def count(rows: Iterable[IdentifierRow], rules: LimitRules, now: Instant) -> Counts:
    """The numbers of identifiers, for the kinds that are limited."""
    found: dict[str, tuple[int, int]] = {}
    for row in rows:
        if (limit := rules.limited.get(row.identifier.kind)) is not None:
            total, new = found.get(row.identifier.kind, (0, 0))
            found[row.identifier.kind] = total + 1, new + (row.created_at > new_since(limit, now))
    return found


def exceeded(rules: LimitRules, parts: Sequence[Counts]) -> str | None:
    """Which limit these parts exceed as one profile: LIMIT, NEW_LIMIT or None.

    A kind that only one part has is not checked: nothing is added to it."""
    for kind, limit in rules.limited.items():
        having = [part[kind] for part in parts if kind in part]
        together = sum(total for total, _ in having), sum(new for _, new in having)
        if len(having) > 1 and (reason := _exceeded(limit, *together)):
            return reason
    return None


def is_crowded(rules: LimitRules, kind: str, counts: Counts) -> bool:
    """Whether a profile has more identifiers of a kind than it may."""
    return kind in counts and _exceeded(rules.limited[kind], *counts[kind]) is not None


def _exceeded(limit: Limit, total: int, new: int) -> str | None:
    if limit.limit is not None and total > limit.limit:
        return "LIMIT"
    if limit.new_limit is not None and new > limit.new_limit:
        return "NEW_LIMIT"
    return None
