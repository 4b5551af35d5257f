"""Definitions, published: a change is one atomic revision that warms up beside the live one.

Shape   publish(pool, environment, changes) saves all changes as one revision, or none; rename, restore and
        restore_version are publishes that work out their changes by themselves. Dry, each only says what it would do.
        steps_between(before, after) is how two revisions differ. finish_warming makes a warmed revision live
Laws    a document with the same content changes nothing. The salt of a flag is minted once and survives every edit.
        A rename keeps id, salt and meaning, and rewrites what names the definition: nobody moves, nothing warms up.
        What is restored returns under its old id; a meaning that was given up before is a new one, and warms up, while
        one that still serves goes on: so a warm-up is called off by restoring the revision before it.
        While a revision warms up, a further publish joins it: there is one head, and it starts over
Errors  InvalidDefinitions with every diagnostic and nothing saved · Conflict REFERENCED with the list, KEY_EXISTS,
        VERSION_CONFLICT · NotFound, of a revision REVISION_NOT_FOUND · InvalidInput for a document that is none
Source  docs/decisions/0009-live-and-next.md, 0017-preview-and-replay.md
"""

import re
import secrets
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from tinycdp.dsl.diagnostics import SourceError
from tinycdp.dsl.rename import hidden
from tinycdp.dsl.syntax import parse
from tinycdp.engine.catalog import Catalog, Definition, Name
from tinycdp.engine.flags import read_flag, to_document
from tinycdp.errors import Conflict, InvalidInput, NotFound
from tinycdp.model import Instant
from tinycdp.runtime.catalogs import compiled, definitions_at, read_definition
from tinycdp.runtime.news import announce_revision
from tinycdp.runtime.references import references_of, rewritten
from tinycdp.store import definitions as store
from tinycdp.store.pool import Connection, Pool, acquired, transaction

KINDS = ("trait", "segment", "flag")
_KEY = {"trait": re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}"), "segment": re.compile(r"[A-Za-z0-9._~:-]{1,64}")}
_KEY["flag"] = _KEY["segment"]
_FIELDS = {"key", "expression", "rule", "description"}
LONGEST_NOTE = 1_000
#: How often a publish may find that another one was quicker, before it keeps the others out from its beginning.
_TRIES = 3


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One definition as it shall be; document None deletes it.

    expects  the version it shall replace, 0 for none; None for whichever there is
    was      the key it had: it is renamed, unless that has happened already"""

    kind: str
    key: str
    document: dict[str, Any] | None
    expects: int | None = None
    was: str | None = None


class Step(msgspec.Struct, frozen=True):
    """One line of a plan, or of the difference of two revisions.

    was           the key before a rename
    version       it has afterwards, of what is deleted the last one
    same_meaning  nobody moves because of this step alone"""

    action: Literal["create", "update", "rename", "delete", "keep"]
    kind: str
    key: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    was: str | None = None
    version: int = 0
    same_meaning: bool = False


class Plan(msgspec.Struct, frozen=True):
    """What a publish did, or would do. `warming` where profiles have to be gone through before it serves."""

    steps: tuple[Step, ...]
    revision: int
    warming: bool = False

    @property
    def changed(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.action != "keep")

    def __str__(self) -> str:
        lines = [line_of(step) for step in self.steps]
        return "\n".join([*lines, f"{len(self.changed)} to change, revision {self.revision}"])


def line_of(step: Step) -> str:
    """`~ trait opens`, `> segment regulars -> loyal`"""
    sign = {"create": "+", "update": "~", "rename": ">", "delete": "-", "keep": " "}[step.action]
    return f"{sign} {step.kind} {step.was} -> {step.key}" if step.was else f"{sign} {step.kind} {step.key}"


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
                changes.append(_read_entry(kind, entry, f"$.{kind}s[{n}]"))
    named: set[Name] = set()
    for change in changes:
        if (change.kind, change.key) in named:
            raise InvalidInput("INVALID_DOCUMENT", f"The {change.kind} {change.key!r} is defined twice.")
        named.add((change.kind, change.key))
    return changes


def _read_entry(kind: str, entry: Any, path: str) -> Change:
    """An entry of a file, which may say `was`: the key it had before."""
    if not isinstance(entry, Mapping) or "was" not in entry:
        return read_change(kind, entry, path)
    was = _read_key(kind, entry["was"], f"{path}.was")
    change = read_change(kind, {name: value for name, value in entry.items() if name != "was"}, path)
    return msgspec.structs.replace(change, was=was)


def _read_key(kind: str, key: Any, path: str) -> str:
    if not isinstance(key, str) or not _KEY[kind].fullmatch(key):
        allowed = "letters, digits and _, not starting with a digit" if kind == "trait" else "letters, digits and ._~:-"
        raise InvalidInput("INVALID_KEY", f"{path}: a {kind}'s key is 1 to 64 {allowed}.", path=path)
    return key


def read_change(kind: str, document: Any, path: str = "$") -> Change:
    """One definition's document, checked in form; its expressions are checked among all others when published."""
    if not isinstance(document, Mapping):
        raise InvalidInput("INVALID_DOCUMENT", f"{path}: a {kind} is an object.", path=path)
    key = _read_key(kind, document.get("key"), f"{path}.key")
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

    async def moves(connection: Connection, head: Head) -> list[Move]:
        return await drafted(connection, head, changes, prune=prune)

    return await _publish(pool, environment_id, moves, author, note, now, dry=dry)


