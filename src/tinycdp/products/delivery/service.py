"""Destinations for their routes: health, deliveries, replay, secrets and tests.

Shape   one function per route; `lane_of` finds the destination and its lane
Errors  NotFound · Conflict DESTINATION_PAUSED, UNSENDABLE · InvalidInput INVALID_REPLAY
Source  docs/reference/webhooks.md
"""

import secrets as random_secrets
from collections.abc import Sequence
from dataclasses import dataclass

from tinycdp.errors import Conflict, InvalidInput, NotFound
from tinycdp.model import HOUR_MS, Instant
from tinycdp.products.delivery import signing
from tinycdp.products.delivery.definitions.kinds import DESTINATIONS, KIND
from tinycdp.products.delivery.destinations import Destination, Destinations
from tinycdp.products.delivery.happenings import EVENT, OF_SEGMENTS, Happening
from tinycdp.products.delivery.lanes.channels import (
    Channels,
    DeliveryChannel,
    Outgoing,
    PlannedDelivery,
    only_unsendable,
)
from tinycdp.products.delivery.lanes.lane import keys_of
from tinycdp.products.delivery.lanes.sender import SendResult, Unsendable
from tinycdp.products.delivery.messages import id_of
from tinycdp.products.delivery.reach import Reach
from tinycdp.products.delivery.store import batches as batch_store
from tinycdp.products.delivery.store import lanes as store
from tinycdp.products.delivery.store import log as log_store
from tinycdp.products.delivery.syncs.definitions import SavedSyncs
from tinycdp.runtime.environment import Environment
from tinycdp.settings import Settings
from tinycdp.store import definitions as definition_store
from tinycdp.store import events as event_store
from tinycdp.store.database.pool import acquired, transaction

#: Events of a profile that a test looks through.
_LOOKED_AT = 100
_OVERLAP_MS = 24 * HOUR_MS


class Delivery:
    """What the routes of one process share."""

    def __init__(self, settings: Settings) -> None:
        self.channels = Channels(Reach.of(settings))
        self.destinations = Destinations()
        self.syncs = SavedSyncs(self.destinations)

    async def close(self) -> None:
        """Close all connections."""
        await self.channels.close()

    async def destination(self, environment: Environment, key: str) -> Destination:
        """The destination of this key."""
        async with acquired(environment.pool) as connection:
            found = {one.key: one for one in await self.destinations.of(connection, environment.id)}
        if key not in found:
            await DESTINATIONS.found(environment, KIND, key)  # says what is like it
        return found[key]


async def healths(delivery: Delivery, environment: Environment) -> list[tuple[Destination, store.HealthRow]]:
    """How all destinations are, by key."""
    async with acquired(environment.pool) as connection:
        destinations = await delivery.destinations.of(connection, environment.id)
        rows = await store.healths(connection, environment.id)
    found = [(one, rows[one.id]) for one in destinations if one.id in rows]
    return sorted(found, key=lambda pair: pair[0].key)


async def health(delivery: Delivery, environment: Environment, key: str) -> tuple[Destination, store.HealthRow]:
    """How a destination is."""
    destination = await delivery.destination(environment, key)
    async with acquired(environment.pool) as connection:
        rows = await store.healths(connection, environment.id, [destination.id])
    if destination.id not in rows:
        raise NotFound("NOT_FOUND", f"The destination {key!r} was deleted.")
    return destination, rows[destination.id]


async def deliveries(
    delivery: Delivery, environment: Environment, key: str, before: int, limit: int, *, only_failed: bool
) -> list[store.DeliveryRow]:
    """The newest attempts before one."""
    destination = await delivery.destination(environment, key)
    async with acquired(environment.pool) as connection:
        return await store.list_deliveries(
            connection, environment.id, destination.id, before, limit, only_failed=only_failed
        )


async def undelivered(
    delivery: Delivery, environment: Environment, key: str, after: int, limit: int
) -> list[store.UndeliveredRow]:
    """What was given up, oldest first."""
    destination = await delivery.destination(environment, key)
    async with acquired(environment.pool) as connection:
        return await store.list_undelivered(connection, environment.id, destination.id, after, limit)


