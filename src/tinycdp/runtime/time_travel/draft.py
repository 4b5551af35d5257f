"""A draft of definitions on one profile, at any past or future instant.

Shape   try_draft(environment, changes, identifier, at, …) → DraftOnProfile: each changed definition, and each that
        depends on one, before and after, with the explanation
Units   instants are ISO 8601 in UTC, durations are seconds
Laws    `after` is what the profile gets at that instant if the changes are published, and no further message arrives;
        of a past instant, what it would have got. Both sides come from the same raw messages. Nothing is written
Errors  what a publish of the changes would raise · NotFound EVENTS_DROPPED
Source  docs/reference/definitions.md "Try a draft on a profile"
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinycdp.engine.catalog import Catalog, Definition, Name
from tinycdp.engine.flags.decide import decide
from tinycdp.model import Identifier, Instant
from tinycdp.runtime.decisions.decide import prepare
from tinycdp.runtime.decisions.snapshots import Snapshot
from tinycdp.runtime.definitions import kill_switches
from tinycdp.runtime.definitions.change_set import draft_moves, next_definitions, split_changes
from tinycdp.runtime.definitions.changes import Change
from tinycdp.runtime.definitions.publish import read_head
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.profiles.explanations import (
    DefinitionExplanation,
    FlagExplanation,
    explained_definition,
    explained_flag,
)
from tinycdp.runtime.profiles.views import plain
from tinycdp.runtime.time_travel.as_of import View, view_by
from tinycdp.runtime.time_travel.preview import affected, catalog_of
from tinycdp.store.database.pool import snapshot
from tinycdp.times import iso, iso_or_none


@dataclass(frozen=True, slots=True)
class DraftValue:
    """What one definition gives the profile.

    value  of a trait; whether it is in the segment; the value of the flag's variant. None if unknown
    until  the first instant at which it may change without a message, None for never"""

    value: Any
    variant: str | None
    until: str | None


@dataclass(frozen=True, slots=True)
class DraftedDefinition:
    """One definition, before and after.

    key, after   None if it is deleted
    was, before  None if it is new"""

    kind: str
    key: str | None
    was: str | None
    before: DraftValue | None
    after: DraftValue | None
    definition: DefinitionExplanation | None
    flag: FlagExplanation | None


@dataclass(frozen=True, slots=True)
class DraftOnProfile:
    """What a draft gives one profile.

    profile_id  None if the profile is unknown at that instant
    revision    the one that `before` refers to"""

    profile_id: str | None
    revision: int
    as_of: str
    definitions: list[DraftedDefinition]


async def try_draft(
    environment: Environment,
    changes: Sequence[Change],
    identifier: Identifier,
    at: Instant | None,
    context: Mapping[str, Any],
    *,
    prune: bool,
) -> DraftOnProfile:
    """Try the changes on the profile of an identifier, by default now."""
    now = environment.now()
    at = at if at is not None else now
    own, _ = split_changes(changes)
    async with snapshot(environment.pool) as connection:
        head = await read_head(connection, environment.id)
        wanted = next_definitions(head, await draft_moves(connection, head, own, now, prune=prune))
        catalogs = await catalog_of(head, head.definitions), await catalog_of(head, wanted)
        killed = await kill_switches.in_force(connection, environment.id, at)
        before, after = [await view_by(connection, catalog, identifier, at) for catalog in catalogs]
    moves = affected(*catalogs)
    for view, names in ((before, [_name(old) for old, _ in moves]), (after, [_name(new) for _, new in moves])):
        view.require([name for name in names if name is not None], at)
        prepare(view.catalog, view.snapshot, at, context)
        view.snapshot.killed = killed
    return DraftOnProfile(
        str(after.snapshot.profile_id) if after.snapshot.profile_id else None,
        head.revision,
        iso(at),
        [_drafted(old, new, before, after, at) for old, new in moves],
    )


def _drafted(
    old: Definition | None, new: Definition | None, before: View, after: View, at: Instant
) -> DraftedDefinition:
    one = new if new is not None else old
    assert one is not None
    name = _name(new)
    is_flag = one.kind == "flag"
    return DraftedDefinition(
        kind=one.kind,
        key=new.key if new is not None else None,
        was=old.key if old is not None else None,
        before=_value(before.catalog, _name(old), before.snapshot, at),
        after=_value(after.catalog, name, after.snapshot, at),
        definition=explained_definition(after.catalog, name, after.snapshot) if name and not is_flag else None,
        flag=explained_flag(after.catalog, name[1], after.snapshot) if name and is_flag else None,
    )


def _value(catalog: Catalog, name: Name | None, profile: Snapshot, at: Instant) -> DraftValue | None:
    if name is None:
        return None
    if name[0] == "flag":
        decision = decide(catalog.live.flags[name[1]], profile, at)
        return DraftValue(decision.value, decision.variant, iso_or_none(decision.until))
    value, until = profile.result(name, at)
    return DraftValue(plain(value, catalog.live.nodes[name].type), None, iso_or_none(until))


def _name(definition: Definition | None) -> Name | None:
    return (definition.kind, definition.key) if definition is not None else None