async def rename(
    pool: Pool,
    environment_id: int,
    kind: str,
    key: str,
    new: str,
    author: str,
    now: Instant,
    note: str = "",
    *,
    expects: int | None = None,
) -> Plan:
    """The definition has another key, and everything that names it names it by that."""
    _read_key(kind, new, "$.key")

    async def moves(connection: Connection, head: Head) -> list[Move]:
        definition = head.named(kind, key)
        if new != key and head.find((kind, new)) is not None:
            raise Conflict("KEY_EXISTS", f"There is a {kind} {new!r} already; choose a key that nothing has.")
        change = Change(kind=kind, key=new, document=_keyed(definition, new), expects=expects, was=key)
        return await drafted(connection, head, [change])

    return await _publish(pool, environment_id, moves, author, note, now)


async def restore(
    pool: Pool, environment_id: int, revision: int, author: str, now: Instant, note: str = "", *, dry: bool = False
) -> Plan:
    """All definitions are as they were at a revision: what was deleted since is back, what is newer is gone."""

    async def moves(connection: Connection, head: Head) -> list[Move]:
        if not 0 < revision <= head.revision:
            raise NotFound("REVISION_NOT_FOUND", f"There is no revision {revision}; the newest is {head.revision}.")
        then = await definitions_at(connection, environment_id, revision)
        current = {d.id: d for d in head.definitions}
        keys = {d.name: current[d.id].key for d in then if d.id in current}
        last = await store.last_versions(connection, environment_id, [d.id for d in then if d.id not in current])
        found: list[Move] = []
        for definition in then:
            before = current.pop(definition.id, None)
            number = before.version if before is not None else last[definition.id]
            found.append((before, _returned(before, definition, rewritten(definition, keys), number, head)))
        return [*found, *((newer, None) for newer in current.values())]

    return await _publish(pool, environment_id, moves, author, note, now, dry=dry)


async def restore_version(
    pool: Pool,
    environment_id: int,
    kind: str,
    key: str,
    version: int,
    author: str,
    now: Instant,
    note: str = "",
    *,
    expects: int | None = None,
    dry: bool = False,
) -> Plan:
    """One definition says what it said in an older version, of what it named then: by the keys these have now."""

    async def moves(connection: Connection, head: Head) -> list[Move]:
        id = await store.find_definition(connection, environment_id, kind, key)
        rows = await store.list_versions(connection, environment_id, id) if id is not None else []
        row = next((row for row in rows if row["version"] == version), None)
        if row is None:
            raise NotFound("NOT_FOUND", f"There is no version {version} of a {kind} {key!r}.")
        then = read_definition(row)
        current = {d.id: d for d in head.definitions}
        before = current.get(then.id)
        _check_expected(Change(kind=kind, key=key, document={}, expects=expects), before)
        beside = await definitions_at(connection, environment_id, row["from_revision"])
        keys = {d.name: current[d.id].key for d in beside if d.id in current}
        # Of a deleted one the last key counts, as of a living one.
        named = _under(rewritten(then, keys), rows[0]["key"])
        return [(before, _returned(before, named, named, rows[0]["version"], head))]

    return await _publish(pool, environment_id, moves, author, note, now, dry=dry)


async def newest(pool: Pool, environment_id: int) -> list[Definition]:
    """The definitions as they were last saved, live or warming up."""
    async with acquired(pool) as connection:
        environment = await store.find_environment(connection, environment_id)
        return await definitions_at(connection, environment_id, environment["head_revision"])


#: A definition before and after; None before it was made, and after it was deleted. What has no id yet has one below 0.
Move = tuple[Definition | None, Definition | None]


