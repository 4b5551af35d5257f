"""What changes do to the definitions of a product, and what is wrong with the result.

Shape   drafted(kinds, rows, changes, edit, prune=…) → Drafted: the moves, and all documents after them
Laws    a document with the same content changes nothing. A rename keeps the history, and rewrites what names it.
        A deleted key that returns continues its history
Errors  NotFound · Conflict KEY_EXISTS, VERSION_CONFLICT, REFERENCED with the list
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tinycdp.engine.catalog import Name
from tinycdp.errors import Conflict, InvalidInput
from tinycdp.runtime.definitions.change_set import check_expected
from tinycdp.runtime.definitions.changes import Change, Step
from tinycdp.runtime.definitions.saved.documents import DocumentKinds
from tinycdp.runtime.definitions.unknown import unknown
from tinycdp.runtime.edits import Edit
from tinycdp.store.products.saved import SavedRow

Documents = Mapping[Name, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Move:
    """A definition before and after; before is None for a new one, and after is before if nothing changes."""

    before: SavedRow | None
    after: SavedRow

    @property
    def changes(self) -> bool:
        return self.before is not self.after

    def step(self) -> Step:
        """The line of a plan."""
        before, after = self.before, self.after
        if not self.changes:
            return Step("keep", after.kind, after.key, after.document, after.document, None, after.version)
        if before is None:
            return Step("create", after.kind, after.key, after=after.document, version=after.version)
        if after.document is None:
            return Step("delete", before.kind, before.key, before=before.document, version=before.version)
        was = before.key if before.key != after.key else None
        return Step(
            "rename" if was else "update", after.kind, after.key, before.document, after.document, was, after.version
        )


@dataclass(frozen=True, slots=True)
class Drafted:
    """The moves of some changes, and the documents before and after all of them."""

    moves: tuple[Move, ...]
    before: Documents
    after: Documents

    @property
    def written(self) -> list[SavedRow]:
        """The versions to save; new definitions have no id yet."""
        return [move.after for move in self.moves if move.changes]


def drafted(
    kinds: DocumentKinds,
    rows: Sequence[SavedRow],
    changes: Sequence[Change],
    edit: Edit,
    *,
    of_core: Mapping[Name, str] | None = None,
    prune: bool = False,
) -> Drafted:
    """What the changes do to the newest versions of an environment.

    of_core  the segments and flags that the same publish renames, with their new keys"""
    known = {(row.kind, row.key): row for row in rows if row.document is not None}
    # Of several deleted definitions with one key, the last one returns.
    deleted = {(row.kind, row.key): row for row in rows if row.document is None}
    by_id = {row.definition_id: row for row in rows}
    renames = _renames(known, [change for change in changes if change.id is None])
    former = {(kind, new): (kind, old) for (kind, old), new in renames.items()}
    every = {**renames, **(of_core or {})}
    # A new document may still have a former key, unless the same publish gives that to another definition.
    given = {(change.kind, change.key) for change in changes}
    unused = {name: key for name, key in renames.items() if name not in given}
    moves: list[Move] = []
    for change in changes:
        name = (change.kind, change.key)
        gone: SavedRow | None = None
        if change.id is not None:
            row = by_id[change.id]
            before, gone = (row, None) if row.document is not None else (None, row)
        else:
            before = known.get(former.get(name, name)) if name in former or name not in renames else None
            gone = deleted.pop(name, None) if before is None and change.document is not None else None
        check_expected(change, before)
        if change.document is None:
            if before is None:
                raise unknown(change.kind, change.key, known)
            moves.append(Move(before, _next(before, before.key, None, edit)))
            continue
        document = kinds.renamed(change.document, unused)
        if before is not None:
            same = before.key == change.key and before.document == document
            moves.append(Move(before, before if same else _next(before, change.key, document, edit)))
        elif gone is not None:
            moves.append(Move(None, _next(gone, change.key, document, edit)))
        else:
            moves.append(Move(None, SavedRow(0, 1, *name, document, edit.author, edit.note, edit.now)))
    touched = {move.before.definition_id for move in moves if move.before is not None}
    for row in sorted(known.values(), key=lambda row: (row.kind, row.key)):
        if row.definition_id in touched:
            continue
        if prune:
            moves.append(Move(row, _next(row, row.key, None, edit)))
        elif every and (document := kinds.renamed(row.document, every)) != row.document:
            moves.append(Move(row, _next(row, row.key, document, edit)))
    replaced = {move.before.definition_id for move in moves if move.before is not None}
    staying = [row for row in known.values() if row.definition_id not in replaced]
    after: dict[Name, dict[str, Any]] = {}
    for row in [*staying, *(move.after for move in moves)]:
        if row.document is None:
            continue
        if (row.kind, row.key) in after:
            raise Conflict("KEY_EXISTS", f"There would be two {row.kind}s {row.key!r}.")
        after[row.kind, row.key] = row.document
    before_ = {name: row.document for name, row in known.items() if row.document is not None}
    found = Drafted(tuple(moves), before_, after)
    _reject_if_referenced(kinds, found)
    return found


def _next(row: SavedRow, key: str, document: dict[str, Any] | None, edit: Edit) -> SavedRow:
    return replace(
        row,
        version=row.version + 1,
        key=key,
        document=document,
        author=edit.author,
        note=edit.note,
        saved_at=edit.now,
    )


def _renames(known: Mapping[Name, SavedRow], changes: Sequence[Change]) -> dict[Name, str]:
    """Old name → new key, for the changes whose rename has not happened yet."""
    found: dict[Name, str] = {}
    asked = {(change.kind, change.was) for change in changes if change.was is not None}
    for change in changes:
        old, new = (change.kind, change.was or change.key), (change.kind, change.key)
        if change.was is not None and change.document is None:
            message = f"The {change.kind} {change.key!r} cannot be renamed and deleted at once."
            raise InvalidInput("INVALID_DOCUMENT", message)
        if old == new or old not in known:
            continue
        if new in known and new not in asked:
            message = f"The {change.kind} {change.was!r} cannot become {change.key!r}: that key is in use."
            raise Conflict("KEY_EXISTS", message)
        if old in found:
            message = f"The {change.kind} {change.was!r} cannot become both {found[old]!r} and {change.key!r}."
            raise InvalidInput("INVALID_DOCUMENT", message)
        found[old] = change.key
    return found


def _reject_if_referenced(kinds: DocumentKinds, found: Drafted) -> None:
    gone = [name for name in found.before if name not in found.after]
    renamed_ = {(m.before.kind, m.before.key) for m in found.moves if m.before is not None and m.after.document}
    for name in gone:
        users = kinds.users_of(name, found.after)
        if users and name not in renamed_:
            raise referenced(name, users)


def referenced(name: Name, users: Sequence[Name]) -> Conflict:
    """The error for a definition that others still name."""
    listed = ", ".join(f"{kind} {key}" for kind, key in users)
    return Conflict(
        "REFERENCED",
        f"The {name[0]} {name[1]!r} is used by {listed}; change these first.",
        usedBy=[{"kind": kind, "key": key} for kind, key in users],
    )
