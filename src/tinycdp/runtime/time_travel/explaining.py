"""Why a definition gives one profile what it does: live or drafted, at any instant.

Shape   explain_live(…) and explain_draft(…) → Explained: the sentence, and the evaluator's own tree
Units   instants are ISO 8601 in UTC, durations are seconds
Laws    of a live definition it is now what a decision says, of a past instant what a replay says, and of a future one
        what the engine says then if nothing arrives. A draft is explained as if it had been published, from raw
        messages. Nothing is written, and no exposure is recorded
Errors  NotFound NOT_FOUND, FLAG_NOT_FOUND, EVENTS_DROPPED · for a draft, what a publish of it would raise
Source  docs/reference/explain.md
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from tinycdp.dsl.diagnostics import SourceError
from tinycdp.engine.catalog import Catalog, Definition, Name
from tinycdp.errors import InvalidInput, NotFound
from tinycdp.model import Identifier, Instant
from tinycdp.runtime.decisions.decide import ProfileLoader, prepare
from tinycdp.runtime.decisions.snapshots import Snapshot
from tinycdp.runtime.definitions import kill_switches
from tinycdp.runtime.definitions.change_set import Head, draft_moves, next_definitions, split_changes
from tinycdp.runtime.definitions.changes import Change
from tinycdp.runtime.definitions.publish import read_head
from tinycdp.runtime.definitions.references import closure, references_of
from tinycdp.runtime.definitions.unknown import unknown
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.profiles.explanations import (
    DefinitionExplanation,
    FlagExplanation,
    explained_definition,
    explained_flag,
)
from tinycdp.runtime.profiles.skipped import Skipped, skipped_by, with_skipped
from tinycdp.runtime.time_travel.as_of import Past, view_by
from tinycdp.runtime.time_travel.preview import catalog_of
from tinycdp.store.database.pool import snapshot as one_snapshot
from tinycdp.times import iso

Tense = Literal["past", "now", "future"]


@dataclass(frozen=True, slots=True)
class ExplainRequest:
    """What is to be explained, for whom, and of which instant.

    at           None for now
    min_version  of the profile, where it is read as it is now"""

    name: Name
    identifier: Identifier
    at: Instant | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    min_version: int = 0


@dataclass(frozen=True, slots=True)
class Explained:
    """One definition explained for one profile: either `definition` or `flag` is there.

    tense    whether `as_of` is past, now or to come; what is to come holds if nothing arrives
    draft    it is explained as drafted, not as it serves
    skipped  values that do not count because they are text; None if they were not looked for"""

    sentence: str
    definition: DefinitionExplanation | None
    flag: FlagExplanation | None
    profile_id: str | None
    version: int
    revision: int
    stale: bool
    zone: str
    as_of: str
    tense: Tense
    draft: bool
    skipped: list[Skipped] | None


async def explain_live(environment: Environment, loader: ProfileLoader, past: Past, asked: ExplainRequest) -> Explained:
    """Explain a definition as it serves: of the live revision, or of the one that was live then."""
    now = environment.now()
    tense = _tense(asked.at, now)
    if asked.at is not None and tense == "past":
        view = await past.view(environment.id, asked.identifier, asked.at)
        _require(view.catalog, asked.name, f" at revision {view.catalog.revision}")
        view.require([asked.name], asked.at)
        return _explained(asked, view.catalog, view.snapshot, asked.at, tense)
    kind, key = asked.name
    flags = (key,) if kind == "flag" else ()
    catalog, snapshot, stale = await loader.load(environment.id, asked.identifier, now, asked.min_version, flags)
    _require(catalog, asked.name)
    if asked.at is not None:
        return _explained(asked, catalog, snapshot.moved_to(asked.at), asked.at, tense, stale=stale)
    skipped = None if stale else (await skipped_by(environment, catalog, [asked.name], snapshot))[asked.name]
    found = _explained(asked, catalog, snapshot, environment.now(), tense, skipped, stale=stale)
    snapshot.release()
    return found


async def explain_draft(
    environment: Environment, loader: ProfileLoader, asked: ExplainRequest, changes: Sequence[Change]
) -> Explained:
    """Explain a definition as these changes of the newest revision would make it."""
    now = environment.now()
    at, tense = asked.at if asked.at is not None else now, _tense(asked.at, now)
    own, _ = split_changes(changes)
    async with one_snapshot(environment.pool) as connection:
        head = await read_head(connection, environment.id)
        moves = await draft_moves(connection, head, [_salted(change, head) for change in own], now)
        catalog = await _drafted(head, asked.name, next_definitions(head, moves))
        _require(catalog, asked.name)
        killed = await kill_switches.in_force(connection, environment.id, at)
        view = await view_by(connection, catalog, asked.identifier, at)
    view.require([asked.name], at)
    snapshot, kind = view.snapshot, asked.name[0]
    if kind == "flag" and tense != "past":
        await loader.read_kept(catalog, snapshot, (asked.name[1],))
    skipped = (await skipped_by(environment, catalog, [asked.name], snapshot))[asked.name] if tense == "now" else None
    return _explained(asked, catalog, snapshot, at, tense, skipped, draft=True, killed=killed)


async def _drafted(head: Head, name: Name, definitions: Sequence[Definition]) -> Catalog:
    """The catalog of one definition and of all that it reads: an editor asks with every pause in its typing."""
    by_name = {definition.name: definition for definition in definitions}
    if name not in by_name:
        raise unknown(*name, by_name, _code(name))
    try:
        edges = {one: references_of(definition) for one, definition in by_name.items()}
        needed = {name, *closure([name], edges)}
        return await catalog_of(head, [definition for definition in definitions if definition.name in needed])
    except (InvalidInput, SourceError):
        # Among all definitions, so that the error can name the nearest one.
        return await catalog_of(head, definitions)


def _salted(change: Change, head: Head) -> Change:
    """The change, with a salt that is the same each time if it makes a flag: a publish would mint one."""
    if change.kind != "flag" or change.document is None or change.document.get("salt"):
        return change
    if head.find(("flag", change.was or change.key)) is not None:
        return change
    return msgspec.structs.replace(change, document={**change.document, "salt": change.key})


def _tense(at: Instant | None, now: Instant) -> Tense:
    if at is None:
        return "now"
    return "past" if at <= now else "future"


def _require(catalog: Catalog, name: Name, where: str = "") -> None:
    """Raise NotFound if there is no such definition, or if it is a flag that is archived."""
    kind, key = name
    live = catalog.live
    if name in live.definitions and (kind != "flag" or key in live.flags):
        return
    if where:
        raise NotFound(_code(name), f"There was no {kind} {key[:100]!r}{where}.")
    raise unknown(kind, key, (one for one in live.definitions if one != name), _code(name))


def _code(name: Name) -> str:
    return "FLAG_NOT_FOUND" if name[0] == "flag" else "NOT_FOUND"


def _explained(
    asked: ExplainRequest,
    catalog: Catalog,
    snapshot: Snapshot,
    at: Instant,
    tense: Tense,
    skipped: list[Skipped] | None = None,
    *,
    stale: bool = False,
    draft: bool = False,
    killed: Mapping[int, Any] | None = None,
) -> Explained:
    # Nothing is awaited in here: other requests about this profile may share the snapshot.
    prepare(catalog, snapshot, at, asked.context)
    if killed is not None:
        snapshot.killed = killed
    part, flag = None, None
    if asked.name[0] == "flag":
        flag = explained_flag(catalog, asked.name[1], snapshot, skipped)
        sentence = flag.sentence
    else:
        part = explained_definition(catalog, asked.name, snapshot)
        sentence = with_skipped(part.sentence, skipped or ())
    return Explained(
        sentence=sentence,
        definition=part,
        flag=flag,
        profile_id=str(snapshot.profile_id) if snapshot.profile_id else None,
        version=snapshot.version,
        revision=catalog.revision,
        stale=stale,
        zone=catalog.zone,
        as_of=iso(at),
        tense=tense,
        draft=draft,
        skipped=skipped,
    )