@dataclass(frozen=True, slots=True)
class Head:
    """The newest revision of an environment, and what serves: the same, or what did before it warms up."""

    environment_id: int
    zone: str
    live: int
    revision: int
    definitions: tuple[Definition, ...]
    serving: tuple[Definition, ...]

    def find(self, name: Name) -> Definition | None:
        return next((d for d in self.definitions if d.name == name), None)

    def named(self, kind: str, key: str) -> Definition:
        definition = self.find((kind, key))
        if definition is None:
            raise NotFound("NOT_FOUND", f"There is no {kind} {key!r}.")
        return definition


async def read_head(connection: Connection, environment_id: int) -> Head:
    environment = await store.find_environment(connection, environment_id)
    live, head = environment["live_revision"], environment["head_revision"]
    definitions = tuple(await definitions_at(connection, environment_id, head))
    serving = definitions if live == head else tuple(await definitions_at(connection, environment_id, live))
    return Head(environment_id, environment["zone"], live, head, definitions, serving)


async def drafted(connection: Connection, head: Head, changes: Sequence[Change], *, prune: bool = False) -> list[Move]:
    """What the changes do to each definition: to those they name, in their order, then to those that name these."""
    known = {d.name: d for d in head.definitions}
    renames = await _renames(connection, head.environment_id, known, changes)
    former = {(kind, new): (kind, old) for (kind, old), new in renames.items()}
    moves: list[Move] = []
    for n, change in enumerate(changes):
        name = (change.kind, change.key)
        before = known.get(former.get(name, name)) if name in former or name not in renames else None
        _check_expected(change, before)
        if change.document is not None:
            moves.append((before, _revised(before, change, renames, -1 - n)))
        elif before is not None:
            moves.append((before, None))
        else:
            raise NotFound("NOT_FOUND", f"There is no {change.kind} {change.key!r}.")
    touched = {before.id for before, _ in moves if before is not None}
    rest = [d for d in sorted(head.definitions, key=lambda d: d.name) if d.id not in touched]
    if prune:
        return [*moves, *((definition, None) for definition in rest)]
    for definition in rest:
        renamed = rewritten(definition, renames)
        if renamed is not definition:
            moves.append((definition, msgspec.structs.replace(renamed, version=definition.version + 1)))
    return moves


async def _renames(
    connection: Connection, environment_id: int, known: Mapping[Name, Definition], changes: Sequence[Change]
) -> dict[Name, str]:
    """Old name → new key, for the changes whose rename has not happened yet."""
    found: dict[Name, str] = {}
    asked = {(change.kind, change.was) for change in changes if change.was is not None}
    for change in changes:
        old, new = (change.kind, change.was or change.key), (change.kind, change.key)
        if old == new or old not in known:
            continue
        if (taken := known.get(new)) is not None:
            if change.was in await store.keys_of(connection, environment_id, taken.id):
                continue  # a file says for ever what a definition once was
            if new not in asked:
                message = f"The {change.kind} {change.was!r} cannot become {change.key!r}: there is one already."
                raise Conflict("KEY_EXISTS", message)
        if change.kind == "trait" and hidden(change.key):
            message = f"$.key: in an expression {change.key!r} means something else; choose another key."
            raise InvalidInput("INVALID_KEY", message, path="$.key")
        found[old] = change.key
    return found


def _check_expected(change: Change, definition: Definition | None) -> None:
    version = definition.version if definition is not None else 0
    if change.expects is None or change.expects == version:
        return
    if change.expects == 0:
        raise Conflict("KEY_EXISTS", f"There is a {change.kind} {change.key!r} already; PUT replaces it.")
    found = f"is at version {version}" if version else "is gone"
    message = f"The {change.kind} {change.key!r} {found}, not {change.expects}: somebody else changed it meanwhile."
    raise Conflict("VERSION_CONFLICT", message, version=version)


def document_of(definition: Definition) -> dict[str, Any]:
    """The definition as it is stored."""
    if definition.flag is not None:
        return to_document(definition.flag)
    return {"expression": definition.expression, "description": definition.description}


def _keyed(definition: Definition, key: str) -> dict[str, Any]:
    document = document_of(definition)
    return {**document, "key": key} if definition.kind == "flag" else document


def _under(definition: Definition, key: str) -> Definition:
    flag = msgspec.structs.replace(definition.flag, key=key) if definition.flag is not None else None
    return msgspec.structs.replace(definition, key=key, flag=flag)


def _text(definition: Definition) -> bytes:
    """As text, because the order of a split's variants is part of what it says."""
    return msgspec.json.encode(document_of(definition))


