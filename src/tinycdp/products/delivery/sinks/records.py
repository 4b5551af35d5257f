"""A happening as a record of a batch.

Laws    pure. What a record says of a happening is what the body of a webhook says, or what the mapping makes of it.
        One that the mapping makes too large says so, and keeps its place: it must not hold up those after it
"""

import msgspec

from tinycdp.products.delivery.happenings import Happening
from tinycdp.products.delivery.mapping.nodes import MOST_BYTES, RecordMapping, RecordTooLarge
from tinycdp.products.delivery.messages import MessageFacts, body_of, fields_of, values_of
from tinycdp.products.delivery.sinks.sink import SinkRecord


class _Body(msgspec.Struct):
    data: msgspec.Raw


_LEFT_OUT = b'{"leftOut":["mapping"]}'
_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode = msgspec.json.Decoder(_Body).decode


def record_of(id: str, happening: Happening, facts: MessageFacts, mapping: RecordMapping | None) -> SinkRecord | None:
    """The record, None if it is about a profile that was erased. mapping: makes its data"""
    body = body_of(happening, facts)
    if body is None:
        return None
    data = bytes(_decode(body).data)
    if mapping is not None:
        data = _mapped(mapping, id, happening, facts)
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
        data=data,
    )


def _mapped(mapping: RecordMapping, id: str, happening: Happening, facts: MessageFacts) -> bytes:
    try:
        data = _encode(mapping.record(fields_of(id, happening, facts) or {}, values_of(happening, facts)))
    except RecordTooLarge:
        return _LEFT_OUT
    return data if len(data) <= MOST_BYTES else _LEFT_OUT
