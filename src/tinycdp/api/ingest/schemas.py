"""What clients and server exchange about events, and what became of refused ones."""

import msgspec

from tinycdp.runtime.rejections import HourCount


class Counts(msgspec.Struct):
    """Newest hour first, at most 10,000 lines."""

    counts: list[HourCount]


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """ids: these letters, at most 1,000. code: all with this code. after: as `next` of the answer before."""

    ids: list[str] | None = None
    code: str | None = None
    after: str = "0"


class Discarded(msgspec.Struct):
    discarded: int
