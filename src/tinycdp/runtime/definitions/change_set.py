"""Changes of definitions: read from documents, applied to a revision, compared.

Shape   read_documents(…), read_change(…) → Change · draft_moves(…, head, changes) → Moves · restored_version(…) → an
        older version as the next one · next_definitions(head, moves) → the definitions of the next revision ·
        steps_of(moves), steps_between(before, after) → Steps: how two sets of definitions differ
Laws    a document with the same content changes nothing, nor does one whose due steps are already saved.
        The salt of a flag is minted once and survives every edit.
        A new layout, a new key, or a new key of a referenced definition does not change the meaning.
        An abandoned meaning is never used again
Errors  InvalidInput for an invalid document · NotFound · Conflict REFERENCED with the list, KEY_EXISTS,
        VERSION_CONFLICT
Source  docs/decisions/0009-live-and-candidate.md, 0017-preview-and-replay.md
"""

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import msgspec

from tinycdp.dsl.diagnostics import SourceError
from tinycdp.dsl.editor.rename import needs_qualifier
from tinycdp.dsl.fields import shown, valid_instead
from tinycdp.dsl.parser import parse
from tinycdp.engine.catalog import Definition, Name
from tinycdp.engine.flags.document import Flag, problems_of, read_flag, settled, to_document
from tinycdp.errors import Conflict, InvalidInput
from tinycdp.model import Instant
from tinycdp.runtime.definitions.changes import Change, Step
from tinycdp.runtime.definitions.product_kinds import names_of_kinds, product_of
from tinycdp.runtime.definitions.references import references_of, rewritten
from tinycdp.runtime.definitions.unknown import unknown as unknown_definition
from tinycdp.store import definitions as store
from tinycdp.store.database.pool import Connection

KINDS = ("trait", "segment", "flag")
_KEY = {"trait": re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}"), "segment": re.compile(r"[A-Za-z0-9._~:-]{1,64}")}
_KEY["flag"] = _KEY["segment"]
#: In an address, `.` and `..` are steps of the path: clients resolve them before they send it, encoded or not.
_STEPS = (".", "..")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_FIELDS = {
    "trait": {"key", "expression", "rule", "description"},
    "segment": {"key", "expression", "rule", "static", "description"},
}


@dataclass(frozen=True, slots=True)
class Head:
    """The newest revision of an environment, and the live one, which is older during a backfill."""

    environment_id: int
    zone: str
    live: int
    revision: int
    definitions: tuple[Definition, ...]
    serving: tuple[Definition, ...]

    def find(self, name: Name) -> Definition | None:
        return next((d for d in self.definitions if d.name == name), None)

    def require(self, kind: str, key: str) -> Definition:
        definition = self.find((kind, key))
        if definition is None:
            raise unknown_definition(kind, key, (d.name for d in self.definitions))
        return definition


#: A definition before and after; None before its creation and after its deletion. A new one has an id below 0.
Move = tuple[Definition | None, Definition | None]


def every_kind() -> tuple[str, ...]:
    """The kinds of definitions in the order of files: those of the core, then those of products."""
    return (*KINDS, *names_of_kinds())


def split_changes(changes: Iterable[Change]) -> tuple[list[Change], list[Change]]:
    """The changes of the core's kinds, and those of products."""
    listed = list(changes)
    return [c for c in listed if c.kind in KINDS], [c for c in listed if c.kind not in KINDS]


def line_of(step: Step) -> str:
    """`~ trait opens`, `> segment regulars -> loyal`"""
    sign = {"create": "+", "update": "~", "rename": ">", "delete": "-", "keep": " "}[step.action]
    return f"{sign} {step.kind} {step.was} -> {step.key}" if step.was else f"{sign} {step.kind} {step.key}"


def read_documents(documents: Iterable[Mapping[str, Any]]) -> list[Change]:
    """The changes in definition files, which have lists under `traits`, `segments` and `flags`."""
    changes = []
    for document in documents:
        lists = [f"{kind}s" for kind in every_kind()]
        if unknown := sorted(document.keys() - set(lists)):
            raise InvalidInput("INVALID_DOCUMENT", f"$.{unknown[0]}: expected {' or '.join(lists)}.")
        for kind in every_kind():
            for n, entry in enumerate(document.get(f"{kind}s") or ()):
                changes.append(read_entry(kind, entry, f"$.{kind}s[{n}]"))
    named: set[Name] = set()
    for change in changes:
        if (change.kind, change.key) in named:
            raise InvalidInput("INVALID_DOCUMENT", f"The {change.kind} {change.key!r} is defined twice.")
        named.add((change.kind, change.key))
    return changes


