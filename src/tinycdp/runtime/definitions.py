"""Definitions, published: a change is one atomic revision that warms up beside the live one.

Shape   publish(pool, environment, changes) saves all changes as one revision, or none; dry, it only says
        what it would do. finish_warming makes a warmed revision live
Laws    a document with the same content changes nothing. The salt of a flag is minted once and survives every edit.
        While a revision warms up, a further publish joins it: there is one head, and it starts over
Errors  InvalidDefinitions with every diagnostic and nothing saved · Conflict REFERENCED with the list, KEY_EXISTS,
        VERSION_CONFLICT · NotFound · InvalidInput for a document that is none
Source  docs/decisions/0009-live-and-next.md
"""

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from tinycdp.dsl.check import mentions
from tinycdp.dsl.syntax import parse
from tinycdp.engine.catalog import Catalog, Definition, Name
from tinycdp.engine.flags import read_flag, to_document
from tinycdp.errors import Conflict, InvalidInput, NotFound
from tinycdp.model import Instant
from tinycdp.runtime.catalogs import compiled, definitions_at
from tinycdp.runtime.news import announce_revision
from tinycdp.store import definitions as store
from tinycdp.store.pool import Connection, Pool, acquired, transaction

KINDS = ("trait", "segment", "flag")
_KEY = {"trait": re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}"), "segment": re.compile(r"[A-Za-z0-9._~:-]{1,64}")}
_KEY["flag"] = _KEY["segment"]
_FIELDS = {"key", "expression", "rule", "description"}


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One definition as it shall be; document None deletes it.

    expects  the version it shall replace, 0 for none; None for whichever there is"""

    kind: str
    key: str
    document: dict[str, Any] | None
    expects: int | None = None


class Step(msgspec.Struct, frozen=True):
    """One line of a plan."""

    action: Literal["create", "update", "delete", "keep"]
    kind: str
    key: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None


class Plan(msgspec.Struct, frozen=True):
    """What a publish did, or would do. `warming` where profiles have to be gone through before it serves."""

    steps: tuple[Step, ...]
    revision: int
    warming: bool = False

    def __str__(self) -> str:
        signs = {"create": "+", "update": "~", "delete": "-", "keep": " "}
        lines = [f"{signs[step.action]} {step.kind} {step.key}" for step in self.steps]
        changed = sum(step.action != "keep" for step in self.steps)
        return "\n".join([*lines, f"{changed} to change, revision {self.revision}"])


def read_documents(documents: Iterable[Mapping[str, Any]]) -> list[Change]:
    """The changes that definition files ask for: mappings with lists under `traits`, `segments` and `flags`."""
    changes = []
    for document in documents:
        if not isinstance(document, Mapping):
            raise InvalidInput("INVALID_DOCUMENT", "$: a definition file is a mapping with traits, segments, flags.")
        if unknown := sorted(document.keys() - {"traits", "segments", "flags"}):
            raise InvalidInput("INVALID_DOCUMENT", f"$.{unknown[0]}: expected traits, segments or flags.")
        for kind in KINDS:
            for n, entry in enumerate(document.get(f"{kind}s") or ()):
                changes.append(read_change(kind, entry, f"$.{kind}s[{n}]"))
    named: set[Name] = set()
    for change in changes:
        if (change.kind, change.key) in named:
            raise InvalidInput("INVALID_DOCUMENT", f"The {change.kind} {change.key!r} is defined twice.")
        named.add((change.kind, change.key))
    return changes


def read_change(kind: str, document: Any, path: str = "$") -> Change:
    """One definition's document, checked in form; its expressions are checked among all others when published."""
    if not isinstance(document, Mapping):
        raise InvalidInput("INVALID_DOCUMENT", f"{path}: a {kind} is an object.", path=path)
    key = document.get("key")
    if not isinstance(key, str) or not _KEY[kind].fullmatch(key):
        allowed = "letters, digits and _, not starting with a digit" if kind == "trait" else "letters, digits and ._~:-"
        raise InvalidInput("INVALID_KEY", f"{path}.key: a {kind}'s key is 1 to 64 {allowed}.", path=f"{path}.key")
    if kind == "flag":
        read_flag(dict(document), "")
        return Change(kind=kind, key=key, document=dict(document))
    if unknown := sorted(document.keys() - _FIELDS):
        raise InvalidInput("INVALID_DOCUMENT", f"{path}.{unknown[0]}: a {kind} has no such field.", path=path)
    text = document.get("expression", document.get("rule"))
    if not isinstance(text, str):
        field = "expression" if kind == "trait" else "rule"
        raise InvalidInput("INVALID_DOCUMENT", f"{path}.{field}: the expression is missing.", path=f"{path}.{field}")
    saved = {"expression": text, "description": str(document.get("description") or "")}
    return Change(kind=kind, key=key, document=saved)


