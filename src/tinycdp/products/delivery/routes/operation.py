"""Destinations in operation: health, deliveries, replay, pause, secrets, tests.

Errors  404 NOT_FOUND · 501 PACKAGE_MISSING · 409 DESTINATION_PAUSED · 400 INVALID_REPLAY, INVALID_REQUEST
Source  docs/reference/webhooks.md
"""

from datetime import datetime
from typing import Annotated, Any

from litestar import get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from tinycdp.api.http.bodies import decode_json
from tinycdp.api.http.params import LAST_ID, Before, Limit
from tinycdp.api.http.parts import Injected
from tinycdp.errors import InvalidInput
from tinycdp.model import Instant
from tinycdp.products.delivery import service
from tinycdp.products.delivery.destinations import Destination
from tinycdp.products.delivery.gauges import seconds_since
from tinycdp.products.delivery.messages import id_of
from tinycdp.products.delivery.routes.destinations import TAGS
from tinycdp.products.delivery.routes.schemas import (
    Deliveries,
    Delivery,
    DeliveryHealth,
    DestinationHealth,
    MadeMessage,
    PauseBody,
    RedeliveryBody,
    ReplayedDeliveries,
    Secret,
    SecretBody,
    Secrets,
    ShownSecret,
    TestBody,
    Tested,
    Undelivered,
    UndeliveredPage,
)
from tinycdp.products.delivery.service import Delivery as DeliveryService
from tinycdp.products.delivery.store.lanes import HealthRow
from tinycdp.runtime.environment import Environment
from tinycdp.times import iso, iso_or_none

_AfterSeq = Annotated[int, QueryParameter(ge=0, le=LAST_ID, description="the last number of the previous page")]
_OnlyFailed = Annotated[bool, QueryParameter(name="failed", description="only attempts that failed")]


def _health(destination: Destination, row: HealthRow, now: Instant) -> DestinationHealth:
    state, reason = row.state, row.reason
    if state == "active" and destination.document.paused:
        state, reason = "paused", "Its document says so."
    return DestinationHealth(
        key=destination.key,
        state=state,
        reason=reason,
        behind=row.last_seq - row.cursor,
        lag_seconds=seconds_since(row.oldest_at, now),
        waiting=row.waiting,
        next_at=iso_or_none(row.next_at),
        undelivered=row.undelivered,
        delivered=row.delivered,
        failed=row.failed,
        probe_at=iso_or_none(row.probe_at) if state == "active" else None,
        failing_since=iso_or_none(row.failing_since),
        last_success_at=iso_or_none(row.last_success_at),
        last_failure_at=iso_or_none(row.last_failure_at),
        last_failure=row.last_failure,
        lapsed_at=iso_or_none(row.lapsed_at),
        timestamp=iso(now),
    )


async def _health_of(delivery: DeliveryService, environment: Environment, name: str) -> DestinationHealth:
    return _health(*await service.health(delivery, environment, name), environment.now())


def _id(environment: Environment, definition_id: int, seq: int | None, at: Instant | None) -> str | None:
    return None if seq is None or at is None else id_of(environment.id, definition_id, seq, at)


@get("/v1/delivery/health", summary="How all destinations are", tags=TAGS, scope="admin")
async def get_delivery_health(
    environment: Injected[Environment], delivery: Injected[DeliveryService]
) -> DeliveryHealth:
    now = environment.now()
    return DeliveryHealth([_health(*one, now) for one in await service.healths(delivery, environment)])


@get("/v1/destinations/{name:str}/health", summary="How a destination is", tags=TAGS, scope="admin")
async def get_destination_health(
    environment: Injected[Environment], delivery: Injected[DeliveryService], name: FromPath[str]
) -> DestinationHealth:
    return await _health_of(delivery, environment, name)


