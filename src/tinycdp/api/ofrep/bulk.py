"""All flags for one unit, with the ETag that stands for the answers and their stream.

Shape   Bulk is a part of the process: evaluate(…) → AllFlags, record(…) what was given out
Laws    the same decisions as everywhere: decide_all
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from tinycdp.api.decisions.streams import address_of, etag_of
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.flags.decide import Decision
from tinycdp.model import ANY_KIND, Identifier, IdentifierKind, Instant
from tinycdp.runtime.access import stream_tokens
from tinycdp.runtime.access.actor import Actor
from tinycdp.runtime.access.keys import Keyring
from tinycdp.runtime.access.stream_tokens import StreamToken
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.decisions.change_streams import ChangeStreams
from tinycdp.runtime.decisions.decide import ProfileLoader
from tinycdp.runtime.decisions.evaluations import Evaluations, decide_all, evaluations
from tinycdp.runtime.decisions.exposures import Exposures
from tinycdp.runtime.decisions.profile_variants import ProfileVariants
from tinycdp.runtime.decisions.session_variants import SessionVariants
from tinycdp.runtime.decisions.snapshots import Snapshot
from tinycdp.runtime.metrics import Metrics
from tinycdp.runtime.mirror import Mirror


@dataclass(slots=True)
class AllFlags:
    """Everything a bulk answer is made of; `stream_token` is None if no stream is available."""

    catalog: Catalog
    snapshot: Snapshot
    now: Instant
    decisions: list[Decision]
    answers: Evaluations
    stream_token: StreamToken | None

    @property
    def etag(self) -> str:
        return etag_of(self.answers.digest, self.stream_token)


class Bulk:
    """Evaluates all flags, and records the answers."""

    def __init__(
        self,
        *,
        profile_loader: ProfileLoader,
        profile_variants: ProfileVariants,
        session_variants: SessionVariants,
        exposures: Exposures,
        metrics: Metrics,
        change_streams: ChangeStreams,
        mirror: Mirror,
        keyring: Keyring,
    ) -> None:
        self._profile_loader = profile_loader
        self._profile_variants = profile_variants
        self._session_variants = session_variants
        self._exposures = exposures
        self._metrics = metrics
        self._change_streams = change_streams
        self._mirror = mirror
        self._keyring = keyring

    async def evaluate(
        self,
        actor: Actor,
        context: dict[str, Any],
        now: Clock,
        etag: str | None,
        min_version: int = 0,
        *,
        assigned: bool,
    ) -> AllFlags:
        """Every flag, for the unit in the context; as new as the ETag that the client was notified of.

        assigned  whether the profile keeps the variants of sticky flags from now on"""
        found = await self._evaluate(actor, context, now, min_version, assigned)
        if etag is not None and etag != found.etag:
            # Another process notified the client, and this one not yet: what Postgres has is at least as new.
            await self._mirror.reread(actor.environment_id, identifier_of(context))
            found = await self._evaluate(actor, context, now, min_version, assigned)
        return found

    def record(self, found: AllFlags, *, exposed: bool) -> None:
        """Count the decisions, and record the exposures."""
        self._metrics.minutes[found.catalog.environment_id].decisions += len(found.decisions)
        for decision in found.decisions:
            self._metrics.decisions[decision.reason] += 1
            self._exposures.record(found.catalog, decision, found.snapshot, found.now, exposed=exposed)

    def address_of(self, stream_token: StreamToken) -> str:
        """The address of a stream."""
        return address_of(self._keyring, stream_token)

    async def _evaluate(
        self, actor: Actor, context: dict[str, Any], now: Clock, min_version: int, assigned: bool
    ) -> AllFlags:
        catalog, snapshot, stale = await self._profile_loader.load(
            actor.environment_id, identifier_of(context), now(), min_version
        )
        instant = now()
        decisions = decide_all(catalog, snapshot, instant, context)
        if assigned and catalog.live.sticky:
            decisions = [
                await self._profile_variants.assign(catalog, decision, snapshot, instant) for decision in decisions
            ]
        answers = evaluations(catalog, decisions)
        stream_token = None
        if not self._change_streams.full and stream_tokens.fits(context):
            # The stream follows the definitions: a variant that a session holds is not a change.
            stream_token = StreamToken(actor.key_id, stream_tokens.window_of(instant), context, answers.mark)
        session = session_of(context)
        if session is not None:
            decisions = [
                await self._session_variants.keep(catalog, decision, snapshot, session, instant)
                for decision in decisions
            ]
        if stale:
            decisions = [msgspec.structs.replace(decision, reason="STALE") for decision in decisions]
        if session is not None or stale:
            answers = evaluations(catalog, decisions)
        return AllFlags(catalog, snapshot, instant, decisions, answers, stream_token)


#: The names in a context that say which kind of identifier they are, in the order in which they count.
EXACT = (IdentifierKind.USER, "profileId", IdentifierKind.ANONYMOUS, IdentifierKind.DEVICE, IdentifierKind.EXTERNAL)
_EXACT = frozenset(EXACT)


def identifier_of(context: Mapping[str, Any]) -> Identifier | None:
    """The identifier of the profile in a context: one that is named exactly, or a targetingKey of any kind."""
    if not _EXACT.isdisjoint(context):
        for kind in EXACT:
            value = context.get(kind)
            if value and isinstance(value, str):
                return Identifier(kind, value)
    unit = context.get("targetingKey")
    return Identifier(ANY_KIND, unit) if unit else None


def session_of(context: Mapping[str, Any]) -> str | None:
    session = context.get("sessionId")
    return session if isinstance(session, str) else None
