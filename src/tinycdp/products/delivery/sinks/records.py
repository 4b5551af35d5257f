"""A happening as a record of a batch.

Laws    pure. What a record says of a happening is what the body of a webhook says
"""

import msgspec

from tinycdp.products.delivery.happenings import Happening
from tinycdp.products.delivery.messages import MessageFacts, body_of
from tinycdp.products.delivery.sinks.sink import SinkRecord


class _Body(msgspec.Struct):
    data: msgspec.Raw


_decode = msgspec.json.Decoder(_Body).decode


def record_of(id: str, happening: Happening, facts: MessageFacts) -> SinkRecord | None:
    """The record, None if it is about a profile that was erased."""
    body = body_of(happening, facts)
    if body is None:
        return None
    is_of_segment = happening.type.startswith("segment.")
    return SinkRecord(
        id=id,
        type=happening.type,
        at=happening.at,
        environment=facts.environment,
        version=happening.position,
        cause=happening.cause,
        segment=facts.definitions.get(happening.object_id or 0, ("", ""))[0] if is_of_segment else None,
        profile=None if happening.profile_id is None else str(happening.profile_id),
        data=bytes(_decode(body).data),
    )