def _revised(before: Definition | None, change: Change, renames: Mapping[Name, str], placeholder: int) -> Definition:
    """The next version of a definition, or itself where nothing changes."""
    assert change.document is not None
    flag = None
    if change.kind == "flag":
        salt = before.flag.salt if before is not None and before.flag is not None else secrets.token_hex(8)
        flag = read_flag(change.document, salt)
    expression = "" if flag is not None else change.document["expression"]
    after = Definition(
        id=before.id if before is not None else placeholder,
        version=before.version + 1 if before is not None else 1,
        kind=change.kind,
        key=change.key,
        expression=expression,
        flag=flag,
        description=change.document.get("description", ""),
    )
    if before is None:
        return after
    as_it_was = _under(rewritten(before, renames), change.key)
    if before.key == after.key and _text(before) == _text(after) and as_it_was == _under(before, change.key):
        return before
    same = _text(as_it_was) == _text(after) if flag is not None else _alike(as_it_was.expression, expression)
    return msgspec.structs.replace(after, meaning=before.meaning if same else after.version)


def _alike(one: str, other: str) -> bool:
    """Whether two expressions say the same words: layout and comments move nobody."""
    try:
        return one == other or parse(one) == parse(other)
    except SourceError:
        return False


def _returned(before: Definition | None, then: Definition, named: Definition, number: int, head: Head) -> Definition:
    """An older version as the next one; `named` is what it says by the keys of today, `number` the last version.

    What still serves keeps its meaning. One that was given up gets a new number even where it says the same: its
    memberships are gone."""
    same = before is not None and (
        before.meaning == then.meaning or (before.flag is None and _alike(before.expression, named.expression))
    )
    if before is not None and same and before.key == then.key and _text(before) == _text(then):
        return before
    if before is not None and same:
        meaning = before.meaning
    else:
        serves = any(d.id == then.id and d.meaning == then.meaning for d in head.serving)
        meaning = then.meaning if serves else number + 1
    return msgspec.structs.replace(then, version=number + 1, meaning=meaning)


def steps_between(before: Iterable[Definition], after: Iterable[Definition]) -> list[Step]:
    """How two sets of definitions differ, by kind and key; what is in both as it is, is left out."""
    olds, news = {d.id: d for d in before}, {d.id: d for d in after}
    steps = [_step(olds.get(id), news.get(id)) for id in olds.keys() | news.keys()]
    return sorted(
        (step for step in steps if step.action != "keep"), key=lambda step: (KINDS.index(step.kind), step.key)
    )


def steps_of(moves: Iterable[Move]) -> list[Step]:
    """What the moves change, in their order."""
    return [step for step in (_step(before, after) for before, after in moves) if step.action != "keep"]


def _step(before: Definition | None, after: Definition | None) -> Step:
    if after is None:
        assert before is not None
        return Step("delete", before.kind, before.key, before=document_of(before), version=before.version)
    document = document_of(after)
    if before is None:
        return Step("create", after.kind, after.key, after=document, version=after.version)
    same = before.meaning == after.meaning
    renamed = before.key != after.key
    action: Literal["keep", "rename", "update"] = "rename" if renamed else "update"
    if before.version == after.version:
        action = "keep"
    was = before.key if renamed else None
    return Step(action, after.kind, after.key, document_of(before), document, was, after.version, same)


async def _publish(
    pool: Pool,
    environment_id: int,
    moves_of: Callable[[Connection, Head], Awaitable[Sequence[Move]]],
    author: str,
    note: str,
    now: Instant,
    *,
    dry: bool = False,
) -> Plan:
    """Save the moves as one revision. `moves_of` finds them in the newest revision, and finds them anew where somebody
    else published meanwhile: messages are held up only while it is saved, not while it is compiled."""
    if len(note) > LONGEST_NOTE:
        raise InvalidInput("INVALID_REQUEST", f"A note has at most {LONGEST_NOTE:,} characters.")
    for patience in reversed(range(_TRIES + 1)):
        async with transaction(pool) as connection:
            if not patience and not dry:  # nobody else gets in between this time
                await store.begin_publish(connection, environment_id)
            head = await read_head(connection, environment_id)
            moves = await moves_of(connection, head)
            steps = tuple(_step(before, after) for before, after in moves)
            if all(step.action == "keep" for step in steps):
                return Plan(steps, head.revision)
            # Compiling is the check: it raises with every diagnostic before anything is written.
            wanted = following(head, moves)
            catalog = await compiled(environment_id, head.zone, head.serving, wanted, head.live, head.revision + 1)
            if dry:
                return Plan(steps, head.revision, catalog.must_warm)
            given_up = await _begun(head) if not catalog.must_warm else set()
            await store.begin_publish(connection, environment_id)
            environment = await store.find_environment(connection, environment_id)
            if (environment["live_revision"], environment["head_revision"]) == (head.live, head.revision):
                warming = await _save(connection, head, moves, catalog, given_up, author, note, now)
                return Plan(steps, head.revision + 1, warming)
    raise AssertionError("the last try holds the lock from the beginning")


