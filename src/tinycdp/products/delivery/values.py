"""Values of expressions for many profiles, read at once: what mappings are filled with.

Shape   ProfileValues().of(connection, environment_id, profile_ids, expressions, now) → by profile and expression
Units   a profile costs one row, and what the expressions need of its state; a catalog's expressions are compiled once
Laws    a value is that of a decision at the same instant, as JSON; None is unknown, also while a trait is backfilled.
        A property alone is given as it was stored, with all its digits, lists and objects too
Errors  OutdatedExpression: an expression that the definitions of today do not allow
Source  docs/reference/mapping.md
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tinycdp.dsl import ir
from tinycdp.dsl.check.expressions import Scope, check
from tinycdp.dsl.compile import depends_on_time
from tinycdp.dsl.evaluators import lookup
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

#: Compiled expressions that are kept, of all environments.
_MOST_COMPILED = 2_000


class OutdatedExpression(Exception):
    """An expression that was correct when it was saved, and is no more."""


@dataclass(frozen=True, slots=True)
class ProfileValue:
    """until: the first instant at which it may change without a message"""

    value: Any
    until: Instant


_Evaluate = Callable[[Snapshot, Instant], ProfileValue]


class ProfileValues:
    """Evaluates expressions, with what it compiled for each environment's catalog."""

    def __init__(self, catalogs: Catalogs | None = None) -> None:
        self._catalogs = catalogs if catalogs is not None else Catalogs()
        self._compiled: dict[tuple[int, int, int, str], _Evaluate] = {}

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
        catalog = await self._catalogs.current_in(connection, environment_id)
        evaluators = {source: self._evaluator(catalog, source) for source in expressions}
        rows = await store.profiles_with_state(connection, environment_id, sorted(profile_ids))
        return {row.id: self._evaluated(catalog, row, evaluators.items(), now) for row in rows}

    @staticmethod
    def _evaluated(
        catalog: Catalog, row: ProfileRow, evaluators: Iterable[tuple[str, _Evaluate]], now: Instant
    ) -> dict[str, ProfileValue]:
        snapshot = activation_of(catalog, row, now)
        return {source: evaluate(snapshot, now) for source, evaluate in evaluators}

    def _evaluator(self, catalog: Catalog, source: str) -> _Evaluate:
        key = (catalog.environment_id, catalog.revision, catalog.head, source)
        found = self._compiled.get(key)
        if found is None:
            if len(self._compiled) >= _MOST_COMPILED:
                self._compiled.clear()
            found = self._compiled[key] = _compiled(catalog, source)
        return found


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


def _compiled(catalog: Catalog, source: str) -> _Evaluate:
    checked = check(source, scope_of(catalog))
    node = checked.node
    if node is None or checked.reads:
        said = checked.errors[0].message if checked.errors else "It counts events."
        raise OutdatedExpression(f"The expression {source[:200]!r} does not fit the definitions of today: {said}")
    if isinstance(node, ir.Property) and node.type is Type.DYN:
        path = node.path
        return lambda snapshot, now: ProfileValue(lookup(snapshot.properties, path), NEVER)
    evaluate, kind = catalog.live.compiler.compile(node), node.type
    changes = depends_on_time(node)

    def run(snapshot: Snapshot, now: Instant) -> ProfileValue:
        value, until = evaluate(snapshot, now)
        return ProfileValue(plain(value, kind), until if changes else NEVER)

    return run
