"""Sticky variants: a session keeps what a flag with `stickyFor` served first.

Shape   SessionVariants.keep(catalog, decision, snapshot, session, now) -> the decision the session sees
Laws    all processes agree: the first to ask writes the row, and a row decides. A flag that is off or killed, or that
        no longer has the variant, is not held. With Postgres away and nothing remembered, nothing is held
Units   the newest `size` sessions are remembered here, so that most decisions need no query. A row is renewed when half
        of its time is over: a session ends after a silence between half of `stickyFor` and all of it
Source  docs/decisions/0018-flags-in-full.md
"""

import msgspec
from cachetools import LRUCache

from tinycdp.engine.catalog import Catalog
from tinycdp.engine.flags.decide import Decision
from tinycdp.engine.flags.trail import DecisionReason, KeptBySession
from tinycdp.errors import Unavailable
from tinycdp.model import Instant
from tinycdp.runtime.decisions.snapshots import Snapshot
from tinycdp.store import flags as store
from tinycdp.store.database.pool import Pool, acquired

LONGEST_SESSION = 256


class SessionVariants:
    def __init__(self, pool: Pool, size: int) -> None:
        self.pool = pool
        # The profile, the variant, when it runs out, and when to renew the row. A unit that has another profile
        # than the one that is remembered was born or erased since: the row decides.
        self._known: LRUCache[tuple[int, int, str, str], tuple[int, str, Instant, Instant]] = LRUCache(size)

    async def keep(
        self, catalog: Catalog, decision: Decision, snapshot: Snapshot, session: str | None, now: Instant
    ) -> Decision:
        """The decision, or the variant that the session was given before."""
        program = catalog.live.flags[decision.flag].at(now)
        lasts = program.flag.sticky_ms
        if not lasts or not session or snapshot.unit is None or decision.reason is DecisionReason.DISABLED:
            return decision
        name = (catalog.environment_id, program.id, snapshot.unit, session[:LONGEST_SESSION])
        known = self._known.get(name)
        if known is not None and known[0] != snapshot.profile_id:
            known = None
        if known is not None and now < known[3]:
            _, variant, until, _ = known
        else:
            until = now + lasts
            try:
                async with acquired(self.pool) as connection:
                    variant = await store.keep_session_variant(connection, *name, decision.variant, now, until)
            except Unavailable:
                if known is None or now >= known[2]:
                    return decision
                _, variant, until, _ = known
            else:
                self._known[name] = (snapshot.profile_id, variant, until, now + lasts // 2)
        if variant == decision.variant or variant not in program.flag.variants:
            return decision
        return msgspec.structs.replace(
            decision,
            value=program.flag.variants[variant],
            variant=variant,
            reason=DecisionReason.CACHED,
            trail=(*decision.trail, KeptBySession(variant)),
            until=min(decision.until, until),
            rule=None,
        )
