"""Values of expressions for many profiles, read at once: what mappings are filled with.

Shape   ProfileValues().of(connection, environment_id, profile_ids, expressions, now) → by profile and expression
        compiled(catalog, expression), activation_of(catalog, row, now) → the same for a reader of its own
        read(…) → ReadProfiles, which also tests conditions on a profile and an event
Units   a profile costs one row, and what the expressions need of its state; a catalog's expressions are compiled once
Laws    a value is that of a decision at the same instant, as JSON; None is unknown, also while a trait is backfilled.
        A property alone is given as it was stored, with all its digits, lists and objects too
Errors  OutdatedExpression: an expression that the definitions of today do not allow
Source  docs/reference/mapping.md
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from tinycdp.dsl import ir
from tinycdp.dsl.check.expressions import Checked, Scope, check
from tinycdp.dsl.check.filters import check_event_filter
from tinycdp.dsl.compile import depends_on_time
from tinycdp.dsl.evaluators import Activation, lookup
from tinycdp.dsl.ir import Type
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.profile import StoredProfile
from tinycdp.model import NEVER, Instant
from tinycdp.products.delivery.store import values as store
from tinycdp.runtime.decisions.decide import prepare
from tinycdp.runtime.decisions.snapshots import Snapshot, snapshot_of
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.profiles.storage import without_state
from tinycdp.runtime.profiles.views import plain
from tinycdp.store.database.pool import Connection
from tinycdp.store.profiles import ProfileRow

T = TypeVar("T")

#: Compiled expressions that are kept, of all environments.
_MOST_COMPILED = 2_000


class OutdatedExpression(Exception):
    """An expression that was correct when it was saved, and is no more."""


@dataclass(frozen=True, slots=True)
class ProfileValue:
    """until: the first instant at which it may change without a message"""

    value: Any
    until: Instant


Evaluate = Callable[[Snapshot, Instant], ProfileValue]
_Test = Callable[["_EventAndProfile", Instant], bool]


class ProfileValues:
    """Evaluates expressions, with what it compiled for each environment's catalog."""

    def __init__(self, catalogs: Catalogs | None = None) -> None:
        self._catalogs = catalogs if catalogs is not None else Catalogs()
        self._compiled: dict[tuple[int, int, int, str, str], Any] = {}

    async def read(
        self, connection: Connection, environment_id: int, profile_ids: Collection[int], now: Instant
    ) -> "ReadProfiles":
        """Read profiles, to evaluate expressions for each."""
        catalog = await self._catalogs.current_in(connection, environment_id)
        rows = await store.profiles_with_state(connection, environment_id, sorted(profile_ids)) if profile_ids else []
        return ReadProfiles(self, catalog, {row.id: row for row in rows}, now)

    async def of(
        self,
        connection: Connection,
        environment_id: int,
        profile_ids: Collection[int],
        expressions: Sequence[str],
        now: Instant,
    ) -> dict[int, dict[str, ProfileValue]]:
        """The values of each profile that exists. Raises OutdatedExpression for one that cannot be evaluated."""
        if not expressions or not profile_ids:
            return {}
        read = await self.read(connection, environment_id, profile_ids, now)
        return {id: read.values(id, expressions) for id in read.ids}

    def kept(self, catalog: Catalog, kind: str, source: str, compile: Callable[[Catalog, str], T]) -> T:
        """What was compiled of a source for a catalog."""
        key = (catalog.environment_id, catalog.revision, catalog.head, kind, source)
        if (found := self._compiled.get(key)) is None:
            if len(self._compiled) >= _MOST_COMPILED:
                self._compiled.clear()
            found = self._compiled[key] = compile(catalog, source)
        kept: T = found
        return kept


