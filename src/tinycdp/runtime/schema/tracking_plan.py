"""The tracking plan of each environment, in versions, and its check of messages.

Shape   Plans.screen(environment, messages) → (messages, rejections), without I/O · save(…), versions(…) and entries(…)
        edit and read the plan
Laws    Versions never change and are kept. Removing an entry is a version too. Every process is notified of a change.
Errors  InvalidInput INVALID_PLAN with a path · NotFound · Conflict VERSION_CONFLICT
Source  docs/reference/registry.md
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from tinycdp.dsl.fields import in_words
from tinycdp.dsl.suggest import did_you_mean
from tinycdp.engine.schema.tracking_plan import MOST_PROPERTIES, TRAITS_OF, Naming, PlannedEvent, TrackingPlan, kind_of
from tinycdp.errors import Conflict, InvalidInput, NotFound
from tinycdp.model import Message, Rejection, Warned
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.notifications import announce_policies
from tinycdp.runtime.policies.documents import Policies
from tinycdp.runtime.policies.rejections import RejectionCounter, rejection_of
from tinycdp.store import registry as store
from tinycdp.store.database.pool import Pool, acquired, transaction
from tinycdp.times import iso

LONGEST_NAME = 200
MOST_ENTRIES = 2_000
_MOST_VALUES = 200
#: A property's path: names joined by dots.
_PATH = re.compile(r"[^.\0]+(?:\.[^.\0]+)*")
_RANGED = {"number", "integer", None}
_MEASURED = {"string", "list", None}
#: The type of values that arrive, for a declared type of another name.
KIND_OF_DECLARED = {"integer": "number", "datetime": "string"}


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """One event of the plan. version counts its changes; entry is None if it was removed."""

    event: str
    version: int
    entry: PlannedEvent | None
    changed_at: str
    changed_by: str


class Plans:
    """The plans in force, as this process knows them."""

    def __init__(self, policies: Policies, rejection_counter: RejectionCounter) -> None:
        self._policies = policies
        self._rejection_counter = rejection_counter
        self._entries: dict[int, dict[str, PlannedEvent]] = {}
        self._plans: dict[int, TrackingPlan] = {}
        self._loading = asyncio.Lock()

    async def load(self, pool: Pool) -> None:
        """Load the plan of every environment.

        Load the policies first: a plan includes the naming policy."""
        # One at a time: the last read has the newest versions.
        async with self._loading, acquired(pool) as connection:
            entries: dict[int, dict[str, PlannedEvent]] = {}
            for row in await store.current_plan_entries(connection):
                entries.setdefault(row.environment_id, {})[row.event] = _read(row.document)
            self._entries, self._plans = entries, {}

    def of(self, environment_id: int) -> TrackingPlan:
        """The plan in force."""
        found = self._plans.get(environment_id)
        if found is None:
            naming = self._policies.of(environment_id, Naming)
            found = self._plans[environment_id] = TrackingPlan(self._entries.get(environment_id, {}), naming)
        return found

    def screen(self, environment_id: int, messages: Sequence[Message]) -> tuple[Sequence[Message], list[Rejection]]:
        """The messages with the plan's conversions and warnings, and rejections of the others."""
        plan = self.of(environment_id)
        if plan.is_empty:
            return messages, []
        kept, rejections = [], []
        for message in messages:
            fitting, wrong = plan.check(message)
            if wrong is None:
                kept.append(fitting)
            else:
                self._rejection_counter.count_rejected(environment_id, message, wrong)
                rejections.append(_rejection(message, wrong))
        return kept, rejections


def _rejection(message: Message, wrong: Warned) -> Rejection:
    code = wrong.code if wrong.code == "EVENT_BLOCKED" else "PLAN_VIOLATION"
    return rejection_of(message, code, f"{wrong.message} Its messageId is {message.message_id!r}.", wrong.path)


async def entries(environment: Environment) -> list[PlanEntry]:
    """The entries in force, by event."""
    async with acquired(environment.pool) as connection:
        rows = await store.current_plan_entries(connection, environment.id)
    return [_entry(row.event, row) for row in rows]


async def versions(environment: Environment, event: str, n: int) -> list[PlanEntry]:
    """The versions of an entry, newest first; empty if the plan never had it."""
    async with acquired(environment.pool) as connection:
        return [_entry(event, row) for row in await store.plan_entry_versions(connection, environment.id, event, n)]