async def apply_documents(
    pool: Pool,
    environment_id: int,
    documents: Iterable[Mapping[str, Any]],
    author: str,
    now: Instant,
    *,
    prune: bool = False,
    dry: bool = False,
) -> Plan:
    """Publish what the files say as one revision. What they do not name stays as it is, or with `prune` is deleted."""
    return await publish(pool, environment_id, read_documents(documents), author, now, prune=prune, dry=dry)


async def publish(
    pool: Pool,
    environment_id: int,
    changes: Sequence[Change],
    author: str,
    now: Instant,
    note: str = "",
    *,
    prune: bool = False,
    dry: bool = False,
) -> Plan:
    """Make the changes one revision. Nothing is saved unless all of it is right.

    prune  delete every definition that the changes do not name
    dry    save nothing, but refuse what would be refused"""
    async with transaction(pool) as connection:
        await store.begin_publish(connection, environment_id)
        environment = await store.find_environment(connection, environment_id)
        live, head = environment["live_revision"], environment["head_revision"]
        known = {d.name: d for d in await definitions_at(connection, environment_id, head)}
        named = {(change.kind, change.key) for change in changes}
        going = sorted(known.keys() - named) if prune else []
        pruned = [Change(kind=kind, key=key, document=None) for kind, key in going]
        steps = [_step(known, change) for change in (*changes, *pruned)]
        revision = head + 1
        if all(step.action == "keep" for step in steps):
            return Plan(tuple(steps), head)
        wanted = dict(known)
        for step in steps:
            if step.action == "delete":
                _refuse_if_referenced(step, wanted.values(), {(s.kind, s.key) for s in steps if s.action == "delete"})
                del wanted[step.kind, step.key]
            elif step.action != "keep":
                wanted[step.kind, step.key] = _revised(known.get((step.kind, step.key)), step, len(wanted))
        live_definitions = await definitions_at(connection, environment_id, live)
        # Compiling is the check: it raises with every diagnostic before anything is written.
        zone = environment["zone"]
        catalog = await compiled(environment_id, zone, live_definitions, list(wanted.values()), live, revision)
        if dry:
            return Plan(tuple(steps), head, catalog.must_warm)
        await store.append_revision(connection, environment_id, revision, author, note, now)
        for step in steps:
            if step.action != "keep":
                await _save(connection, environment_id, revision, known.get((step.kind, step.key)), wanted, step, now)
        warming = False
        if catalog.must_warm:
            warming = await store.start_backfill(connection, environment_id, revision, now) > 0
        await store.set_revisions(connection, environment_id, live if warming else revision, revision)
        if not warming:
            await store.mark_live(connection, environment_id, revision, now)
            await store.sweep_memberships(connection, environment_id, _dead(catalog))
        await announce_revision(connection, environment_id)
        return Plan(tuple(steps), revision, warming)


async def newest(pool: Pool, environment_id: int) -> list[Definition]:
    """The definitions as they were last saved, live or warming up."""
    async with acquired(pool) as connection:
        environment = await store.find_environment(connection, environment_id)
        return await definitions_at(connection, environment_id, environment["head_revision"])


def _step(known: Mapping[Name, Definition], change: Change) -> Step:
    definition = known.get((change.kind, change.key))
    version = definition.version if definition is not None else 0
    if change.expects is not None and change.expects != version:
        raise _unexpected(change, version)
    if change.document is None:
        if definition is None:
            raise NotFound("NOT_FOUND", f"There is no {change.kind} {change.key!r}.")
        return Step("delete", change.kind, change.key, before=document_of(definition))
    if definition is None:
        return Step("create", change.kind, change.key, after=_whole(change, secrets.token_hex(8)))
    before = document_of(definition)
    after = _whole(change, definition.flag.salt if definition.flag is not None else "")
    # As text, because the order of a split's variants is part of what it says.
    same = msgspec.json.encode(before) == msgspec.json.encode(after)
    return Step("keep" if same else "update", change.kind, change.key, before, after)


