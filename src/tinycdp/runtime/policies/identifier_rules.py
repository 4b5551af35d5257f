"""Identifier rules: strength of kinds, permitted claims, limits per profile, blocked values.

Shape   IdentityPolicy is the document that admins write · rules_of(policy) → IdentifierRules, for the write path ·
        IdentifierRules.screen(messages) removes blocked identifiers
Units   new_seconds is the span in which at most new_limit identifiers of a kind may be new to one profile.
Laws    A policy applies to later messages: a new limit splits no profile, and existing claims keep their strength.
        A kind that is not listed is weaker than all listed ones.
Errors  ValueError for a policy that contradicts itself
Source  docs/reference/identity.md
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Annotated

import msgspec

from tinycdp.model import DAY_MS, SECOND_MS, STRENGTH, Identifier, IdentifierKind, Message, Rejection
from tinycdp.runtime.policies.rejections import rejection_of

_MOST_KINDS = 100
_MOST_BLOCKED = 10_000

Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Seconds = Annotated[int, msgspec.Meta(ge=1, le=400 * DAY_MS // SECOND_MS)]
KindName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]


class KindPolicy(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """One kind of identifier.

    limit      how many of this kind one profile may have; null for no limit
    new_limit  how many of this kind may be new to one profile within new_seconds; null for no limit
    claims     the kinds it may claim or be joined with; null for all
    blocked    values that are not identifiers, besides the built-in ones; case and outer spaces are ignored"""

    kind: KindName
    limit: Count | None = None
    new_limit: Count | None = None
    new_seconds: Seconds = DAY_MS // SECOND_MS
    claims: tuple[KindName, ...] | None = None
    blocked: tuple[str, ...] = ()


class IdentityPolicy(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The kinds, strongest first."""

    kinds: tuple[KindPolicy, ...] = tuple(KindPolicy(kind) for kind in IdentifierKind)

    def __post_init__(self) -> None:
        names = [kind.kind for kind in self.kinds]
        if len(names) > _MOST_KINDS:
            raise ValueError(f"at most {_MOST_KINDS} kinds")
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"the kind {twice!r} is listed twice")
        if "profileId" in names:
            raise ValueError("profileId is not a kind of identifier: it is the id of a profile")
        if sum(len(kind.blocked) for kind in self.kinds) > _MOST_BLOCKED:
            raise ValueError(f"at most {_MOST_BLOCKED:,} blocked values")


class IdentifierRules:
    """An identity policy, compiled for the write path."""

    def __init__(self, policy: IdentityPolicy) -> None:
        self.kinds: Mapping[str, KindPolicy] = {kind.kind: kind for kind in policy.kinds}
        self._strength = {kind: rank for rank, kind in enumerate(self.kinds)}
        self._blocked = {
            kind.kind: frozenset(value.strip().lower() for value in kind.blocked)
            for kind in policy.kinds
            if kind.blocked
        }
        self._unrestricted = all(kind.claims is None for kind in policy.kinds)
        self._screens = bool(self._blocked) or list(self._strength) != list(STRENGTH)
        #: The kinds with a limit per profile.
        self.limited: Mapping[str, KindPolicy] = {
            kind.kind: kind for kind in policy.kinds if kind.limit is not None or kind.new_limit is not None
        }

    def strength(self, kind: str) -> int:
        """The rank of a kind: lower is stronger."""
        return self._strength.get(kind, len(self._strength))

    def may_claim(self, owner: Identifier, claimed: Identifier) -> bool:
        """Whether one identifier may claim or be joined with another."""
        if self._unrestricted:
            return True
        kind = self.kinds.get(owner.kind)
        return kind is None or kind.claims is None or claimed.kind in kind.claims

    def screen(self, messages: Sequence[Message]) -> tuple[Sequence[Message], list[Rejection]]:
        """Remove blocked identifiers and sort the others, strongest first.

        A message that has only blocked identifiers is rejected."""
        if not self._screens:
            return messages, []
        kept, rejected = [], []
        for message in messages:
            clean = self._without_blocked(message) if any(map(self._blocks, self._named(message))) else message
            if clean is None:
                rejected.append(_rejection(message))
            else:
                kept.append(self._sorted(clean))
        return kept, rejected

    def _blocks(self, identifier: Identifier) -> bool:
        blocked = self._blocked.get(identifier.kind)
        return blocked is not None and identifier.value.strip().lower() in blocked

    @staticmethod
    def _named(message: Message) -> Iterable[Identifier]:
        if message.previous is None:
            return message.identifiers
        return (
            *message.identifiers,
            *(Identifier(kind, message.previous) for kind in (IdentifierKind.USER, IdentifierKind.ANONYMOUS)),
        )

    def _without_blocked(self, message: Message) -> Message | None:
        identifiers = tuple(identifier for identifier in message.identifiers if not self._blocks(identifier))
        if not identifiers:
            return None
        ignored = tuple(identifier for identifier in self._named(message) if self._blocks(identifier))
        previous = None if len(ignored) > len(message.identifiers) - len(identifiers) else message.previous
        return msgspec.structs.replace(
            message, identifiers=identifiers, previous=previous, ignored=(*message.ignored, *ignored)
        )

    def _sorted(self, message: Message) -> Message:
        # The sort is stable: unlisted kinds, which are equally strong, keep the order in which they were sent.
        identifiers = tuple(sorted(message.identifiers, key=lambda identifier: self.strength(identifier.kind)))
        return (
            message if identifiers == message.identifiers else msgspec.structs.replace(message, identifiers=identifiers)
        )


def _rejection(message: Message) -> Rejection:
    named = " and ".join(f"{identifier.kind} {identifier.value[:40]!r}" for identifier in message.identifiers)
    return rejection_of(message, "BLOCKED_IDENTIFIER", f"{named}: blocked by the identity policy; send another id.")


@lru_cache(maxsize=1_000)
def rules_of(policy: IdentityPolicy) -> IdentifierRules:
    """The rules of a policy, cached."""
    return IdentifierRules(policy)


DEFAULT = rules_of(IdentityPolicy())
