"""Promote definitions from one environment to another of the same database.

Shape   promote(source, target, edit, only=…, prune=…) publishes the source's newest definitions in the target, as one
        revision; with edit.dry_run it only plans
Laws    what is promoted twice changes nothing the second time.
        A flag that is new to the target brings its salt, so a unit has the same bucket in both; a flag that is there
        keeps its own, so no unit moves. Nothing is deleted without `prune`
Errors  those of publish · NotFound for a selected definition that the source lacks · Conflict SAME_ENVIRONMENT
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinycdp.engine.catalog import Definition, Name
from tinycdp.errors import Conflict, InvalidInput, NotFound
from tinycdp.runtime.definitions.change_set import Head, Move, document_of, draft_moves, every_kind
from tinycdp.runtime.definitions.changes import Change
from tinycdp.runtime.definitions.product_kinds import newest_of_products
from tinycdp.runtime.definitions.publish import PublishPlan, newest, publish_moves
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment
from tinycdp.store.database.pool import Connection


@dataclass(frozen=True, slots=True)
class Selection:
    """All definitions of a kind, or the one with this key."""

    kind: str
    key: str | None = None

    def __str__(self) -> str:
        return self.kind if self.key is None else f"{self.kind}:{self.key}"

    def has(self, name: Name) -> bool:
        return self.kind == name[0] and self.key in {None, name[1]}


def read_selection(text: str, path: str) -> Selection:
    """`segment`, or `segment:regulars`"""
    kind, _, key = text.partition(":")
    if kind not in every_kind():
        kinds = ", ".join(every_kind())
        message = f"{path}: {text!r} is neither a kind ({kinds}) nor a kind and a key, as flag:paywall."
        raise InvalidInput("INVALID_REQUEST", message, path=path)
    return Selection(kind, key or None)


async def promote(
    source: Environment, target: Environment, edit: Edit, *, only: Sequence[Selection] = (), prune: bool = False
) -> PublishPlan:
    """Publish the source's newest definitions in the target, all or those selected.

    prune: delete what is selected, or without a selection everything, that the source lacks"""
    if source.id == target.id:
        raise Conflict("SAME_ENVIRONMENT", "Source and target are the same environment; name two.")
    there = {definition.name: definition for definition in await newest(source)}
    products_there = {one.name: one.document for one in await newest_of_products(source)}
    products_here = {one.name for one in await newest_of_products(target)}

    def selected(name: Name) -> bool:
        return not only or any(selection.has(name) for selection in only)

    async def moves(connection: Connection, head: Head) -> list[Move]:
        here = {definition.name: definition for definition in head.definitions}
        for selection in only:
            name = (selection.kind, selection.key or "")
            known = there.keys() | products_there.keys()
            if selection.key is not None and name not in known and not (prune and name in {*here, *products_here}):
                raise NotFound("NOT_FOUND", f"The source has no {selection.kind} {selection.key!r}.")
        changes = [_change(definition, here) for name, definition in sorted(there.items()) if selected(name)]
        if prune:
            absent = [name for name in sorted(here) if name not in there and selected(name)]
            changes += [Change(kind=kind, key=key, document=None) for kind, key in absent]
        return await draft_moves(connection, head, changes, edit.now)

    of_products = [
        Change(kind=name[0], key=name[1], document=document)
        for name, document in sorted(products_there.items())
        if selected(name)
    ]
    if prune:
        absent = sorted(name for name in products_here if name not in products_there and selected(name))
        of_products += [Change(kind=kind, key=key, document=None) for kind, key in absent]
    return await publish_moves(target, moves, edit, of_products)


def _change(definition: Definition, here: Mapping[Name, Definition]) -> Change:
    document = document_of(definition)
    if definition.name in here:
        document = {name: value for name, value in document.items() if name != "salt"}
    return Change(kind=definition.kind, key=definition.key, document=document)