async def _begun(head: Head) -> set[int]:
    """The fingerprints that a warm-up under way has begun to fill."""
    if head.live == head.revision:
        return set()
    catalog = await compiled(head.environment_id, head.zone, head.serving, head.definitions, head.live, head.revision)
    return {segment.fingerprint for segment in catalog.segments if segment.is_next}


async def _save(
    connection: Connection,
    head: Head,
    moves: Sequence[Move],
    catalog: Catalog,
    given_up: Collection[int],
    author: str,
    note: str,
    now: Instant,
) -> bool:
    """The next revision is written, and live unless profiles have to be gone through first. Gives whether they have."""
    environment_id, revision = head.environment_id, head.revision + 1
    await store.append_revision(connection, environment_id, revision, author, note, now)
    for before, after in moves:
        if before is not after:
            await _save_version(connection, environment_id, revision, before, after, now)
    warming = False
    if catalog.must_warm:
        warming = await store.start_backfill(connection, environment_id, revision, now) > 0
    await store.set_revisions(connection, environment_id, head.live if warming else revision, revision)
    if not warming:
        await store.mark_live(connection, environment_id, revision, now)
        await _swap_memberships(connection, catalog, now, given_up)
    await announce_revision(connection, environment_id)
    return warming


def following(head: Head, moves: Sequence[Move]) -> list[Definition]:
    """The definitions of the revision after these moves, refused where it could not be one."""
    replaced = {before.id for before, _ in moves if before is not None}
    wanted = [d for d in head.definitions if d.id not in replaced] + [after for _, after in moves if after is not None]
    # Old ones by id, as they are read, then new ones in the order of the changes.
    wanted.sort(key=lambda d: (d.id < 0, abs(d.id)))
    names: set[Name] = set()
    for definition in wanted:
        if definition.name in names:
            raise Conflict("KEY_EXISTS", f"There would be two {definition.kind}s {definition.key!r}.")
        names.add(definition.name)
    for before, after in moves:
        if before is not None and after is None and before.name not in names:
            _refuse_if_referenced(before.name, wanted)
    return wanted


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


def _refuse_if_referenced(name: Name, definitions: Iterable[Definition]) -> None:
    users = [d for d in definitions if name in references_of(d)]
    if users:
        listed = ", ".join(f"{d.kind} {d.key}" for d in users)
        raise Conflict(
            "REFERENCED",
            f"The {name[0]} {name[1]!r} is used by {listed}; change these first.",
            usedBy=[{"kind": d.kind, "key": d.key} for d in users],
        )


async def finish_warming(connection: Connection, catalog: Catalog, now: Instant) -> None:
    """Make the head revision live: its memberships become the segments', in this one transaction.

    The caller holds the exclusive lock of begin_publish, and `catalog` is that of the current revisions."""
    assert catalog.next is not None
    environment_id, head = catalog.environment_id, catalog.head
    await _swap_memberships(connection, catalog, now)
    await store.set_revisions(connection, environment_id, head, head)
    await store.finish_backfill(connection, environment_id, head, now)
    await store.mark_live(connection, environment_id, head, now)
    await announce_revision(connection, environment_id)


async def _swap_memberships(
    connection: Connection, catalog: Catalog, now: Instant, given_up: Collection[int] = ()
) -> None:
    """Who enters and leaves because the next revision serves is history, and what it does not have is gone. Everybody
    leaves a segment that is deleted. `given_up` was begun by a warm-up that came to nothing."""
    assert catalog.next is not None
    changed: list[tuple[int, int | None, int | None]]
    changed = [(s.id, s.was, s.fingerprint) for s in catalog.segments if s.is_next]
    staying = {d.id for d in catalog.next.definitions.values()}
    changed += [(s.id, s.fingerprint, None) for s in catalog.segments if not s.is_next and s.id not in staying]
    await store.settle_transitions(connection, catalog.environment_id, now, changed)
    dead = {*catalog.live.fingerprints.values(), *given_up} - set(catalog.next.fingerprints.values())
    await store.sweep_memberships(connection, catalog.environment_id, sorted(dead))
