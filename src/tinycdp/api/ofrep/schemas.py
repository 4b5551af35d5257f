"""What OpenFeature's providers and server exchange."""

from typing import Any

import msgspec

from tinycdp.runtime.decisions.evaluations import Evaluated


class Evaluation(msgspec.Struct):
    """`context.targetingKey` is the user id; what else stands in `context` is what rules read."""

    context: dict[str, Any] = {}


class EventStream(msgspec.Struct, rename="camel"):
    """Where a client hears that its answers changed. `endpoint.requestUri` is relative to this server."""

    type: str
    endpoint: dict[str, str]
    inactivity_delay_sec: int


class BulkEvaluation(msgspec.Struct, rename="camel"):
    """`flags` has an entry for each flag; one that could not be evaluated has errorCode and errorDetails instead of a
    value. `metadata` tells the revision of the definitions. `eventStreams` is missing where there is none."""

    flags: list[Evaluated]
    metadata: dict[str, Any]
    event_streams: list[EventStream] | msgspec.UnsetType = msgspec.UNSET
