"""The checks of a message before it is stored: the tracking plan, and what definitions read.

Shape   Screening.screen(environment, messages) → (messages, rejections), without I/O
Laws    the plan comes first, because it converts. Messages without a warning are the same objects
Source  docs/reference/warnings.md "Numbers as text"
"""

from collections.abc import Sequence

from tinycdp.engine.catalog import CompiledSet
from tinycdp.engine.schema.number_reads import NumberReads
from tinycdp.engine.schema.tracking_plan import with_warnings
from tinycdp.model import Message, Rejection
from tinycdp.runtime.definitions.catalogs import Catalogs
from tinycdp.runtime.schema.tracking_plan import Plans


class Screening:
    """The screening of one process."""

    def __init__(self, plans: Plans, catalogs: Catalogs) -> None:
        self._plans = plans
        self._catalogs = catalogs
        self._reads: dict[int, tuple[CompiledSet, NumberReads]] = {}

    def screen(self, environment_id: int, messages: Sequence[Message]) -> tuple[Sequence[Message], list[Rejection]]:
        """The messages with conversions and warnings, and rejections of the others."""
        messages, rejections = self._plans.screen(environment_id, messages)
        reads = self.number_reads(environment_id)
        if reads is not None and (found := reads.check(messages)):
            messages = list(messages)
            for n, warned in found:
                messages[n] = with_warnings(messages[n], warned)
        return messages, rejections

    def number_reads(self, environment_id: int) -> NumberReads | None:
        """What the live definitions read as numbers; None before they are loaded."""
        catalog = self._catalogs.current(environment_id)
        if catalog is None:
            return None
        known = self._reads.get(environment_id)
        if known is None or known[0] is not catalog.live:
            known = self._reads[environment_id] = (catalog.live, NumberReads(catalog.live))
        return known[1]