def read_entry(kind: str, entry: Any, path: str) -> Change:
    """An entry of a file, which may have `was`: its former key."""
    if not isinstance(entry, Mapping) or "was" not in entry:
        return read_change(kind, entry, path)
    was = read_key(kind, entry["was"], f"{path}.was")
    change = read_change(kind, {name: value for name, value in entry.items() if name != "was"}, path)
    return msgspec.structs.replace(change, was=was)


def a_kind(kind: str) -> str:
    """`a flag`, `an event`"""
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def read_key(kind: str, key: Any, path: str) -> str:
    if key is None:
        raise InvalidInput("INVALID_KEY", f"{path}: the key is missing.", path=path)
    if not isinstance(key, str) or not _KEY.get(kind, _KEY["segment"]).fullmatch(key):
        allowed = "letters, digits and _, not starting with a digit" if kind == "trait" else "letters, digits and ._~:-"
        message = f"{path}: {a_kind(kind)}'s key is 1 to 64 {allowed}."
        if kind == "trait" and isinstance(key, str) and "." in key:
            message += " A dot leads to a member in an expression; write _ instead."
        raise InvalidInput("INVALID_KEY", message, path=path)
    if key in _STEPS:
        message = f"{path}: {key!r} is no key: in an address it is a step of the path. Choose a name."
        raise InvalidInput("INVALID_KEY", message, path=path)
    return key


def read_change(kind: str, document: Any, path: str = "$") -> Change:
    """The change of one definition's document, with its form checked.

    Its expressions are checked on publish, among all other definitions. The error has the first problem; if there are
    several, `problems` in its details has each path and message."""
    if not isinstance(document, Mapping):
        raise InvalidInput("INVALID_DOCUMENT", f"{path}: {a_kind(kind)} is an object.", path=path)
    found = list(_problems(kind, document, path))
    if found:
        first = found[0]
        more = {"problems": [{"path": p.details["path"], "message": p.message} for p in found]} if found[1:] else {}
        raise InvalidInput(first.code, first.message, path=first.details["path"], **more)
    key: str = document["key"]
    if (product := product_of(kind)) is not None:
        return Change(kind=kind, key=key, document=product.normal(kind, document))
    if kind == "flag":
        return Change(kind=kind, key=key, document=dict(document))
    if document.get("static"):
        # The members are data, and no part of it.
        return Change(kind=kind, key=key, document={"static": True, "description": document.get("description") or ""})
    text = document["expression"] if "expression" in document else document["rule"]
    saved = {"expression": text, "description": document.get("description") or ""}
    return Change(kind=kind, key=key, document=saved)


def _problems(kind: str, document: Mapping[str, Any], path: str) -> Iterator[InvalidInput]:
    """What is wrong with the form of a document."""

    def wrong(field: str, message: str) -> InvalidInput:
        where = f"{path}.{field}"
        return InvalidInput("INVALID_DOCUMENT", f"{where}: {message}", path=where)

    try:
        read_key(kind, document.get("key"), f"{path}.key")
    except InvalidInput as error:
        yield error
    yield from _unstorable(document, path)
    if (product := product_of(kind)) is not None:
        for inside, message in product.problems(kind, document):
            if inside != "$.key":
                where = path + inside.removeprefix("$")
                yield InvalidInput("INVALID_DOCUMENT", f"{where}: {message}", path=where)
        return
    if kind == "flag":
        if isinstance(document.get("key"), str):
            yield from _problems_of_flag(document, path)
        return
    for name in sorted(document.keys() - _FIELDS[kind]):
        yield wrong(name, f"a {kind} has no such field. {valid_instead(name, sorted(_FIELDS[kind]))}")
    own = "expression" if kind == "trait" else "rule"
    given = [name for name in ("expression", "rule") if name in document]
    static = document.get("static", False) if kind == "segment" else False
    if not isinstance(static, bool):
        yield wrong("static", f"expected true or false; found {shown(static)}.")
    elif static and any(document[name] not in (None, "") for name in given):
        yield wrong(given[0], "a static segment has no rule; its members are listed. Leave out one of the two.")
    elif static:
        given = []
    elif len(given) > 1:
        yield wrong(given[1], f"`expression` and `rule` are one field; keep `{own}`.")
    elif not given:
        yield wrong(own, "the expression is missing.")
    for name in given:
        if not isinstance(document[name], str):
            yield wrong(name, f"expected a string; found {shown(document[name])}.")
    if not isinstance(document.get("description"), str | None):
        yield wrong("description", f"expected a string; found {shown(document['description'])}.")


def _problems_of_flag(document: Mapping[str, Any], path: str) -> Iterator[InvalidInput]:
    try:
        read_flag(dict(document), "")
    except InvalidInput as error:
        for problem in problems_of(error):
            inside = problem["path"]
            # In a file or a list, the path leads to the flag first.
            where = path + inside.removeprefix("$")
            yield InvalidInput(error.code, f"{where}: {problem['message'].removeprefix(f'{inside}: ')}", path=where)


