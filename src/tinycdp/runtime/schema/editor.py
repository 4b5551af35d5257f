"""What the editor of definitions is helped with: proposals and explanations that know the environment.

Shape   Sightings: the properties seen lately, per environment; surroundings(workspace, …) → Scope, and describe(…),
        for dsl.complete and dsl.hover; in_words(workspace, …) → what it means, and Descriptions in plain English
Laws    nothing here decides anything: names and types that were seen are hints, and a text is judged without them.
        What is read to find them is bounded, and at most a minute old
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from tinycdp.dsl import ir
from tinycdp.dsl.check.expressions import Checked, Scope, check
from tinycdp.dsl.editor.describe import Description, describe_expression
from tinycdp.dsl.ir import Type
from tinycdp.engine.catalog import Name, Universe
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
from tinycdp.runtime.schema.registry_reads import observed_types
from tinycdp.store import reads, registry
from tinycdp.store.pool import Pool, acquired

#: Of the newest profiles and events so many are looked at, and so many names of properties remembered.
PROFILES, EVENTS, NAMES = 500, 1_000, 1_000

_TYPES = {"string": Type.STRING, "number": Type.NUMBER, "boolean": Type.BOOL, "array": Type.LIST}


@dataclass(frozen=True)
class Seen:
    """Names of properties with their types, the most frequent first; nested ones joined by dots."""

    profiles: Mapping[str, Type] = field(default_factory=dict)
    events: Mapping[str, Mapping[str, Type]] = field(default_factory=dict)


class Sightings:
    """What was seen, per environment."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[Instant, Seen]] = {}

    async def seen(self, pool: Pool, environment_id: int, now: Instant) -> Seen:
        known = self._seen.get(environment_id)
        if known is None or not known[0] <= now < known[0] + MINUTE_MS:
            known = (now, await _look(pool, environment_id))
            self._seen[environment_id] = known
        return known[1]


async def _look(pool: Pool, environment_id: int) -> Seen:
    async with acquired(pool) as connection:
        profiles = await reads.property_names_of_profiles(connection, environment_id, PROFILES, NAMES)
        events = await reads.property_names_of_events(connection, environment_id, EVENTS, NAMES)
        # The registry knows rare events as well, and counts them all; raw events know the last seconds.
        by_event = observed_types(await registry.registry_types_seen(connection, environment_id))
    for row in events:
        by_event.setdefault(row.event, {}).setdefault(row.name, _type(row.kinds))
    return Seen({row.name: _type(row.kinds) for row in profiles}, by_event)


def _type(kinds: Iterable[str]) -> Type:
    """The type of values of these kinds: one that is sometimes another is of no declared type."""
    found = {kind for kind in kinds if kind != "null"}
    return _TYPES.get(found.pop(), Type.DYN) if len(found) == 1 else Type.DYN


def surroundings(workspace: Workspace, kind: Kind, key: str | None, seen: Seen) -> Scope:
    """The scope of an expression, with the properties that were seen or that definitions name."""
    used, declared = _event_properties_named(workspace.head), workspace.declared
    # Where nothing arrived yet no event is known to the checker; an editor still offers those that are planned, and
    # those of the definitions.
    names = dict.fromkeys([*workspace.events, *sorted(declared.events), *sorted(used)])
    return replace(
        scope_of(workspace, kind, key),
        properties={**_with(seen.profiles, _properties_named(workspace.head)), **declared.profile},
        events={
            name: {**_with(seen.events.get(name, {}), used.get(name, ())), **declared.events.get(name, {})}
            for name in names
        },
    )


def _with(seen: Mapping[str, Type], named: Iterable[str]) -> dict[str, Type]:
    """What was seen, and after it what is only named."""
    return {**seen, **dict.fromkeys(sorted(set(named) - seen.keys()), Type.DYN)}


def _properties_named(universe: Universe) -> Iterator[str]:
    for node in universe.nodes.values():
        yield from (".".join(found.path) for found in ir.walk(node) if isinstance(found, ir.Property))


def _event_properties_named(universe: Universe) -> dict[str, set[str]]:
    """For each event that definitions count on, the properties they name."""
    found: dict[str, set[str]] = {}
    for read in {read for of_one in universe.reads.values() for read in of_one}:
        if read.spec.event is None:
            continue
        names = found.setdefault(read.spec.event, set())
        if read.spec.path:
            names.add(".".join(read.spec.path))
        if read.spec.where is not None:
            names.update(".".join(n.path) for n in ir.walk(read.spec.where) if isinstance(n, ir.EventProperty))
    return found


def in_words(
    workspace: Workspace, kind: Kind, key: str | None, source: str | Flag
) -> tuple[Meaning, list[tuple[str | None, Description]]]:
    """What an expression or a flag means, and says in words: of a flag each rule's condition, by its path. What has
    errors is not told."""
    if isinstance(source, str):
        meaning, checked = understand_checked(workspace, kind, key, source)
        found: list[tuple[str | None, Checked]] = [(None, checked)]
    else:
        meaning, scope = understand_flag(workspace, source), scope_of(workspace, "flag", source.key)
        found = [(f"$.rules[{n}].when", check(rule.when, scope)) for n, rule in enumerate(source.rules)]
    return meaning, [(path, describe_expression(one.node, kind)) for path, one in found if one.node is not None]


def describe(workspace: Workspace) -> dict[Name, str]:
    """What each definition says about itself, as Markdown."""
    found = {}
    for name, definition in workspace.head.definitions.items():
        if definition.flag is not None:
            found[name] = definition.flag.description
        else:
            code = f"```\n{definition.expression}\n```"
            found[name] = f"{definition.description}\n\n{code}".lstrip()
    return found
