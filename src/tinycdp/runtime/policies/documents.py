"""What an environment does with what it is sent, as its admins set it.

Shape   Policies.of(environment, kind) is the policy in force, from memory; save(…) makes a new version of one
Laws    a policy that nobody ever set is its defaults. Versions are kept and never change. Every process hears of a new
        one
Errors  NotFound for a name that is none · InvalidInput INVALID_POLICY with the place · Conflict VERSION_CONFLICT
Source  docs/reference/policies.md
"""

import asyncio
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from tinycdp.dsl.fields import in_words
from tinycdp.engine.schema.tracking_plan import Naming
from tinycdp.errors import Conflict, InvalidInput, NotFound
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.notifications import announce_policies
from tinycdp.runtime.policies.enrichment import Choices
from tinycdp.runtime.policies.identifier_rules import IdentityPolicy
from tinycdp.runtime.policies.limits import Limits
from tinycdp.runtime.policies.privacy_rules import PrivacyPolicy
from tinycdp.store import policies as store
from tinycdp.store.pool import Pool, acquired, transaction
from tinycdp.times import iso

Policy = TypeVar("Policy", bound=msgspec.Struct)

KINDS: Mapping[str, type[msgspec.Struct]] = {
    "enrichment": Choices,
    "identity": IdentityPolicy,
    "limits": Limits,
    "naming": Naming,
    "privacy": PrivacyPolicy,
}


class PolicyVersion(msgspec.Struct, frozen=True, rename="camel"):
    """version 0 is the defaults, which nobody set."""

    version: int
    document: dict[str, Any]
    changed_at: str | None = None
    changed_by: str | None = None


class Policies:
    def __init__(self) -> None:
        self._current: dict[tuple[int, type[msgspec.Struct]], Any] = {}
        self._loading = asyncio.Lock()
        self._defaults: dict[type[msgspec.Struct], Any] = {kind: kind() for kind in KINDS.values()}

    def of(self, environment_id: int, kind: type[Policy]) -> Policy:
        """The policy in force, as this process knows it."""
        found: Policy = self._current.get((environment_id, kind)) or self._defaults[kind]
        return found

    async def load(self, pool: Pool) -> None:
        """Every environment's policies as the database has them now."""
        # One at a time: what is read last is the newest.
        async with self._loading, acquired(pool) as connection:
            rows = await store.current_policies(connection)
            self._current = {
                (row.environment_id, kind): msgspec.convert(row.document, kind)
                for row in rows
                if (kind := KINDS.get(row.name)) is not None
            }


async def versions(pool: Pool, environment_id: int, name: str, n: int) -> list[PolicyVersion]:
    """The newest versions of a policy, the one in force first; the defaults where it was never set."""
    kind = _kind(name)
    async with acquired(pool) as connection:
        rows = await store.policy_versions(connection, environment_id, name, n)
    found = [
        PolicyVersion(row.version, _whole(kind, row.document), iso(row.changed_at), row.changed_by) for row in rows
    ]
    return found or [PolicyVersion(0, _whole(kind, {}))]


async def save(
    pool: Pool,
    environment_id: int,
    name: str,
    document: dict[str, Any],
    edit: Edit,
) -> PolicyVersion:
    """Make a new version; what the document leaves out has its default."""
    kind = _kind(name)
    whole = _whole(kind, document)
    async with transaction(pool) as connection:
        rows = await store.policy_versions(connection, environment_id, name, 1)
        version = rows[0].version if rows else 0
        fits = edit.expected_version in (None, version)
        values = (environment_id, name, version + 1, whole, edit.now, edit.author)
        if not fits or not await store.append_policy(connection, *values):
            message = f"The policy {name!r} is at version {version}: somebody else changed it meanwhile."
            raise Conflict("VERSION_CONFLICT", message, version=version)
        await announce_policies(connection, environment_id)
    return PolicyVersion(version + 1, whole, iso(edit.now), edit.author)


def _kind(name: str) -> type[msgspec.Struct]:
    if name not in KINDS:
        raise NotFound("NOT_FOUND", f"There is no policy {name!r}; there are {', '.join(KINDS)}.")
    return KINDS[name]


def _whole(kind: type[msgspec.Struct], document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with every default written out."""
    try:
        policy = msgspec.convert(document, kind)
    except msgspec.ValidationError as wrong:
        path, fault = in_words(wrong, kind)
        raise InvalidInput("INVALID_POLICY", f"The policy cannot be read: {path}: {fault}", path=path) from None
    whole: dict[str, Any] = msgspec.to_builtins(policy)
    return whole