def _unstorable(document: Mapping[str, Any], path: str) -> Iterator[InvalidInput]:
    """Texts that Postgres cannot store."""
    pending: list[tuple[str, Any]] = [(path, document)]
    while pending:
        where, value = pending.pop()
        if isinstance(value, str) and _UNSTORABLE.search(value):
            message = f"{where}: the text has U+0000 or half a surrogate pair, which cannot be stored. Remove it."
            yield InvalidInput("INVALID_DOCUMENT", message, path=where)
        elif isinstance(value, Mapping):
            pending += [(f"{where}.{name}", inner) for name, inner in value.items()]
            pending += [(f"{where}.(key)", name) for name in value if _UNSTORABLE.search(str(name))]
        elif isinstance(value, list | tuple):
            pending += [(f"{where}[{n}]", inner) for n, inner in enumerate(value)]


def drafted(changes: Iterable[Change]) -> list[Definition]:
    """The definitions of changes that create all of them, as a publish in an empty environment would make them."""
    return [_revised(None, change, {}, -1 - n, 0) for n, change in enumerate(changes)]


async def draft_moves(
    connection: Connection, head: Head, changes: Sequence[Change], now: Instant, *, prune: bool = False
) -> list[Move]:
    """What the changes do to each definition.

    The definitions that they name come first, then those that refer to these."""
    known = {d.name: d for d in head.definitions}
    renames = await _renames(connection, head.environment_id, known, changes)
    former = {(kind, new): (kind, old) for (kind, old), new in renames.items()}
    moves: list[Move] = []
    for n, change in enumerate(changes):
        name = (change.kind, change.key)
        before = known.get(former.get(name, name)) if name in former or name not in renames else None
        check_expected(change, before)
        if change.document is not None:
            moves.append((before, _revised(before, change, renames, -1 - n, now)))
        elif before is not None:
            moves.append((before, None))
        else:
            raise unknown_definition(change.kind, change.key, known)
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
        if change.was is not None and change.document is None:
            message = f"The {change.kind} {change.key!r} cannot be renamed and deleted at once."
            raise InvalidInput("INVALID_DOCUMENT", message)
        if old == new or old not in known:
            continue
        if (taken := known.get(new)) is not None:
            if change.was in await store.keys_of(connection, environment_id, taken.id):
                continue  # a file may keep `was` after the rename
            if new not in asked:
                message = f"The {change.kind} {change.was!r} cannot become {change.key!r}: that key is in use."
                raise Conflict("KEY_EXISTS", message)
        if change.kind == "trait" and needs_qualifier(change.key):
            message = f"$.key: in an expression {change.key!r} means something else; choose another key."
            raise InvalidInput("INVALID_KEY", message, path="$.key")
        if old in found:
            message = f"The {change.kind} {change.was!r} cannot become both {found[old]!r} and {change.key!r}."
            raise InvalidInput("INVALID_DOCUMENT", message)
        found[old] = change.key
    return found


class Versioned(Protocol):
    """What has a version."""

    @property
    def version(self) -> int: ...


def check_expected(change: Change, definition: Versioned | None) -> None:
    version = definition.version if definition is not None else 0
    if change.expects is None or change.expects == version:
        return
    if change.expects == 0:
        raise Conflict("KEY_EXISTS", f"There is a {change.kind} {change.key!r} already; PUT replaces it.")
    found = f"is at version {version}" if version else "is gone"
    message = (
        f"The {change.kind} {change.key!r} {found}, not {change.expects}: it was changed meanwhile. Read it again."
    )
    raise Conflict("VERSION_CONFLICT", message, version=version)


def _revised(
    before: Definition | None, change: Change, renames: Mapping[Name, str], placeholder: int, now: Instant
) -> Definition:
    """The next version of a definition; itself if nothing changes."""
    assert change.document is not None
    flag = None
    if change.kind == "flag":
        salt = before.flag.salt if before is not None and before.flag is not None else secrets.token_hex(8)
        flag = read_flag(change.document, salt)
        if before is not None and before.flag is not None and _settles_to(flag, before.flag, now):
            flag = before.flag
    expression = "" if flag is not None else change.document.get("expression", "")
    after = Definition(
        id=before.id if before is not None else placeholder,
        version=before.version + 1 if before is not None else 1,
        kind=change.kind,
        key=change.key,
        expression=expression,
        flag=flag,
        description=change.document.get("description", ""),
        static=flag is None and bool(change.document.get("static")),
    )
    if before is None:
        return after
    as_it_was = with_key(rewritten(before, renames), change.key)
    if before.key == after.key and _text(before) == _text(after) and as_it_was == with_key(before, change.key):
        return before
    same = _text(as_it_was) == _text(after) if flag is not None else _same_rule(as_it_was, after)
    return msgspec.structs.replace(after, meaning=before.meaning if same else after.version)


