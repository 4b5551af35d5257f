"""All flags for one unit, with the ETag that stands for the answers and their stream.

Shape   Bulk is a part of the process: evaluate(…) → AllFlags, record(…) what was given out
Laws    the same decisions as everywhere: decide_all
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec

from tinycdp.engine.catalog import Catalog
from tinycdp.engine.flags.decide import Decision
from tinycdp.model import Identifier, IdentifierKind, Instant
from tinycdp.runtime.access import stream_tokens
from tinycdp.runtime.access.actor import Actor
from tinycdp.runtime.access.keys import Keyring
from tinycdp.runtime.access.stream_tokens import StreamToken
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.decisions.change_streams import Pushes
from tinycdp.runtime.decisions.decide import Decisions
from tinycdp.runtime.decisions.evaluations import Evaluations, decide_all, evaluations
from tinycdp.runtime.decisions.exposures import Exposures
from tinycdp.runtime.decisions.session_variants import SessionVariants
from tinycdp.runtime.decisions.snapshots import Snapshot
from tinycdp.runtime.metrics import Metrics
from tinycdp.runtime.mirror import Mirror


@dataclass(slots=True)
class AllFlags:
    """Everything a bulk answer is made of; `ticket` is None if no stream is available."""

    catalog: Catalog
    subject: Snapshot
    now: Instant
    decisions: list[Decision]
    answers: Evaluations
    ticket: StreamToken | None

    @property
    def etag(self) -> str:
        return etag_of(self.answers, self.ticket)


class Bulk:
    """Evaluates all flags, and records the answers."""

    def __init__(
        self,
        *,
        decisions: Decisions,
        session_variants: SessionVariants,
        exposures: Exposures,
        metrics: Metrics,
        pushes: Pushes,
        mirror: Mirror,
        keyring: Keyring,
    ) -> None:
        self._decisions = decisions
        self._session_variants = session_variants
        self._exposures = exposures
        self._metrics = metrics
        self._pushes = pushes
        self._mirror = mirror
        self._keyring = keyring

    async def evaluate(self, actor: Actor, context: dict[str, Any], now: Clock, etag: str | None) -> AllFlags:
        """Every flag, for the unit in the context; as new as the ETag that the client was notified of."""
        found = await self._evaluate(actor, context, now)
        if etag is not None and etag != found.etag:
            # Another process notified the client, and this one not yet: what Postgres has is at least as new.
            await self._mirror.reread(actor.environment_id, identifier_of(context))
            found = await self._evaluate(actor, context, now)
        return found

    def record(self, found: AllFlags, *, exposed: bool) -> None:
        """Count the decisions, and record the exposures."""
        for decision in found.decisions:
            self._metrics.decisions[decision.reason] += 1
            self._exposures.record(found.catalog, decision, found.subject, found.now, exposed=exposed)

    def token(self, ticket: StreamToken) -> str:
        """The ticket as it stands in the address of a stream."""
        return stream_tokens.issue(self._keyring, ticket)

    async def _evaluate(self, actor: Actor, context: dict[str, Any], now: Clock) -> AllFlags:
        catalog, subject, stale = await self._decisions.known(actor.environment_id, identifier_of(context), now())
        instant = now()
        decisions = decide_all(catalog, subject, instant, context)
        answers = evaluations(catalog, decisions)
        ticket = None
        if not self._pushes.full and stream_tokens.fits(context):
            # The stream follows the definitions: a variant that a session holds is not a change.
            ticket = StreamToken(actor.key_id, stream_tokens.window_of(instant), context, answers.mark)
        session = session_of(context)
        if session is not None:
            decisions = [
                await self._session_variants.keep(catalog, decision, subject, session, instant)
                for decision in decisions
            ]
        if stale:
            decisions = [msgspec.structs.replace(decision, reason="STALE") for decision in decisions]
        if session is not None or stale:
            answers = evaluations(catalog, decisions)
        return AllFlags(catalog, subject, instant, decisions, answers, ticket)


def identifier_of(context: Mapping[str, Any]) -> Identifier | None:
    unit = context.get("targetingKey")
    return Identifier(IdentifierKind.USER, unit) if unit else None


def session_of(context: Mapping[str, Any]) -> str | None:
    session = context.get("sessionId")
    return session if isinstance(session, str) else None


def etag_of(answers: Evaluations, ticket: StreamToken | None) -> str:
    """For these answers together with this stream."""
    scope = ticket.scope if ticket is not None else b""
    return f'"{blake2b(answers.digest + scope, digest_size=12).hexdigest()}"'