async def save(environment: Environment, event: str, document: Mapping[str, Any] | None, edit: Edit) -> PlanEntry:
    """Create a new version of an entry; without a document, remove the entry. A dry run answers with version 0."""
    if document is not None:
        _check_name(event)
    entry = checked(document) if document is not None else None
    async with transaction(environment.pool, dry_run=edit.dry_run) as connection:
        rows = await store.plan_entry_versions(connection, environment.id, event, 1)
        version = rows[0].version if rows else 0
        is_absent = not rows or rows[0].document is None
        if entry is None and is_absent:
            planned = [row.event for row in await store.current_plan_entries(connection, environment.id)]
            hint = did_you_mean(event, planned)
            raise NotFound("NOT_FOUND", f"The tracking plan has no event {event!r}.{hint}")
        if is_absent and len(await store.current_plan_entries(connection, environment.id)) >= MOST_ENTRIES:
            raise InvalidInput("INVALID_PLAN", f"A tracking plan has at most {MOST_ENTRIES} events.")
        fits = edit.expected_version in (None, 0 if is_absent else version)
        whole = msgspec.to_builtins(entry, builtin_types=(Decimal,)) if entry is not None else None
        values = (environment.id, event, version + 1, whole, edit.now, edit.author)
        if not fits or not await store.append_plan_entry(connection, *values):
            message = f"The plan's {event!r} was changed meanwhile and is at version {version}; read it and try again."
            raise Conflict("VERSION_CONFLICT", message, version=version)
        await announce_policies(connection, environment.id)
    return PlanEntry(event, 0 if edit.dry_run else version + 1, entry, iso(edit.now), edit.author)


def checked(document: Mapping[str, Any]) -> PlannedEvent:
    """The document as a valid entry. Raises InvalidInput."""
    try:
        entry = _read(document)
    except msgspec.ValidationError as wrong:
        path, fault = in_words(wrong, PlannedEvent, document)
        raise InvalidInput("INVALID_PLAN", f"The entry is invalid: {path}: {fault}", path=path) from None
    if len(entry.properties) > MOST_PROPERTIES:
        raise InvalidInput("INVALID_PLAN", f"$.properties: at most {MOST_PROPERTIES} can be declared.")
    for name, rule in entry.properties.items():
        where = f"$.properties.{name}"
        if not _PATH.fullmatch(name) or len(name) > LONGEST_NAME:
            raise InvalidInput("INVALID_PLAN", f"{where}: not a valid property name; join nested names by single dots.")
        # Decimal would accept texts such as "NaN" and "1e400".
        if any(type(document["properties"][name].get(bound)) is str for bound in ("minimum", "maximum")):
            raise InvalidInput("INVALID_PLAN", f"{where}: minimum and maximum are numbers.")
        if (rule.minimum is not None or rule.maximum is not None) and rule.type not in _RANGED:
            raise InvalidInput("INVALID_PLAN", f"{where}: a {rule.type} has no minimum or maximum.")
        if rule.max_length is not None and (rule.type not in _MEASURED or rule.max_length < 0):
            raise InvalidInput("INVALID_PLAN", f"{where}.maxLength: only for strings and lists, and at least 0.")
        if rule.values is not None:
            kind = KIND_OF_DECLARED.get(rule.type or "", rule.type)
            if not 0 < len(rule.values) <= _MOST_VALUES:
                raise InvalidInput("INVALID_PLAN", f"{where}.values: list 1 to {_MOST_VALUES} values.")
            if any(kind_of(value) in {"object", "list", "null"} for value in rule.values):
                raise InvalidInput("INVALID_PLAN", f"{where}.values: list only strings, numbers and booleans.")
            if kind is not None and any(kind_of(value) != kind for value in rule.values):
                raise InvalidInput("INVALID_PLAN", f"{where}.values: each must be a {rule.type}.")
    return entry


def _check_name(event: str) -> None:
    if not event or len(event) > LONGEST_NAME or "\0" in event:
        raise InvalidInput("INVALID_PLAN", f"An event's name has 1 to {LONGEST_NAME} characters.")
    if event.startswith("$") and event not in TRAITS_OF.values():
        known = " and ".join(TRAITS_OF.values())
        raise InvalidInput("INVALID_PLAN", f"{event!r}: of names that begin with $ a plan can have only {known}.")


def _read(document: Mapping[str, Any]) -> PlannedEvent:
    return msgspec.convert(document, PlannedEvent)


def _entry(event: str, row: store.PlanEntryRow | store.PlanVersionRow) -> PlanEntry:
    document = row.document
    return PlanEntry(
        event,
        row.version,
        _read(document) if document is not None else None,
        iso(row.changed_at),
        row.changed_by,
    )
