"""Data for the editor of definitions: scopes and explanations that know the environment.

Shape   SeenPropertiesCache → properties seen recently, by environment · editor_scope(workspace, …) → Scope and
        describe(…) for dsl.complete and dsl.hover · describe_source(workspace, …) → its meaning in plain English
Laws    Seen names and types are hints only; checking an expression does not use them.
        They are read from a bounded number of rows, and are at most a minute old.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from tinycdp.dsl import ir
from tinycdp.dsl.check.expressions import Checked, Scope, check
from tinycdp.dsl.editor.describe import Description, describe_expression
from tinycdp.dsl.ir import Type
from tinycdp.engine.catalog import CompiledSet, Name
from tinycdp.engine.flags.document import Flag
from tinycdp.model import MINUTE_MS, Instant
from tinycdp.runtime.definitions.workspace import (
    Kind,
    Meaning,
    Workspace,
    scope_of,
    understand_checked,
    understand_flag,
)
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.schema.registry_reads import types_seen
from tinycdp.store import events as event_store
from tinycdp.store import profiles as profile_store
from tinycdp.store import registry
from tinycdp.store.database.pool import acquired

#: How many of the newest profiles and events are read, and how many property names are kept.
PROFILES, EVENTS, NAMES = 500, 1_000, 1_000

_TYPES = {"string": Type.STRING, "number": Type.NUMBER, "boolean": Type.BOOL, "array": Type.LIST}


@dataclass(frozen=True)
class SeenProperties:
    """Properties with their types, the most frequent first; nested names are joined by dots."""

    profiles: Mapping[str, Type] = field(default_factory=dict)
    events: Mapping[str, Mapping[str, Type]] = field(default_factory=dict)


class SeenPropertiesCache:
    """The seen properties of each environment, read at most once a minute."""

    def __init__(self) -> None:
        self._by_environment: dict[int, tuple[Instant, SeenProperties]] = {}

    async def get(self, environment: Environment) -> SeenProperties:
        """The properties seen recently in an environment."""
        now = environment.now()
        known = self._by_environment.get(environment.id)
        if known is None or not known[0] <= now < known[0] + MINUTE_MS:
            known = (now, await _read_seen(environment))
            self._by_environment[environment.id] = known
        return known[1]


async def _read_seen(environment: Environment) -> SeenProperties:
    async with acquired(environment.pool) as connection:
        profiles = await profile_store.property_names_of_profiles(connection, environment.id, PROFILES, NAMES)
        events = await event_store.property_names_of_events(connection, environment.id, EVENTS, NAMES)
        # The registry has all events, rare ones too; raw events also have the last seconds.
        by_event = types_seen(await registry.registry_types_seen(connection, environment.id))
    for row in events:
        by_event.setdefault(row.event, {}).setdefault(row.name, _type(row.kinds))
    return SeenProperties({row.name: _type(row.kinds) for row in profiles}, by_event)


def _type(kinds: Iterable[str]) -> Type:
    """The type of values of these kinds; `dyn` if there are several kinds."""
    found = {kind for kind in kinds if kind != "null"}
    return _TYPES.get(found.pop(), Type.DYN) if len(found) == 1 else Type.DYN


#: What an editor edits: a definition, or a filter of a question: the `where` of an event, or its `people`.
Edited: TypeAlias = Kind | Literal["where", "people"]


def editor_scope(
    workspace: Workspace, kind: Edited, key: str | None, seen: SeenProperties, event: str | None = None
) -> Scope:
    """The scope of an expression, with all properties that are seen, planned or used.

    event  of a `where`; None for every event"""
    if kind == "people":
        return replace(editor_scope(workspace, "segment", None, seen), kind="profile filter")
    if kind == "where":
        scope = editor_scope(workspace, "segment", None, seen)
        return replace(scope, kind="event filter", event=scope.events.get(event, {}) if event is not None else {})
    used, declared = _event_properties_named(workspace.head), workspace.declared
    # Before the first event the checker knows no event name; the editor still offers those of the tracking plan and of
    # the definitions.
    names = dict.fromkeys([*workspace.events, *sorted(declared.events), *sorted(used)])
    return replace(
        scope_of(workspace, kind, key),
        properties={**_with_named(seen.profiles, _properties_named(workspace.head)), **declared.profile},
        events={
            name: {**_with_named(seen.events.get(name, {}), used.get(name, ())), **declared.events.get(name, {})}
            for name in names
        },
    )


def _with_named(seen: Mapping[str, Type], named: Iterable[str]) -> dict[str, Type]:
    """Seen properties first, then those that only definitions name."""
    return {**seen, **dict.fromkeys(sorted(set(named) - seen.keys()), Type.DYN)}


def _properties_named(compiled_set: CompiledSet) -> Iterator[str]:
    for node in compiled_set.nodes.values():
        yield from (".".join(found.path) for found in ir.walk(node) if isinstance(found, ir.Property))


def _event_properties_named(compiled_set: CompiledSet) -> dict[str, set[str]]:
    """The properties that definitions use, by event."""
    found: dict[str, set[str]] = {}
    for read in {read for of_one in compiled_set.reads.values() for read in of_one}:
        if read.spec.event is None:
            continue
        names = found.setdefault(read.spec.event, set())
        if read.spec.path:
            names.add(".".join(read.spec.path))
        if read.spec.where is not None:
            names.update(".".join(n.path) for n in ir.walk(read.spec.where) if isinstance(n, ir.EventProperty))
    return found


def describe_source(
    workspace: Workspace, kind: Kind, key: str | None, source: str | Flag
) -> tuple[Meaning, list[tuple[str | None, Description]]]:
    """The meaning of an expression or flag, with descriptions in plain English.

    A flag has one description for each rule's condition, with its path. A source with errors has none."""
    if isinstance(source, str):
        meaning, checked = understand_checked(workspace, kind, key, source)
        found: list[tuple[str | None, Checked]] = [(None, checked)]
    else:
        meaning, scope = understand_flag(workspace, source), scope_of(workspace, "flag", source.key)
        found = [(f"$.rules[{n}].when", check(rule.when, scope)) for n, rule in enumerate(source.rules)]
    return meaning, [(path, describe_expression(one.node, kind)) for path, one in found if one.node is not None]


def describe(workspace: Workspace) -> dict[Name, str]:
    """The description and expression of each definition, as Markdown."""
    found = {}
    for name, definition in workspace.head.definitions.items():
        if definition.flag is not None:
            found[name] = definition.flag.description
        elif definition.static:
            found[name] = f"{definition.description}\n\nA static segment: its members are on a list.".lstrip()
        else:
            code = f"```\n{definition.expression}\n```"
            found[name] = f"{definition.description}\n\n{code}".lstrip()
    return found
