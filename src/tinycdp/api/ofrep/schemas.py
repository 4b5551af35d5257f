"""What clients and server exchange by OFREP."""

from typing import Any

import msgspec

from tinycdp.runtime.decisions.evaluations import Evaluated


class Evaluation(msgspec.Struct):
    """`context.targetingKey` is the user id; what else stands in `context` is what rules read."""

    context: dict[str, Any] = {}


class EventStream(msgspec.Struct, rename="camel"):
    """Where a client is notified that its answers changed. `endpoint.requestUri` is relative to this server."""

    type: str
    endpoint: dict[str, str]
    inactivity_delay_sec: int


class BulkEvaluation(msgspec.Struct, rename="camel"):
    """`flags` has an entry for each flag; one that could not be evaluated has errorCode and errorDetails instead of a
    value. `metadata` has the revision of the definitions. `eventStreams` is absent if no stream is available."""

    flags: list[Evaluated]
    metadata: dict[str, Any]
    event_streams: list[EventStream] | msgspec.UnsetType = msgspec.UNSET