@get(
    "/v1/destinations/{name:str}/deliveries",
    summary="List the attempts of a destination, newest first",
    tags=TAGS,
    scope="admin",
)
async def list_deliveries(
    environment: Injected[Environment],
    delivery: Injected[DeliveryService],
    name: FromPath[str],
    before: Before = LAST_ID,
    failed: _OnlyFailed = False,
    limit: Limit = 50,
) -> Deliveries:
    """The newest 50,000 of a week. Of more than 100 successes in a second the others are left out."""
    destination = await delivery.destination(environment, name)
    found = [
        Delivery(
            id=row.id,
            webhook_id=_id(environment, destination.id, row.seq, row.happened_at) if row.records is None else None,
            seq=row.seq,
            type=row.type if row.records is None else None,
            profile_id=str(row.profile_id) if row.profile_id is not None and row.records is None else None,
            attempt=row.attempt,
            at=iso(row.at),
            duration_ms=row.duration_ms,
            status=row.status,
            error=row.error,
            answer=row.answer,
            records=row.records,
        )
        for row in await service.deliveries(delivery, environment, name, before, limit, only_failed=failed)
    ]
    return Deliveries(found, found[-1].id if len(found) == limit else None)


@get(
    "/v1/destinations/{name:str}/messages/{seq:int}",
    summary="A message of the log as it would be sent now",
    tags=TAGS,
    scope="admin",
)
async def get_message(
    environment: Injected[Environment],
    delivery: Injected[DeliveryService],
    name: FromPath[str],
    seq: FromPath[int],
) -> MadeMessage:
    """Bodies are not kept: it is made again from what is true now. `seq` is an attempt's, or an undelivered one's."""
    happening, id_, outgoing = await service.message(delivery, environment, name, min(max(seq, 0), LAST_ID))
    return MadeMessage(
        webhook_id=id_,
        type=happening.type,
        method=outgoing.method,
        url=outgoing.url,
        headers=outgoing.headers,
        body=_shown(outgoing.body),
    )


@get(
    "/v1/destinations/{name:str}/undelivered",
    summary="List the messages that were given up, oldest first",
    tags=TAGS,
    scope="admin",
)
async def list_undelivered(
    environment: Injected[Environment],
    delivery: Injected[DeliveryService],
    name: FromPath[str],
    after: _AfterSeq = 0,
    limit: Limit = 50,
) -> UndeliveredPage:
    """A message is given up after ten attempts in about three days."""
    destination = await delivery.destination(environment, name)
    found = [
        Undelivered(
            seq=row.seq,
            webhook_id=_id(environment, destination.id, row.seq, row.at),
            type=row.type,
            profile_id=str(row.profile_id) if row.profile_id is not None else None,
            happened_at=iso_or_none(row.at),
            attempts=row.attempts,
            reason=row.reason,
            status=row.status,
            answer=row.answer,
            given_up_at=iso(row.died_at),
        )
        for row in await service.undelivered(delivery, environment, name, after, limit)
    ]
    return UndeliveredPage(found, found[-1].seq if len(found) == limit else None)


@post(
    "/v1/destinations/{name:str}/replay",
    status_code=200,
    summary="Send messages again",
    tags=TAGS,
    scope="admin",
    example={"undelivered": True, "dryRun": True},
)
async def replay_destination(
    environment: Injected[Environment],
    delivery: Injected[DeliveryService],
    name: FromPath[str],
    data: JSONBody[RedeliveryBody],
) -> ReplayedDeliveries:
    """Messages keep their ids, so a receiver that remembers ids ignores what it had."""
    given = [data.after_version is not None, data.since is not None, data.undelivered is not False]
    if sum(given) != 1:
        message = "Give one of `afterVersion`, `since` and `undelivered`."
        raise InvalidInput("INVALID_REPLAY", message, path="$")
    if data.undelivered is not False:
        seqs = data.undelivered if isinstance(data.undelivered, list) else None
        n = await service.replay_undelivered(delivery, environment, name, seqs, dry_run=data.dry_run)
    else:
        since = _instant(data.since) if data.since is not None else None
        n = await service.replay_from(delivery, environment, name, data.after_version, since, dry_run=data.dry_run)
    return ReplayedDeliveries(n, data.dry_run)


def _instant(text: str) -> Instant:
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            raise ValueError(text)
        return int(at.timestamp() * 1000)
    except (ValueError, OverflowError):
        message = f"$.since: {text!r} is no instant; write 2026-06-01T12:00:00Z."
        raise InvalidInput("INVALID_REPLAY", message, path="$.since") from None


