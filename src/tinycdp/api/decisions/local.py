"""Snapshots for clients that decide flags themselves.

Shape   LocalSnapshots is a part of the process: of(…) -> MadeSnapshot
Laws    nothing is recorded: a client says what it used. Ingestion never waits for a snapshot
Source  dsl/SNAPSHOT.md
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from tinycdp.api.decisions.schemas import LocalQuestion, LocalSnapshot
from tinycdp.api.decisions.streams import address_of, etag_of
from tinycdp.model import NEVER, Identifier, Instant
from tinycdp.runtime.access import stream_tokens
from tinycdp.runtime.access.actor import Actor
from tinycdp.runtime.access.keys import Keyring
from tinycdp.runtime.access.stream_tokens import StreamToken
from tinycdp.runtime.clock import Clock
from tinycdp.runtime.decisions.change_streams import ChangeStreams
from tinycdp.runtime.decisions.decide import LoadedProfile, ProfileLoader
from tinycdp.runtime.decisions.local_snapshots import LocalAnswers, local_answers
from tinycdp.runtime.mirror import Mirror

FORMAT = 1


@dataclass(slots=True)
class MadeSnapshot:
    """Everything an answer is made of; `stream_token` is None if no stream is available."""

    loaded: LoadedProfile
    now: Instant
    answers: LocalAnswers
    stream_token: StreamToken | None

    @property
    def etag(self) -> str:
        """It stands for the flags, the unit and the stream, and not for when they were evaluated."""
        stale = b"stale" if self.loaded.stale else b""
        return etag_of(self.answers.digest + stale, self.stream_token)


class LocalSnapshots:
    """Makes snapshots from profiles in memory."""

    def __init__(
        self, profile_loader: ProfileLoader, change_streams: ChangeStreams, mirror: Mirror, keyring: Keyring
    ) -> None:
        self._profile_loader = profile_loader
        self._change_streams = change_streams
        self._mirror = mirror
        self._keyring = keyring

    async def of(self, actor: Actor, question: LocalQuestion, now: Clock) -> MadeSnapshot:
        """The snapshot of a profile; as new as the ETag that the client was notified of."""
        identifier = next(iter(question.identifiers()), None)
        made = await self._make(actor, identifier, question.min_version, now)
        if question.etag is not None and question.etag != made.etag:
            # Another process notified the client, and this one not yet: what Postgres has is at least as new.
            await self._mirror.reread(actor.environment_id, identifier)
            made = await self._make(actor, identifier, question.min_version, now)
        return made

    def answer(self, made: MadeSnapshot) -> LocalSnapshot:
        """What the client is sent."""
        catalog, snapshot, stale = made.loaded
        flags: Any = msgspec.Raw(made.answers.flags)
        token = made.stream_token
        return LocalSnapshot(
            format=FORMAT,
            as_of=snapshot.now,
            valid_until=made.answers.until if made.answers.until < NEVER else None,
            revision=catalog.revision,
            version=snapshot.version,
            unit=snapshot.unit,
            flags=flags,
            stale=stale or msgspec.UNSET,
            stream=address_of(self._keyring, token) if token is not None else msgspec.UNSET,
        )

    async def _make(self, actor: Actor, identifier: Identifier | None, min_version: int, now: Clock) -> MadeSnapshot:
        # No flag needs the variants that profiles keep: clients ask for those that do.
        loaded = await self._profile_loader.load(actor.environment_id, identifier, now(), min_version, flags=())
        instant = now()
        answers = local_answers(loaded.catalog, loaded.snapshot, instant)
        token = None
        context = {} if identifier is None else {identifier.kind: identifier.value}
        if not self._change_streams.full and stream_tokens.fits(context):
            token = StreamToken(actor.key_id, stream_tokens.window_of(instant), context, answers.mark, local=True)
        return MadeSnapshot(loaded, instant, answers, token)


def named_in(context: Mapping[str, Any]) -> Identifier | None:
    """The identifier in the token of a snapshot's stream."""
    return next((Identifier(kind, value) for kind, value in context.items()), None)
