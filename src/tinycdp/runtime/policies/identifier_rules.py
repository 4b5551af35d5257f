"""What an environment lets identifiers do: which kinds are strong, who may claim whom, how many one person may have.

Shape   IdentityPolicy is the document admins write; rules_of(policy) → Rules, which the write path asks.
        Rules.screen(messages) leaves out what identifies nobody
Units   new_seconds is the span in which at most new_limit identifiers of a kind may be new to one person
Laws    a policy holds for what comes after it: nobody is taken apart by a new limit, and claims keep their strength.
        A kind that is not listed is weaker than all that are
Errors  ValueError for a policy that contradicts itself
Source  docs/reference/identity.md
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Annotated

import msgspec

from tinycdp.model import DAY_MS, SECOND_MS, STRENGTH, Alias, AliasKind, Message, Rejection
from tinycdp.runtime.policies.rejections import refusal_of

_MOST_KINDS = 100
_MOST_BLOCKED = 10_000

Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Seconds = Annotated[int, msgspec.Meta(ge=1, le=400 * DAY_MS // SECOND_MS)]
KindName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]


class Kind(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """One kind of identifier.

    limit      most of them that one person may have, null for any number
    new_limit  most of them that may be new to one person within new_seconds, null for any number
    claims     the kinds it may claim or be joined with, null for all
    blocked    values that identify nobody, beside those that never do; case and spaces around do not matter"""

    kind: KindName
    limit: Count | None = None
    new_limit: Count | None = None
    new_seconds: Seconds = DAY_MS // SECOND_MS
    claims: tuple[KindName, ...] | None = None
    blocked: tuple[str, ...] = ()


class IdentityPolicy(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The kinds, strongest first."""

    kinds: tuple[Kind, ...] = tuple(Kind(kind) for kind in AliasKind)

    def __post_init__(self) -> None:
        names = [kind.kind for kind in self.kinds]
        if len(names) > _MOST_KINDS:
            raise ValueError(f"at most {_MOST_KINDS} kinds")
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"the kind {twice!r} stands twice")
        if "profileId" in names:
            raise ValueError("profileId is no kind of identifier: it names profiles themselves")
        if sum(len(kind.blocked) for kind in self.kinds) > _MOST_BLOCKED:
            raise ValueError(f"at most {_MOST_BLOCKED:,} blocked values")


class Rules:
    """A policy, ready to be asked."""

    def __init__(self, policy: IdentityPolicy) -> None:
        self.kinds: Mapping[str, Kind] = {kind.kind: kind for kind in policy.kinds}
        self._strength = {kind: rank for rank, kind in enumerate(self.kinds)}
        self._blocked = {
            kind.kind: frozenset(value.strip().lower() for value in kind.blocked)
            for kind in policy.kinds
            if kind.blocked
        }
        self._lawless = all(kind.claims is None for kind in policy.kinds)
        self._screens = bool(self._blocked) or list(self._strength) != list(STRENGTH)
        #: The kinds of which one person may have only so many.
        self.limited: Mapping[str, Kind] = {
            kind.kind: kind for kind in policy.kinds if kind.limit is not None or kind.new_limit is not None
        }

    def strength(self, kind: str) -> int:
        """Lower is stronger."""
        return self._strength.get(kind, len(self._strength))

    def may_claim(self, owner: Alias, claimed: Alias) -> bool:
        """Whether one identifier may claim another, or be joined with it."""
        if self._lawless:
            return True
        kind = self.kinds.get(owner.kind)
        return kind is None or kind.claims is None or claimed.kind in kind.claims

    def screen(self, messages: Sequence[Message]) -> tuple[Sequence[Message], list[Rejection]]:
        """The messages with the identifiers that count, strongest first; those that are left with none are refused."""
        if not self._screens:
            return messages, []
        kept, refused = [], []
        for message in messages:
            clean = self._without_blocked(message) if any(map(self._blocks, self._named(message))) else message
            if clean is None:
                refused.append(_refusal(message))
            else:
                kept.append(self._sorted(clean))
        return kept, refused

    def _blocks(self, alias: Alias) -> bool:
        blocked = self._blocked.get(alias.kind)
        return blocked is not None and alias.value.strip().lower() in blocked

    @staticmethod
    def _named(message: Message) -> Iterable[Alias]:
        if message.previous is None:
            return message.aliases
        return (*message.aliases, *(Alias(kind, message.previous) for kind in (AliasKind.USER, AliasKind.ANONYMOUS)))

    def _without_blocked(self, message: Message) -> Message | None:
        aliases = tuple(alias for alias in message.aliases if not self._blocks(alias))
        if not aliases:
            return None
        ignored = tuple(alias for alias in self._named(message) if self._blocks(alias))
        previous = None if len(ignored) > len(message.aliases) - len(aliases) else message.previous
        return msgspec.structs.replace(
            message, aliases=aliases, previous=previous, ignored=(*message.ignored, *ignored)
        )

    def _sorted(self, message: Message) -> Message:
        # The sort is stable: kinds that are equally strong stay in the order they were sent.
        aliases = tuple(sorted(message.aliases, key=lambda alias: self.strength(alias.kind)))
        return message if aliases == message.aliases else msgspec.structs.replace(message, aliases=aliases)


def _refusal(message: Message) -> Rejection:
    named = " and ".join(f"{alias.kind} {alias.value[:40]!r}" for alias in message.aliases)
    return refusal_of(message, "BLOCKED_IDENTIFIER", f"{named} identifies nobody here, and no other id does.")


@lru_cache(maxsize=1_000)
def rules_of(policy: IdentityPolicy) -> Rules:
    """The policy's rules, made once."""
    return Rules(policy)


DEFAULT = rules_of(IdentityPolicy())
