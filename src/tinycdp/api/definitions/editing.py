"""Save and describe definitions for one actor.

Shape   a handler asks for `editing: Injected[Editing]`
Laws    a save is all or nothing, and its answer is what GET answers next
"""

from collections.abc import Sequence
from typing import Any

from tinycdp.api.definitions.schemas import (
    BackfillProgress,
    Changed,
    Cost,
    DefinitionWarnings,
    Described,
    Flag,
    NamedDefinition,
    Published,
    Segment,
    Trait,
)
from tinycdp.api.definitions.workspaces import provide_workspace
from tinycdp.api.exposures.schemas import RecentExposures
from tinycdp.api.http.encoding import as_schema
from tinycdp.api.http.parts import Injected
from tinycdp.engine.catalog import Definition, InvalidDefinitions
from tinycdp.errors import InvalidInput
from tinycdp.model import Instant
from tinycdp.runtime.access.actor import Actor
from tinycdp.runtime.decisions.exposure_stats import recent_exposures
from tinycdp.runtime.decisions.exposures import Exposures
from tinycdp.runtime.definitions import workspace as workspaces
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.definitions.change_set import document_of
from tinycdp.runtime.definitions.changes import Change
from tinycdp.runtime.definitions.publish import PublishPlan, publish
from tinycdp.runtime.definitions.revisions import changed
from tinycdp.runtime.definitions.unknown import unknown
from tinycdp.runtime.definitions.workspace import EventNames, Kind, Workspace
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.profiles.segment_history import memberships_as_of
from tinycdp.store import definitions as store
from tinycdp.store import memberships as membership_store
from tinycdp.store.database.pool import snapshot
from tinycdp.times import iso


class Editing:
    """Reads and saves the definitions of the actor's environment."""

    def __init__(
        self, actor: Actor, environment: Environment, catalogs: Catalogs, event_names: EventNames, exposures: Exposures
    ) -> None:
        self.actor = actor
        self.environment = environment
        self.catalogs = catalogs
        self._event_names = event_names
        self._exposures = exposures

    async def workspace(self) -> Workspace:
        """The definitions as they are now."""
        return await provide_workspace(self.environment, self.catalogs, self._event_names)

    async def save(self, change: Change, note: str, *, dry_run: bool = False) -> PublishPlan:
        """Publish one change. This process uses it at once; the others are notified."""
        try:
            plan = await self.save_all([change], note, dry_run=dry_run)
        except InvalidDefinitions as wrong:
            # The diagnostics of the sent definition, apart from those of others that it would break.
            own = [d for found in wrong.details["definitions"] if _is(found, change) for d in found["diagnostics"]]
            raise InvalidInput(wrong.code, wrong.message, diagnostics=own, **wrong.details) from None
        return plan

    async def save_all(self, changes: Sequence[Change], note: str, *, dry_run: bool = False) -> PublishPlan:
        """Publish changes, all or nothing."""
        edit = Edit(self.actor.name, self.environment.now(), note, dry_run=dry_run)
        plan = await publish(self.environment, changes, edit)
        await self.refresh()
        return plan

    async def published(self, plan: PublishPlan, *, dry_run: bool) -> Published:
        """The answer to a publish. This process uses it at once."""
        if not dry_run:
            await self.refresh()
        changes = as_schema([changed(step) for step in plan.changed], list[Changed])
        warnings = [DefinitionWarnings(**found) for found in plan.warnings]
        return Published(changes, plan.revision, plan.backfilling, dry_run, warnings)

    async def refresh(self) -> None:
        """Use the newest definitions in this process from now on."""
        await self.catalogs.refresh(self.environment.pool, self.environment.id)

    async def find(self, kind: Kind, name: str) -> Described:
        """One definition, with its meaning and cost."""
        workspace = await self.workspace()
        definition = workspace.find((kind, name))
        if definition is None:
            raise unknown(kind, name, workspace.head.definitions)
        (found,) = await self.describe(workspace, [definition])
        meaning = workspaces.understand_definition(workspace, definition)
        found.diagnostics, found.cost = meaning.diagnostics, as_schema(meaning.cost, Cost)
        return found

    async def show(self, kind: Kind, name: str) -> Described:
        """One definition, with its meaning and cost; a flag with its exposures of this week."""
        found = await self.find(kind, name)
        if isinstance(found, Flag):
            await self._exposures.flush()
            recent = await recent_exposures(self.environment, self.catalogs, name)
            found.exposures = as_schema(recent, RecentExposures) if recent is not None else None
        return found

    async def describe(self, workspace: Workspace, definitions: list[Definition]) -> list[Described]:
        """Definitions in the form of lists."""
        used_by = workspace.used_by()
        live, backfilling = workspace.catalog.live, workspace.catalog.backfilling
        counted: dict[int, int] = {}
        listed: dict[int, int] = {}
        as_of: Instant = self.environment.now()
        wanted = [live.fingerprints[d.name] for d in definitions if d.kind == "segment" and d.name not in backfilling]
        async with snapshot(self.environment.pool) as connection:
            versions = {d.id: d.version for d in definitions}
            saved = await store.authors_of(connection, workspace.catalog.environment_id, versions)
            if wanted:
                as_of = await memberships_as_of(connection, workspace.catalog.environment_id, as_of)
                counted = await membership_store.count_members(connection, workspace.catalog.environment_id, wanted)
                static = [d.id for d in definitions if d.static]
                listed = await membership_store.count_listed(connection, workspace.catalog.environment_id, static)
        progress = None
        if workspace.progress is not None:
            progress = as_schema(workspace.progress, BackfillProgress)
        found: list[Described] = []
        for definition in definitions:
            name = definition.name
            author, published_at = saved[definition.id]
            is_backfilling = workspace.is_backfilling(name)
            common: dict[str, Any] = {
                "key": definition.key,
                "version": definition.version,
                "status": "backfilling" if is_backfilling else "live",
                "type": workspaces.type_of(workspace, definition).value,
                "used_by": [NamedDefinition(*other) for other in used_by[name]],
                "updated_at": iso(published_at),
                "updated_by": author,
                "progress": progress if is_backfilling else None,
            }
            if definition.flag is not None:
                flag = definition.flag
                document = document_of(definition)
                rule = flag.rules[0].when if len(flag.rules) == 1 else None
                found.append(
                    Flag(
                        **common,
                        description=flag.description,
                        enabled=flag.enabled,
                        archived=flag.archived,
                        killed=definition.id in workspace.catalog.killed,
                        rule=rule,
                        document=document,
                    )
                )
                continue
            text = definition.expression
            canonical = "" if definition.static else workspaces.canonical(text)
            common |= {"description": definition.description, "canonical": canonical}
            if definition.kind == "trait":
                found.append(Trait(**common, expression=text, nullable=workspace.head.nodes[name].nullable))
            else:
                members = None if name in backfilling else counted.get(live.fingerprints[name], 0)
                found.append(
                    Segment(
                        **common,
                        rule=text,
                        static=definition.static,
                        members=members,
                        listed=listed.get(definition.id, 0) if definition.static else None,
                        as_of=iso(as_of),
                    )
                )
        return found


def provide_editing(
    actor: Injected[Actor],
    environment: Injected[Environment],
    catalogs: Injected[Catalogs],
    event_names: Injected[EventNames],
    exposures: Injected[Exposures],
) -> Editing:
    """The Editing of a request's actor."""
    return Editing(actor, environment, catalogs, event_names, exposures)


def _is(found: dict[str, Any], change: Change) -> bool:
    return (found["kind"], found["key"]) == (change.kind, change.key)