def _unexpected(change: Change, version: int) -> Conflict:
    if change.expects == 0:
        return Conflict("KEY_EXISTS", f"There is a {change.kind} {change.key!r} already; PUT replaces it.")
    found = f"is at version {version}" if version else "is gone"
    message = f"The {change.kind} {change.key!r} {found}, not {change.expects}: somebody else changed it meanwhile."
    return Conflict("VERSION_CONFLICT", message, version=version)


def _whole(change: Change, salt: str) -> dict[str, Any]:
    assert change.document is not None
    return to_document(read_flag(change.document, salt)) if change.kind == "flag" else change.document


def document_of(definition: Definition) -> dict[str, Any]:
    """The definition as it is stored."""
    if definition.flag is not None:
        return to_document(definition.flag)
    return {"expression": definition.expression, "description": definition.description}


def _revised(definition: Definition | None, step: Step, placeholder: int) -> Definition:
    """The next version of a definition; a new one has no id yet, so it is given one no other has."""
    assert step.after is not None
    flag = read_flag(step.after, "") if step.kind == "flag" else None
    expression = "" if flag is not None else step.after["expression"]
    version = definition.version + 1 if definition is not None else 1
    same = definition is not None and flag is None and definition.expression == expression
    return Definition(
        id=definition.id if definition is not None else -1 - placeholder,
        version=version,
        meaning=definition.meaning if definition is not None and same else version,
        kind=step.kind,
        key=step.key,
        expression=expression,
        flag=flag,
        description=step.after.get("description", ""),
    )


async def _save(
    connection: Connection,
    environment_id: int,
    revision: int,
    known: Definition | None,
    wanted: Mapping[Name, Definition],
    step: Step,
    now: Instant,
) -> None:
    if known is not None:
        await store.close_version(connection, environment_id, known.id, revision)
    if step.after is None:
        return
    definition = wanted[step.kind, step.key]
    id = known.id if known is not None else await store.create_definition(connection, environment_id, step.kind, now)
    await store.append_version(
        connection, environment_id, id, definition.version, definition.meaning, step.key, step.after, revision
    )


def _refuse_if_referenced(step: Step, definitions: Iterable[Definition], going: set[Name]) -> None:
    users = [d for d in definitions if d.name not in going and (step.kind, step.key) in references_of(d)]
    if users:
        listed = ", ".join(f"{d.kind} {d.key}" for d in users)
        raise Conflict(
            "REFERENCED",
            f"The {step.kind} {step.key!r} is used by {listed}; change these first.",
            usedBy=[{"kind": d.kind, "key": d.key} for d in users],
        )


def references_of(definition: Definition) -> set[Name]:
    """The definitions this one names."""
    if definition.flag is None:
        return set(mentions(parse(definition.expression)))
    found = {("segment", o.segment) for o in definition.flag.overrides if o.segment is not None}
    for rule in definition.flag.rules:
        found |= mentions(parse(rule.when))
    return found


async def finish_warming(connection: Connection, catalog: Catalog, now: Instant) -> None:
    """Make the head revision live: its memberships become the segments', in this one transaction.

    The caller holds the exclusive lock of begin_publish, and `catalog` is that of the current revisions."""
    assert catalog.next is not None
    environment_id, head = catalog.environment_id, catalog.head
    changed = [(s.id, s.was, s.fingerprint) for s in catalog.segments if s.is_next]
    await store.settle_transitions(connection, environment_id, now, changed)
    await store.sweep_memberships(connection, environment_id, _dead(catalog))
    await store.set_revisions(connection, environment_id, head, head)
    await store.finish_backfill(connection, environment_id, head, now)
    await store.mark_live(connection, environment_id, head, now)
    await announce_revision(connection, environment_id)


def _dead(catalog: Catalog) -> list[int]:
    """The fingerprints of live segments that the next revision does not have."""
    assert catalog.next is not None
    return sorted(set(catalog.live.fingerprints.values()) - set(catalog.next.fingerprints.values()))