@post(
    "/v1/destinations/{name:str}/pause",
    status_code=200,
    summary="Send nothing to a destination for now",
    tags=TAGS,
    scope="admin",
    example={"reason": "the receiver moves"},
)
async def pause_destination(
    environment: Injected[Environment],
    delivery: Injected[DeliveryService],
    name: FromPath[str],
    data: JSONBody[PauseBody] = PauseBody(),
) -> DestinationHealth:
    """What happens meanwhile waits, for as long as TINYCDP_DELIVERY_DAYS says."""
    await service.pause(delivery, environment, name, data.reason)
    return await _health_of(delivery, environment, name)


@post(
    "/v1/destinations/{name:str}/resume",
    status_code=200,
    summary="Go on with a destination where it stopped",
    tags=TAGS,
    scope="admin",
)
async def resume_destination(
    environment: Injected[Environment], delivery: Injected[DeliveryService], name: FromPath[str]
) -> DestinationHealth:
    """Also after it was disabled by an answer 410."""
    await service.resume(delivery, environment, name)
    return await _health_of(delivery, environment, name)


@get(
    "/v1/destinations/{name:str}/secrets",
    summary="List the signing keys, without their texts",
    tags=TAGS,
    scope="admin",
)
async def list_destination_secrets(
    environment: Injected[Environment], delivery: Injected[DeliveryService], name: FromPath[str]
) -> Secrets:
    """Those that were shown. Before the first one is, messages are signed with one that is never shown."""
    found = await service.shown_secrets(delivery, environment, name)
    return Secrets([ShownSecret(row.algorithm, iso(row.created_at), iso_or_none(row.expires_at)) for row in found])


@post(
    "/v1/destinations/{name:str}/secrets",
    status_code=201,
    summary="Make a new signing key",
    tags=TAGS,
    scope="admin",
    example={"algorithm": "v1"},
)
async def rotate_destination_secret(
    environment: Injected[Environment],
    delivery: Injected[DeliveryService],
    name: FromPath[str],
    data: JSONBody[SecretBody] = SecretBody(),
) -> Secret:
    """It is shown once. The one before signs beside it for 24 hours, whatever its algorithm is."""
    secret, until = await service.rotate(delivery, environment, name, data.algorithm)
    return Secret(data.algorithm, secret, iso_or_none(until))


@post(
    "/v1/destinations/{name:str}/test",
    status_code=200,
    summary="Make a message about a real profile, and send it",
    tags=TAGS,
    scope="admin",
    example={"type": "segment.entered", "profile": "1", "dryRun": True},
)
async def test_destination(
    environment: Injected[Environment],
    delivery: Injected[DeliveryService],
    name: FromPath[str],
    data: JSONBody[TestBody],
) -> Tested:
    """The header `webhook-test: true` marks it. It is sent once, whatever the answer is."""
    profile = None
    if data.profile:
        if not data.profile.isdecimal() or int(data.profile) > LAST_ID:
            message = f"$.profile: {data.profile!r} is no id of a profile."
            raise InvalidInput("INVALID_REQUEST", message, path="$.profile")
        profile = int(data.profile)
    found = await service.test(delivery, environment, name, data.type, profile, dry_run=data.dry_run)
    result = found.result
    return Tested(
        method=found.outgoing.method,
        url=found.outgoing.url,
        body=_shown(found.outgoing.body),
        headers=found.outgoing.headers,
        delivered=None if result is None else result.is_delivered,
        status=None if result is None else result.status,
        error="" if result is None else result.error,
        answer="" if result is None else result.answer,
        duration_ms=None if result is None else result.duration_ms,
    )


def _shown(body: bytes) -> Any:
    """A body of JSON with all its digits, null if there is no body."""
    return decode_json(body) if body else None


ROUTES = [
    get_delivery_health,
    get_destination_health,
    list_deliveries,
    get_message,
    list_undelivered,
    replay_destination,
    pause_destination,
    resume_destination,
    list_destination_secrets,
    rotate_destination_secret,
    test_destination,
]