def restored_version(
    before: Definition | None, then: Definition, named: Definition, number: int, head: Head
) -> Definition:
    """An older version as the next one.

    named   the older version with the keys of today
    number  the last version

    A meaning that still serves is kept. An abandoned one gets a new number even for the same text: its memberships are
    deleted."""
    same = before is not None and (
        before.meaning == then.meaning or (before.flag is None and _same_rule(before, named))
    )
    if before is not None and same and before.key == then.key and _text(before) == _text(then):
        return before
    if before is not None and same:
        meaning = before.meaning
    else:
        serves = any(d.id == then.id and d.meaning == then.meaning for d in head.serving)
        meaning = then.meaning if serves else number + 1
    return msgspec.structs.replace(then, version=number + 1, meaning=meaning)


def next_definitions(head: Head, moves: Sequence[Move]) -> list[Definition]:
    """The definitions after these moves. Raises Conflict if keys or references would be invalid."""
    replaced = {before.id for before, _ in moves if before is not None}
    wanted = [d for d in head.definitions if d.id not in replaced] + [after for _, after in moves if after is not None]
    # Existing definitions by id, then new ones in the order of the changes.
    wanted.sort(key=lambda d: (d.id < 0, abs(d.id)))
    names: set[Name] = set()
    for definition in wanted:
        if definition.name in names:
            raise Conflict("KEY_EXISTS", f"There would be two {definition.kind}s {definition.key!r}.")
        names.add(definition.name)
    for before, after in moves:
        if before is not None and after is None and before.name not in names:
            _reject_if_referenced(before.name, wanted)
    return wanted


def _reject_if_referenced(name: Name, definitions: Iterable[Definition]) -> None:
    users = [d for d in definitions if name in references_of(d)]
    if users:
        listed = ", ".join(f"{d.kind} {d.key}" for d in users)
        raise Conflict(
            "REFERENCED",
            f"The {name[0]} {name[1]!r} is used by {listed}; change these first.",
            usedBy=[{"kind": d.kind, "key": d.key} for d in users],
        )


def steps_between(before: Iterable[Definition], after: Iterable[Definition]) -> list[Step]:
    """How two sets of definitions differ, by kind and key. Unchanged definitions are left out."""
    olds, news = {d.id: d for d in before}, {d.id: d for d in after}
    steps = [step_of(olds.get(id), news.get(id)) for id in olds.keys() | news.keys()]
    return sorted(
        (step for step in steps if step.action != "keep"), key=lambda step: (KINDS.index(step.kind), step.key)
    )


def steps_of(moves: Iterable[Move]) -> list[Step]:
    """The steps of the moves, in their order, without those that change nothing."""
    return [step for step in (step_of(before, after) for before, after in moves) if step.action != "keep"]


def step_of(before: Definition | None, after: Definition | None) -> Step:
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


def document_of(definition: Definition) -> dict[str, Any]:
    """The document of a definition, as it is stored."""
    if definition.flag is not None:
        return to_document(definition.flag)
    if definition.static:
        return {"static": True, "description": definition.description}
    return {"expression": definition.expression, "description": definition.description}


def document_with_key(definition: Definition, key: str) -> dict[str, Any]:
    document = document_of(definition)
    return {**document, "key": key} if definition.kind == "flag" else document


def with_key(definition: Definition, key: str) -> Definition:
    flag = msgspec.structs.replace(definition.flag, key=key) if definition.flag is not None else None
    return msgspec.structs.replace(definition, key=key, flag=flag)


def _text(definition: Definition) -> bytes:
    """As text, because the order of a split's variants matters."""
    return msgspec.json.encode(document_of(definition))


def _flag_text(flag: Flag) -> bytes:
    return msgspec.json.encode(to_document(flag))


def _settles_to(flag: Flag, there: Flag, now: Instant) -> bool:
    """Whether a saved flag is this one with its due steps applied.

    A file in a repository still has steps that were saved as revisions meanwhile; publishing it must not undo them."""
    due = settled(flag, now)
    return due != flag and _flag_text(due) == _flag_text(settled(there, now))


def _same_rule(one: Definition, other: Definition) -> bool:
    """Whether two expressions differ in layout and comments at most, or both are lists."""
    if one.static or other.static:
        return one.static is other.static
    try:
        return one.expression == other.expression or parse(one.expression) == parse(other.expression)
    except SourceError:
        return False
