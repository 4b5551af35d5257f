"""Policies: how an environment handles the messages it receives, in versions.

Shape   Policies.of(environment, kind) returns the policy in force, from memory · save(…) creates a new version
Laws    A policy that was never saved has its defaults. Versions are kept and never change. Every process is notified
        of a new version.
Errors  NotFound for an unknown name · InvalidInput INVALID_POLICY with a path · Conflict VERSION_CONFLICT
Source  docs/reference/policies.md
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from tinycdp.dsl.fields import in_words
from tinycdp.dsl.suggest import did_you_mean
from tinycdp.engine.schema.event_names import Renaming
from tinycdp.engine.schema.tracking_plan import Naming
from tinycdp.errors import Conflict, InvalidInput, NotFound
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.notifications import announce_policies
from tinycdp.runtime.policies.enrichment import EnrichmentPolicy
from tinycdp.runtime.policies.identifier_rules import IdentityPolicy
from tinycdp.runtime.policies.limits import Limits
from tinycdp.runtime.policies.privacy_rules import PrivacyPolicy
from tinycdp.runtime.policies.validation import Validation, ValidationPolicy
from tinycdp.store import policies as store
from tinycdp.store.database.pool import Pool, acquired, transaction
from tinycdp.times import iso

Policy = TypeVar("Policy", bound=msgspec.Struct)

KINDS: Mapping[str, type[msgspec.Struct]] = {
    "enrichment": EnrichmentPolicy,
    "identity": IdentityPolicy,
    "limits": Limits,
    "naming": Naming,
    "privacy": PrivacyPolicy,
    "validation": ValidationPolicy,
}


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """One version of a policy. Version 0 is the defaults."""

    version: int
    document: dict[str, Any]
    changed_at: str | None = None
    changed_by: str | None = None


class Policies:
    """The policies in force, as this process knows them."""

    def __init__(self) -> None:
        self._current: dict[tuple[int, type[msgspec.Struct]], Any] = {}
        self._renamings: dict[int, Renaming] = {}
        self._validations: dict[int, Validation] = {}
        self._loading = asyncio.Lock()
        self._defaults: dict[type[msgspec.Struct], Any] = {kind: kind() for kind in KINDS.values()}

    def of(self, environment_id: int, kind: type[Policy]) -> Policy:
        """The policy in force."""
        found: Policy = self._current.get((environment_id, kind)) or self._defaults[kind]
        return found

    def renaming(self, environment_id: int) -> Renaming | None:
        """What becomes of the names of events; None if they stay as they are."""
        return self._renamings.get(environment_id)

    def validation(self, environment_id: int) -> Validation | None:
        """The validation rules; None if it has no rules."""
        return self._validations.get(environment_id)

    async def load(self, pool: Pool) -> None:
        """Load the policies of every environment."""
        # One at a time: the last read has the newest versions.
        async with self._loading, acquired(pool) as connection:
            rows = await store.current_policies(connection)
            current: dict[tuple[int, type[msgspec.Struct]], Any] = {
                (row.environment_id, kind): msgspec.convert(row.document, kind)
                for row in rows
                if (kind := KINDS.get(row.name)) is not None
            }
            renamings: dict[int, Renaming] = {}
            for (environment_id, kind), policy in list(current.items()):
                if kind is Naming and (renaming := policy.renaming()) is not None:
                    renamings[environment_id] = renaming
                    # Their rules name events: those that were sent, or those that are stored.
                    for other in (PrivacyPolicy, Limits, ValidationPolicy):
                        if (known := current.get((environment_id, other))) is not None:
                            current[environment_id, other] = known.renamed(renaming)
            self._validations = {
                environment_id: Validation(policy)
                for (environment_id, kind), policy in current.items()
                if kind is ValidationPolicy and not policy.is_empty
            }
            self._current, self._renamings = current, renamings


async def versions(environment: Environment, name: str, n: int) -> list[PolicyVersion]:
    """The versions of a policy, newest first; the defaults if it was never saved."""
    kind = _kind(name)
    async with acquired(environment.pool) as connection:
        rows = await store.policy_versions(connection, environment.id, name, n)
    found = [
        PolicyVersion(row.version, _whole(kind, row.document), iso(row.changed_at), row.changed_by) for row in rows
    ]
    return found or [PolicyVersion(0, _whole(kind, {}))]


async def save(environment: Environment, name: str, document: dict[str, Any], edit: Edit) -> PolicyVersion:
    """Create a new version. A field that the document leaves out has its default.

    A dry run answers with version 0."""
    kind = _kind(name)
    whole = _whole(kind, document)
    async with transaction(environment.pool, dry_run=edit.dry_run) as connection:
        rows = await store.policy_versions(connection, environment.id, name, 1)
        version = rows[0].version if rows else 0
        fits = edit.expected_version in (None, version)
        values = (environment.id, name, version + 1, whole, edit.now, edit.author)
        if not fits or not await store.append_policy(connection, *values):
            message = f"The policy {name!r} was changed meanwhile and is at version {version}; read it and try again."
            raise Conflict("VERSION_CONFLICT", message, version=version)
        await announce_policies(connection, environment.id)
    return PolicyVersion(0 if edit.dry_run else version + 1, whole, iso(edit.now), edit.author)


def _kind(name: str) -> type[msgspec.Struct]:
    if name not in KINDS:
        raise NotFound(
            "NOT_FOUND", f"Unknown policy {name!r}.{did_you_mean(name, KINDS)} Policies are {', '.join(KINDS)}."
        )
    return KINDS[name]


def _whole(kind: type[msgspec.Struct], document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with every default written out."""
    try:
        policy = msgspec.convert(document, kind)
    except msgspec.ValidationError as wrong:
        path, fault = in_words(wrong, kind, document)
        raise InvalidInput("INVALID_POLICY", f"The policy is invalid: {path}: {fault}", path=path) from None
    whole: dict[str, Any] = msgspec.to_builtins(policy)
    return whole
