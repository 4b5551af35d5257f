"""The variants that profiles keep of sticky flags when weights and rollouts change.

Shape   ProfileVariants.read(catalog, snapshot, flags) before deciding; assign(catalog, decision, snapshot, now) after
        a decision that is shown -> the decision to answer with
Laws    what is stored decides, so all processes agree: the first to assign writes the row. Rows stand under the unit;
        a merged profile reads those of all its units, and the earliest that the rule names counts.
        An erased profile is assigned nothing. With Postgres away, what was not read before is not kept
Units   read once for each profile version and revision, written once for each profile and flag. Environments without
        a sticky flag read and write nothing
Source  docs/decisions/0018-flags-in-full.md
"""

from collections.abc import Collection

from tinycdp.engine.catalog import Catalog
from tinycdp.engine.flags.decide import Decision, keeping
from tinycdp.engine.flags.trail import DecisionReason
from tinycdp.errors import Unavailable
from tinycdp.model import Instant
from tinycdp.runtime.decisions.snapshots import Snapshot
from tinycdp.store import exposures as exposure_store
from tinycdp.store import flags as store
from tinycdp.store.database.pool import Pool, acquired


class ProfileVariants:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def read(self, catalog: Catalog, snapshot: Snapshot, flags: Collection[str] | None) -> None:
        """Read what the profile keeps, unless none of these flags needs it; None for all flags."""
        sticky, revision = catalog.live.sticky, catalog.revision
        if not sticky or snapshot.unit is None or snapshot.kept_at == revision:
            return
        if flags is not None and sticky.isdisjoint(flags):
            return
        ids = [catalog.live.flags[key].id for key in sticky]
        try:
            async with acquired(self._pool) as connection:
                units = {snapshot.unit}
                if snapshot.profile_id:
                    units.update(
                        await exposure_store.units_of_profile(connection, catalog.environment_id, snapshot.profile_id)
                    )
                rows = await store.profile_variants(connection, catalog.environment_id, ids, sorted(units))
        except Unavailable:
            return
        kept: dict[int, tuple[str, ...]] = {}
        for row in rows:
            kept[row.definition_id] = (*kept.get(row.definition_id, ()), row.variant)
        snapshot.kept_variants, snapshot.kept_at = kept, revision

    async def assign(self, catalog: Catalog, decision: Decision, snapshot: Snapshot, now: Instant) -> Decision:
        """Keep the variant that a rollout or split gave; if another process was first, the answer is what it gave."""
        if decision.flag not in catalog.live.sticky or decision.reason is not DecisionReason.SPLIT:
            return decision
        program = catalog.live.flags[decision.flag].at(now)
        kept = snapshot.kept_variants.get(program.id, ())
        if not program.flag.sticky or snapshot.unit is None or decision.variant in kept:
            return decision
        rule = next(rule for rule in program.rules if rule.rule.id == decision.rule)
        name = (catalog.environment_id, program.id, snapshot.unit)
        try:
            async with acquired(self._pool) as connection:
                variant = await store.keep_profile_variant(
                    connection, *name, decision.variant, snapshot.profile_id, rule.variants, now
                )
        except Unavailable:
            return decision
        if variant is None:
            return decision
        snapshot.kept_variants = {**snapshot.kept_variants, program.id: (*kept, variant)}
        if variant == decision.variant:
            return decision
        return keeping(program.flag, rule, variant, (), decision.until)
