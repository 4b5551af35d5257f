"""Bodies with many events, and what stands beside the events.

Shape   BatchReading(struct).read(body) → (batch, rest), where rest has the fields that the struct does not have
Laws    a batch without unknown fields is decoded once. null, "" and absent are the same
Errors  InvalidInput for a body that cannot be parsed
Source  docs/reference/tracking.md
"""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec

from tinycdp.api.http.bodies import decode, decode_json, number
from tinycdp.api.ingest.adapters.event import NO_FIELDS, absent
from tinycdp.errors import InvalidInput

T = TypeVar("T", bound=msgspec.Struct)


class BatchReading(Generic[T]):
    """Reads batches of one form; its struct has the events as raw texts."""

    def __init__(self, struct: type[T]) -> None:
        strict = msgspec.defstruct("Strict", [], bases=(struct,), forbid_unknown_fields=True)
        self._strict = msgspec.json.Decoder(strict, float_hook=number)
        self._loose = msgspec.json.Decoder(struct, float_hook=number)
        self._names = frozenset(field.encode_name for field in msgspec.structs.fields(struct))

    def read(self, body: bytes) -> tuple[T, Mapping[str, Any]]:
        """The batch, and the fields beside its events that it does not have."""
        try:
            return self._strict.decode(body), NO_FIELDS  # type: ignore[return-value]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            batch = decode(self._loose, body)
        others = {name: raw for name, raw in decode(_FIELDS, body).items() if name not in self._names}
        rest = {name: _value(bytes(raw)) for name, raw in others.items()}
        return batch, {name: value for name, value in rest.items() if not absent(value)}


def _value(raw: bytes) -> Any:
    """A value beside the events; as text if it cannot be read, because it must not cost the events."""
    try:
        return decode_json(raw)
    except InvalidInput:
        return raw.decode("utf-8", "replace")


_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