class ReadProfiles:
    """Profiles as they were read, at one instant."""

    def __init__(self, owner: ProfileValues, catalog: Catalog, rows: Mapping[int, ProfileRow], now: Instant) -> None:
        self._owner = owner
        self._catalog = catalog
        self._rows = rows
        self._now = now
        self._snapshots: dict[int, Snapshot] = {}

    @property
    def ids(self) -> Collection[int]:
        """Those that exist."""
        return self._rows.keys()

    def values(self, id: int, expressions: Iterable[str]) -> dict[str, ProfileValue]:
        """The value of each expression for a profile; nothing if it does not exist."""
        if id not in self._rows:
            return {}
        snapshot = self._snapshot(id)
        return {
            source: self._owner.kept(self._catalog, "value", source, compiled)(snapshot, self._now)
            for source in expressions
        }

    def passes(self, id: int, where: str, event: "GivenEvent | None" = None) -> bool:
        """Whether a condition is true of a profile, and of an event if there is one; unknown is false."""
        if id not in self._rows:
            return False
        test = self._owner.kept(self._catalog, "test", where, _test_of)
        return test(_EventAndProfile(self._snapshot(id), event), self._now)

    def _snapshot(self, id: int) -> Snapshot:
        if (found := self._snapshots.get(id)) is None:
            found = self._snapshots[id] = activation_of(self._catalog, self._rows[id], self._now)
        return found


@dataclass(frozen=True, slots=True)
class GivenEvent:
    """What a condition may read of an event."""

    properties: Mapping[str, Any]
    context: Mapping[str, Any]


class _EventAndProfile(Activation):
    """What an event filter may read: an event, and its profile as it is now."""

    __slots__ = ("event",)

    def __init__(self, profile: Snapshot, event: GivenEvent | None) -> None:
        super().__init__(
            profile.now,
            calendar=profile.calendar,
            properties=profile.properties,
            state=profile.state,
            first_seen=profile.first_seen,
            last_seen=profile.last_seen,
            evaluators=profile.evaluators,
            context=event.context if event is not None else None,
            group=profile.group,
            listed=profile.listed,
        )
        self.event: Mapping[str, Any] = event.properties if event is not None else {}


def _test_of(catalog: Catalog, where: str) -> _Test:
    checked = check_event_filter(where, scope_of(catalog), None)
    if checked.node is None:
        raise _outdated(where, checked)
    evaluate = catalog.live.compiler.compile(checked.node)
    return lambda activation, now: evaluate(activation, now)[0] is True


def _outdated(source: str, checked: Checked) -> OutdatedExpression:
    said = checked.errors[0].message if checked.errors else "It counts events."
    return OutdatedExpression(f"The expression {source[:200]!r} does not fit the definitions of today: {said}")


def activation_of(catalog: Catalog, row: ProfileRow, now: Instant) -> Snapshot:
    """A stored profile for evaluations at an instant. Its state is decoded as far as they need it."""
    profile, stored = without_state(row), StoredProfile(row.state)
    snapshot = snapshot_of(profile, catalog, (), now, stored)
    snapshot.group, snapshot.listed = stored.group_traits_and_lists()
    prepare(catalog, snapshot, now)
    return snapshot


def scope_of(catalog: Catalog) -> Scope:
    """The names that an expression may read, as they are live."""
    live = catalog.live
    nodes = {key: node for (kind, key), node in live.nodes.items() if kind == "trait"}
    return Scope(
        kind="trait",
        traits={key: node.type for key, node in nodes.items()},
        segments={key for kind, key in live.definitions if kind == "segment"},
        certain={key for key, node in nodes.items() if not node.nullable},
    )


def compiled(catalog: Catalog, source: str) -> Evaluate:
    """A function of an activation and an instant. Raises OutdatedExpression."""
    checked = check(source, scope_of(catalog))
    node = checked.node
    if node is None or checked.reads:
        raise _outdated(source, checked)
    if isinstance(node, ir.Property) and node.type is Type.DYN:
        path = node.path
        return lambda snapshot, now: ProfileValue(lookup(snapshot.properties, path), NEVER)
    evaluate, kind = catalog.live.compiler.compile(node), node.type
    changes = depends_on_time(node)

    def run(snapshot: Snapshot, now: Instant) -> ProfileValue:
        value, until = evaluate(snapshot, now)
        return ProfileValue(plain(value, kind), until if changes else NEVER)

    return run
