"""Publish definitions: a change is one atomic revision that backfills beside the live one.

Shape   publish(environment, changes, edit) saves all changes as one revision, or none. rename, restore and
        restore_version compute their changes and publish them. With dry_run nothing is saved.
        finish_backfilling makes a backfilled revision live. `lists` gives new static segments their first list
Laws    a rename keeps id, salt and meaning, and rewrites references: no membership changes, nothing backfills.
        A restored definition returns under its old id. An abandoned rule backfills like any change; one that still
        serves is kept: restoring the revision before a backfill cancels it.
        A publish during a backfill joins it: there is one head, and its backfill starts over
Errors  InvalidDefinitions with every diagnostic, nothing is saved · Conflict REFERENCED with the list, KEY_EXISTS,
        VERSION_CONFLICT · NotFound, for a revision REVISION_NOT_FOUND · InvalidInput for an invalid document
Source  docs/decisions/0009-live-and-candidate.md, 0017-preview-and-replay.md
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import msgspec

from tinycdp.engine.catalog import Catalog, Definition, Name
from tinycdp.errors import Conflict, InvalidInput, NotFound
from tinycdp.model import Instant
from tinycdp.runtime.definitions.catalogs import compile_catalog, definitions_at, read_definition
from tinycdp.runtime.definitions.change_set import (
    Head,
    Move,
    check_expected,
    document_of,
    document_with_key,
    draft_moves,
    line_of,
    next_definitions,
    read_documents,
    read_key,
    restored_version,
    split_changes,
    step_of,
    with_key,
)
from tinycdp.runtime.definitions.changes import Change, Step
from tinycdp.runtime.definitions.observed import read_known
from tinycdp.runtime.definitions.product_kinds import ProductDraft, product_kinds, warnings_of_findings
from tinycdp.runtime.definitions.references import rewritten
from tinycdp.runtime.definitions.unknown import unknown
from tinycdp.runtime.definitions.workspace import Workspace, names_of, read_declared, warnings_of
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.notifications import announce_revision
from tinycdp.store import definitions as store
from tinycdp.store import memberships as membership_store
from tinycdp.store.database.pool import Connection, acquired, transaction

LONGEST_NOTE = 1_000
#: By the name of a segment, the edit whose identifiers it lists from the beginning.
StagedLists: TypeAlias = Mapping[Name, int]
#: How often a publish may lose against another one, before it takes the lock at its beginning.
_TRIES = 3


class PublishPlan(msgspec.Struct, frozen=True):
    """What a publish did, or would do.

    backfilling  whether its revision backfills before it serves
    warnings     {kind, key, diagnostics} of each definition in it about which there are some"""

    steps: tuple[Step, ...]
    revision: int
    backfilling: bool = False
    warnings: tuple[dict[str, Any], ...] = ()

    @property
    def changed(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.action != "keep")

    def __str__(self) -> str:
        lines = [line_of(step) for step in self.steps]
        return "\n".join([*lines, f"{len(self.changed)} to change, revision {self.revision}"])


async def apply_documents(
    environment: Environment,
    documents: Iterable[Mapping[str, Any]],
    edit: Edit,
    *,
    prune: bool = False,
) -> PublishPlan:
    """Publish definition documents as one revision.

    Definitions that they do not name stay as they are, or with `prune` are deleted."""
    return await publish(environment, read_documents(documents), edit, prune=prune)


async def publish(
    environment: Environment,
    changes: Sequence[Change],
    edit: Edit,
    *,
    prune: bool = False,
    lists: StagedLists | None = None,
) -> PublishPlan:
    """Save the changes as one revision. Nothing is saved if any of them is invalid.

    prune  delete every definition that the changes do not name
    lists  of static segments that the changes create"""

    own, of_products = split_changes(changes)

    async def moves(connection: Connection, head: Head) -> list[Move]:
        return await draft_moves(connection, head, own, edit.now, prune=prune)

    return await publish_moves(environment, moves, edit, of_products, prune=prune, lists=lists)


async def rename(environment: Environment, kind: str, key: str, new: str, edit: Edit) -> PublishPlan:
    """Give a definition another key, and rewrite all references to it."""
    read_key(kind, new, "$.key")

    async def moves(connection: Connection, head: Head) -> list[Move]:
        definition = head.require(kind, key)
        if new != key and head.find((kind, new)) is not None:
            raise Conflict("KEY_EXISTS", f"There is a {kind} {new!r} already; choose an unused key.")
        document = document_with_key(definition, new)
        change = Change(kind=kind, key=new, document=document, expects=edit.expected_version, was=key)
        return await draft_moves(connection, head, [change], edit.now)

    return await publish_moves(environment, moves, edit)


async def restore(environment: Environment, revision: int, edit: Edit) -> PublishPlan:
    """Bring all definitions back to a revision: deleted ones return, newer ones are deleted."""

    async def moves(connection: Connection, head: Head) -> list[Move]:
        if not 0 < revision <= head.revision:
            raise NotFound("REVISION_NOT_FOUND", f"There is no revision {revision}; the newest is {head.revision}.")
        then = await definitions_at(connection, environment.id, revision)
        current = {d.id: d for d in head.definitions}
        keys = {d.name: current[d.id].key for d in then if d.id in current}
        last = await store.last_versions(connection, environment.id, [d.id for d in then if d.id not in current])
        found: list[Move] = []
        for definition in then:
            before = current.pop(definition.id, None)
            number = before.version if before is not None else last[definition.id]
            found.append((before, restored_version(before, definition, rewritten(definition, keys), number, head)))
        return [*found, *((newer, None) for newer in current.values())]

    return await publish_moves(environment, moves, edit)


async def restore_version(environment: Environment, kind: str, key: str, version: int, edit: Edit) -> PublishPlan:
    """Bring one definition back to an older version.

    It names other definitions by their current keys."""

    async def moves(connection: Connection, head: Head) -> list[Move]:
        id = await store.find_definition(connection, environment.id, kind, key)
        if id is None:
            raise unknown(kind, key, (d.name for d in head.definitions))
        rows = await store.list_versions(connection, environment.id, id)
        row = next((row for row in rows if row.version == version), None)
        if row is None:
            raise NotFound(
                "NOT_FOUND", f"The {kind} {key!r} has no version {version}; its newest is {rows[0].version}."
            )
        then = read_definition(row)
        current = {d.id: d for d in head.definitions}
        before = current.get(then.id)
        check_expected(Change(kind=kind, key=key, document={}, expects=edit.expected_version), before)
        beside = await definitions_at(connection, environment.id, row.from_revision)
        keys = {d.name: current[d.id].key for d in beside if d.id in current}
        # A deleted definition returns under its last key.
        named = with_key(rewritten(then, keys), rows[0].key)
        return [(before, restored_version(before, named, named, rows[0].version, head))]

    return await publish_moves(environment, moves, edit)


async def newest(environment: Environment) -> list[Definition]:
    """The newest definitions, live or backfilling."""
    async with acquired(environment.pool) as connection:
        row = await store.find_environment(connection, environment.id)
        return await definitions_at(connection, environment.id, row.head_revision)


async def read_head(connection: Connection, environment_id: int) -> Head:
    environment = await store.find_environment(connection, environment_id)
    live, head = environment.live_revision, environment.head_revision
    definitions = tuple(await definitions_at(connection, environment_id, head))
    serving = definitions if live == head else tuple(await definitions_at(connection, environment_id, live))
    return Head(environment_id, environment.zone, live, head, definitions, serving)


async def publish_moves(
    environment: Environment,
    moves_of: Callable[[Connection, Head], Awaitable[Sequence[Move]]],
    edit: Edit,
    of_products: Sequence[Change] = (),
    *,
    prune: bool = False,
    lists: StagedLists | None = None,
) -> PublishPlan:
    """Save the moves as one revision, and the changes of products' definitions in the same transaction.

    `moves_of` computes them for the newest revision, and again if another publish came first. So messages wait only
    while the revision is saved, not while it is compiled. Products' definitions have versions of their own: a publish
    that changes nothing else makes no revision."""
    if len(edit.note) > LONGEST_NOTE:
        raise InvalidInput("INVALID_REQUEST", f"A note has at most {LONGEST_NOTE:,} characters.")
    for patience in reversed(range(_TRIES + 1)):
        try:
            async with transaction(environment.pool) as connection:
                return await _attempt(
                    connection,
                    environment,
                    moves_of,
                    edit,
                    of_products,
                    lists or {},
                    prune=prune,
                    keeps_others_out=not patience,
                )
        except _Overtaken:
            continue
    raise AssertionError("the last try holds the lock from the beginning")


class _Overtaken(Exception):
    """Another publish came first."""


async def _attempt(
    connection: Connection,
    environment: Environment,
    moves_of: Callable[[Connection, Head], Awaitable[Sequence[Move]]],
    edit: Edit,
    of_products: Sequence[Change],
    lists: StagedLists,
    *,
    prune: bool,
    keeps_others_out: bool,
) -> PublishPlan:
    """Save the moves, unless another publish comes first. keeps_others_out: it holds the lock from its beginning."""
    if not edit.dry_run:
        for product in product_kinds():
            await product.begin(connection, environment.id)
    if keeps_others_out and not edit.dry_run:
        await store.begin_publish(connection, environment.id)
    head = await read_head(connection, environment.id)
    moves = await moves_of(connection, head)
    steps = tuple(step_of(before, after) for before, after in moves)
    named = [after for _, after in moves if after is not None]
    if all(step.action == "keep" for step in steps):
        workspace = await _workspace(connection, head, None, edit) if named or of_products or prune else None
        drafts = await _drafts(connection, workspace, moves, of_products, edit, prune=prune) if workspace else []
        warnings = await _warnings(workspace, named, drafts)
        if not edit.dry_run:
            await _save_drafts(connection, drafts)
        return PublishPlan(_with_drafts(steps, drafts), head.revision, warnings=warnings)
    # Compiling checks everything: it raises with every diagnostic before anything is written.
    wanted = next_definitions(head, moves)
    catalog = await compile_catalog(environment.id, head.zone, head.serving, wanted, head.live, head.revision + 1)
    workspace = await _workspace(connection, head, catalog, edit)
    drafts = await _drafts(connection, workspace, moves, of_products, edit, prune=prune)
    warnings = await _warnings(workspace, named, drafts)
    if edit.dry_run:
        return PublishPlan(_with_drafts(steps, drafts), head.revision, catalog.must_backfill, warnings)
    abandoned = await _begun_fingerprints(head) if not catalog.must_backfill else set()
    # Before the lock: a long list must not make messages wait.
    moves, listed = await _list_ahead(connection, environment.id, moves, lists, edit.now)
    await store.begin_publish(connection, environment.id)
    row = await store.find_environment(connection, environment.id)
    if (row.live_revision, row.head_revision) != (head.live, head.revision):
        raise _Overtaken
    for one in listed:
        await membership_store.unlist_erased(connection, environment.id, one)
    backfilling = await _save(connection, head, moves, catalog, abandoned, edit)
    await _save_drafts(connection, drafts)
    return PublishPlan(_with_drafts(steps, drafts), head.revision + 1, backfilling, warnings)


async def _list_ahead(
    connection: Connection, environment_id: int, moves: Sequence[Move], lists: StagedLists, now: Instant
) -> tuple[Sequence[Move], list[membership_store.StagedList]]:
    """The moves with the ids of the new segments that have a list, and these lists, which are stored."""
    found: list[Move] = []
    listed = []
    for before, after in moves:
        if after is not None and after.id <= 0 and (edit_id := lists.get(after.name)) is not None:
            id = await store.create_definition(connection, environment_id, after.kind, now)
            listed.append(await membership_store.list_staged(connection, environment_id, edit_id, id, now))
            found.append((before, msgspec.structs.replace(after, id=id)))
        else:
            found.append((before, after))
    return found, listed


async def _warnings(
    workspace: Workspace | None, definitions: Sequence[Definition], drafts: Sequence[ProductDraft]
) -> tuple[dict[str, Any], ...]:
    """The warnings about definitions of the next revision, and about those of products."""
    found = await asyncio.to_thread(warnings_of, workspace, definitions) if workspace and definitions else []
    return (*found, *(one for draft in drafts for one in warnings_of_findings(draft.warnings)))


async def _drafts(
    connection: Connection,
    workspace: Workspace,
    moves: Sequence[Move],
    changes: Sequence[Change],
    edit: Edit,
    *,
    prune: bool,
) -> list[ProductDraft]:
    """What the changes do to the definitions of products, which follow renames and keep what they name."""
    renamed = {before.name: after.key for before, after in moves if before and after and before.key != after.key}
    gone = {before.name for before, _ in moves if before is not None} - workspace.head.definitions.keys()
    names = replace(names_of(workspace, edit.now), gone=frozenset(gone - renamed.keys()), renamed=renamed)
    return [
        await product.draft(connection, names, [c for c in changes if c.kind in product.kinds], edit, prune=prune)
        for product in product_kinds()
    ]


async def _save_drafts(connection: Connection, drafts: Sequence[ProductDraft]) -> None:
    for draft in drafts:
        await draft.save(connection)


def _with_drafts(steps: tuple[Step, ...], drafts: Sequence[ProductDraft]) -> tuple[Step, ...]:
    return (*steps, *(step for draft in drafts for step in draft.steps))


async def _workspace(connection: Connection, head: Head, catalog: Catalog | None, edit: Edit) -> Workspace:
    """The definitions of the next revision. Without a catalog, the head revision stays."""
    if catalog is None:
        catalog = await compile_catalog(
            head.environment_id, head.zone, head.serving, head.definitions, head.live, head.revision
        )
    known = await read_known(connection, head.environment_id, edit.now)
    types = await read_declared(connection, head.environment_id)
    return Workspace(catalog, catalog.candidate or catalog.live, (), frozenset(), None, types, known)


async def _begun_fingerprints(head: Head) -> set[int]:
    """The fingerprints that a running backfill has begun to fill."""
    if head.live == head.revision:
        return set()
    catalog = await compile_catalog(
        head.environment_id, head.zone, head.serving, head.definitions, head.live, head.revision
    )
    return {segment.fingerprint for segment in catalog.segments if segment.is_candidate}


async def _save(
    connection: Connection,
    head: Head,
    moves: Sequence[Move],
    catalog: Catalog,
    abandoned: Collection[int],
    edit: Edit,
) -> bool:
    """Save the next revision, live unless it must backfill. Returns whether it backfills."""
    environment_id, revision, now = head.environment_id, head.revision + 1, edit.now
    await store.append_revision(connection, environment_id, revision, edit.author, edit.note, now)
    for before, after in moves:
        if before is not after:
            await _save_version(connection, environment_id, revision, before, after, now)
    backfilling = False
    if catalog.must_backfill:
        backfilling = await store.start_backfill(connection, environment_id, revision, now) > 0
    await store.set_revisions(connection, environment_id, head.live if backfilling else revision, revision)
    if not backfilling:
        await store.mark_live(connection, environment_id, revision, now)
        await _swap_memberships(connection, catalog, now, abandoned)
    await announce_revision(connection, environment_id)
    return backfilling


async def _save_version(
    connection: Connection,
    environment_id: int,
    revision: int,
    before: Definition | None,
    after: Definition | None,
    now: Instant,
) -> None:
    if before is not None:
        await store.close_version(connection, environment_id, before.id, revision)
    if after is None:
        return
    id = after.id if after.id > 0 else await store.create_definition(connection, environment_id, after.kind, now)
    await store.append_version(
        connection, environment_id, id, after.version, after.meaning, after.key, document_of(after), revision
    )


async def finish_backfilling(connection: Connection, catalog: Catalog, now: Instant) -> None:
    """Make the head revision live, with its memberships, in this one transaction.

    The caller holds the exclusive lock of begin_publish, and `catalog` is that of the current revisions."""
    assert catalog.candidate is not None
    environment_id, head = catalog.environment_id, catalog.head
    await _swap_memberships(connection, catalog, now)
    await store.set_revisions(connection, environment_id, head, head)
    await store.finish_backfill(connection, environment_id, head, now)
    await store.mark_live(connection, environment_id, head, now)
    await announce_revision(connection, environment_id)


async def _swap_memberships(
    connection: Connection, catalog: Catalog, now: Instant, abandoned: Collection[int] = ()
) -> None:
    """Record the transitions of the switch to the next revision.

    Memberships that the next revision does not use are deleted, and all of a deleted segment. `abandoned` are the
    fingerprints of a cancelled backfill."""
    assert catalog.candidate is not None
    changed: list[tuple[int, int | None, int | None]]
    changed = [(s.id, s.live_fingerprint, s.fingerprint) for s in catalog.segments if s.is_candidate]
    staying = {d.id for d in catalog.candidate.definitions.values()}
    changed += [(s.id, s.fingerprint, None) for s in catalog.segments if not s.is_candidate and s.id not in staying]
    await store.settle_transitions(connection, catalog.environment_id, now, changed)
    dead = {*catalog.live.fingerprints.values(), *abandoned} - set(catalog.candidate.fingerprints.values())
    await store.sweep_memberships(connection, catalog.environment_id, sorted(dead))