async def pause(delivery: Delivery, environment: Environment, key: str, reason: str) -> None:
    """Send nothing until it is resumed; what happens meanwhile waits."""
    destination = await delivery.destination(environment, key)
    async with transaction(environment.pool) as connection:
        await store.set_state(connection, environment.id, destination.id, "paused", reason)


async def resume(delivery: Delivery, environment: Environment, key: str) -> None:
    """Go on where it stopped."""
    destination = await delivery.destination(environment, key)
    if destination.document.paused:
        raise Conflict(
            "DESTINATION_PAUSED", f"The document of destination {key!r} says paused: true; save it without that first."
        )
    async with transaction(environment.pool) as connection:
        await store.set_state(connection, environment.id, destination.id, "active", "")
        await batch_store.hurry_batch(connection, environment.id, destination.id, environment.now())


async def replay_from(
    delivery: Delivery,
    environment: Environment,
    key: str,
    version: int | None,
    since: Instant | None,
    *,
    dry_run: bool,
) -> int:
    """Send again what happened after a version, or since an instant. Returns how many happenings that are at most."""
    destination = await delivery.destination(environment, key)
    async with transaction(environment.pool, dry_run=dry_run) as connection:
        await store.hold_lane(connection, environment.id, destination.id)
        log = await log_store.see_log(connection, environment.id)
        if log is None:
            return 0
        if version is not None:
            cursor = await log_store.seq_before_position(connection, environment.id, version)
        else:
            assert since is not None
            cursor = await log_store.seq_at(connection, environment.id, since)
        await store.rewind_lane(connection, environment.id, destination.id, cursor)
    return log.last_seq - cursor


async def replay_undelivered(
    delivery: Delivery, environment: Environment, key: str, seqs: Sequence[int] | None, *, dry_run: bool
) -> int:
    """Try what was given up again, as if it were new. Returns how many."""
    destination = await delivery.destination(environment, key)
    async with transaction(environment.pool, dry_run=dry_run) as connection:
        return await store.revive(connection, environment.id, destination.id, seqs, environment.now())


async def shown_secrets(delivery: Delivery, environment: Environment, key: str) -> list[store.SecretRow]:
    """The keys that receivers may have and that sign now, oldest first."""
    destination = await delivery.destination(environment, key)
    async with acquired(environment.pool) as connection:
        found = await store.list_secrets(connection, environment.id, destination.id, environment.now())
    return [row for row in found if row.is_shown]


async def rotate(
    delivery: Delivery, environment: Environment, key: str, algorithm: signing.Algorithm
) -> tuple[str, Instant | None]:
    """A new key as receivers configure it, and until when the old one signs too."""
    destination = await delivery.destination(environment, key)
    now = environment.now()
    made = signing.new_key(algorithm)
    async with transaction(environment.pool) as connection:
        await store.hold_lane(connection, environment.id, destination.id)
        before = await store.list_secrets(connection, environment.id, destination.id, now)
        await store.retire_secrets(connection, environment.id, destination.id, now, now + _OVERLAP_MS)
        await store.add_secret(connection, environment.id, destination.id, made, now, is_shown=True)
    return signing.shown(made), now + _OVERLAP_MS if any(one.is_shown for one in before) else None


async def message(delivery: Delivery, environment: Environment, key: str, seq: int) -> tuple[Happening, str, Outgoing]:
    """Make a message of the log again: what it says is read now, and so may differ from what was sent.

    Returns what happened, the message's id, and the message."""
    destination = await delivery.destination(environment, key)
    async with acquired(environment.pool) as connection:
        happening = await log_store.find_happening(connection, environment.id, seq)
        if happening is None:
            raise NotFound("NOT_FOUND", f"The log has no message {seq}; it may have been dropped.")
        facts = await delivery.destinations.facts(connection, environment, destination, [happening])
    keys = await keys_of(environment, destination.id)
    id_ = id_of(environment.id, destination.id, seq, happening.at)
    planned = PlannedDelivery(id_, happening, facts, environment.now(), keys)
    outgoing = _prepared(delivery.channels.of(destination), destination, planned)
    if outgoing is None:
        raise NotFound("NOT_FOUND", f"Message {seq} is about a person who was erased: nothing is sent.")
    return happening, id_, outgoing


