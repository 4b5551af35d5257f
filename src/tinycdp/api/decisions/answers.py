"""Decisions as answers.

Shape   DecisionService is a part of the process: it answers a question about one profile · answer_of(…) one decision
Laws    all ways to ask end here: the same answer, and the same exposure recorded
"""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from tinycdp.api.decisions.schemas import Answer, Answers, ProfileQuery, Question
from tinycdp.api.http.encoding import as_schema
from tinycdp.api.profiles.schemas import FlagExplanation
from tinycdp.engine.catalog import Catalog, Name
from tinycdp.engine.flags.decide import Decision
from tinycdp.engine.flags.trail import DecisionReason, texts_of
from tinycdp.errors import NotFound
from tinycdp.model import Instant
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.decisions.decide import LoadedProfile, ProfileLoader, decide_one
from tinycdp.runtime.decisions.exposures import Exposures
from tinycdp.runtime.decisions.profile_variants import ProfileVariants
from tinycdp.runtime.decisions.session_variants import SessionVariants
from tinycdp.runtime.decisions.snapshots import Snapshot
from tinycdp.runtime.definitions.unknown import unknown
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.metrics import Metrics
from tinycdp.runtime.profiles.explanations import explained_flag
from tinycdp.runtime.profiles.skipped import Skipped, skipped_by
from tinycdp.store.database.pool import Pool
from tinycdp.times import iso_or_none


class DecisionService:
    """Answers questions, and records what was answered."""

    def __init__(
        self,
        pool: Pool,
        profile_loader: ProfileLoader,
        profile_variants: ProfileVariants,
        session_variants: SessionVariants,
        exposures: Exposures,
        metrics: Metrics,
    ) -> None:
        self._pool = pool
        self._profile_loader = profile_loader
        self._profile_variants = profile_variants
        self._session_variants = session_variants
        self._exposures = exposures
        self._metrics = metrics

    async def answer(self, environment_id: int, question: Question, now: Clock) -> Answers:
        """The flags that a question asks for."""
        catalog, snapshot, stale = await self.load(
            environment_id, question, now(), question.min_version, question.flags
        )
        names = question.flags if question.flags is not None else list(catalog.live.flags)
        skipped: Mapping[Name, Sequence[Skipped]] = {}
        if question.explain and not stale:
            environment = Environment(environment_id, self._pool, now)
            known = [("flag", name) for name in names if name in catalog.live.flags]
            skipped = await skipped_by(environment, catalog, known, snapshot)
        instant = now()
        found, errors = dict[str, Answer](), dict[str, str]()
        for name in names:
            try:
                decision = decide_one(catalog, name, snapshot, instant, question.context)
            except NotFound:
                errors[name] = unknown("flag", name, catalog.live.definitions).message
                continue
            explanation: FlagExplanation | msgspec.UnsetType = msgspec.UNSET
            if question.explain:
                explained = explained_flag(catalog, name, snapshot, skipped.get(("flag", name)))
                explanation = as_schema(explained, FlagExplanation)
            exposed = None if question.explain else question.exposure
            decision = await self.keep(catalog, decision, snapshot, question.session_id, instant, exposed=exposed)
            found[name] = answer_of(catalog, decision, snapshot, question.user_id, stale)
            found[name].explanation = explanation
        return Answers(found, errors, catalog.revision)

    async def keep(
        self,
        catalog: Catalog,
        decision: Decision,
        snapshot: Snapshot,
        session_id: str | None,
        now: Instant,
        *,
        exposed: bool | None,
        assigned: bool | None = None,
    ) -> Decision:
        """Count the decision, or the one its profile or session holds; record it unless `exposed` is None.

        assigned  whether the profile keeps the variant of a sticky flag from now on; as `exposed` unless given"""
        if exposed if assigned is None else assigned:
            decision = await self._profile_variants.assign(catalog, decision, snapshot, now)
        decision = await self._session_variants.keep(catalog, decision, snapshot, session_id, now)
        self._metrics.decisions[decision.reason] += 1
        self._metrics.minutes[catalog.environment_id].decisions += 1
        if exposed is not None:
            self._exposures.record(catalog, decision, snapshot, now, exposed=exposed)
        return decision

    async def load(
        self,
        environment_id: int,
        profile: ProfileQuery,
        now: Instant,
        min_version: int,
        flags: Collection[str] | None = None,
    ) -> LoadedProfile:
        """The profile that a request names. Raises MISSING_IDENTIFIER without a name."""
        return await self._profile_loader.load(environment_id, profile.identifier(), now, min_version, flags)


def answer_of(catalog: Catalog, decision: Decision, snapshot: Snapshot, user_id: str | None, stale: bool) -> Answer:
    flag = catalog.live.flags[decision.flag].at(snapshot.now).flag
    profile_id = snapshot.profile_id
    reasons = texts_of(decision.trail)
    return Answer(
        decision.flag,
        decision.value is True if flag.type == "boolean" else decision.variant != flag.off_variant,
        decision.variant,
        decision.value,
        DecisionReason.STALE if stale else decision.reason,
        (*reasons, "the database is away: this is what was last known") if stale else reasons,
        user_id,
        str(profile_id) if profile_id else None,
        catalog.revision,
        snapshot.version,
        iso_or_none(decision.until),
    )