@dataclass(frozen=True, slots=True)
class Tested:
    """A message that a test made, and what became of it. result: None for a preview"""

    outgoing: Outgoing
    result: SendResult | None


async def test(
    delivery: Delivery, environment: Environment, key: str, type_: str, profile_id: int | None, *, dry_run: bool
) -> Tested:
    """Make a message about a real profile, and send it unless it is a dry run."""
    destination = await delivery.destination(environment, key)
    now = environment.now()
    happening = await _example(environment, destination, type_, profile_id, now)
    async with acquired(environment.pool) as connection:
        facts = await delivery.destinations.facts(connection, environment, destination, [happening])
    keys = await keys_of(environment, destination.id)
    id_ = f"msg_test_{random_secrets.token_hex(8)}"
    channel = delivery.channels.of(destination)
    outgoing = _prepared(channel, destination, PlannedDelivery(id_, happening, facts, now, keys, is_test=True))
    if outgoing is None:
        raise NotFound("PROFILE_NOT_FOUND", f"There is no profile {profile_id}.")
    if dry_run:
        return Tested(outgoing, None)
    try:
        with only_unsendable(destination):
            result = await channel.send(destination, outgoing)
    except Unsendable as reason:
        raise Conflict("UNSENDABLE", str(reason)) from None
    row = (
        None, list(happening.profile_ids), 1, now, result.duration_ms, result.status, result.error,
        "" if result.is_delivered else result.answer,
    )  # fmt: skip
    async with transaction(environment.pool) as connection:
        await store.add_deliveries(connection, environment.id, destination.id, [row])
    return Tested(outgoing, result)


def _prepared(channel: DeliveryChannel, destination: Destination, planned: PlannedDelivery) -> Outgoing | None:
    if planned.facts.problem:
        raise Conflict("UNSENDABLE", planned.facts.problem)
    try:
        with only_unsendable(destination):
            return channel.prepare(destination, planned)
    except Unsendable as reason:
        raise Conflict("UNSENDABLE", str(reason)) from None


async def _example(
    environment: Environment, destination: Destination, type_: str, profile_id: int | None, now: Instant
) -> Happening:
    """A happening as one of this type would be."""
    async with acquired(environment.pool) as connection:
        head = (await definition_store.find_environment(connection, environment.id)).head_revision
        definitions = await definition_store.definitions_at(connection, environment.id, head)
    if type_ == "flag.changed":
        flag = next((row for row in definitions if row.kind == "flag"), None)
        object_id = flag.definition_id if flag is not None else 0
        return Happening(0, 0, now, type_, object_id=object_id, revision=head, cause="updated")
    if profile_id is None:
        message = f"A test of {type_} is about a profile; name it by `profile`, as answers have its id."
        raise InvalidInput("INVALID_REQUEST", message, path="$.profile")
    if type_ == EVENT:
        return await _newest_event(environment, destination, profile_id)
    if type_ not in OF_SEGMENTS:
        return Happening(0, 0, now, type_, profile_id, object_id=0, cause="manual")
    wanted = destination.wanted.segments
    segment = next(
        (r for r in definitions if r.kind == "segment" and (wanted is None or r.definition_id in wanted)), None
    )
    object_id = segment.definition_id if segment is not None else 0
    return Happening(0, 0, now, type_, profile_id, object_id=object_id, cause="event")


async def _newest_event(environment: Environment, destination: Destination, profile_id: int) -> Happening:
    """The newest event of a profile that the destination asks for."""
    before = (environment.now() + HOUR_MS, 2**62)
    async with acquired(environment.pool) as connection:
        rows = await event_store.events_of_profile(connection, environment.id, profile_id, before, _LOOKED_AT)
    for row in rows:
        found = Happening(0, 0, row.occurred_at, EVENT, profile_id, object_id=row.id, cause=row.name or f"${row.kind}")
        if destination.wanted.has(found):
            return found
    message = f"The newest {_LOOKED_AT} events of profile {profile_id} have none that this destination asks for."
    raise NotFound("PROFILE_NOT_FOUND", message)
