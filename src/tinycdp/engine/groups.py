"""A group (a company, a team) and its traits.

Shape   Group.apply_call(traits, stamp) applies one group call
Laws    a trait has its latest value by (instant, message id), whichever member sent it; order of arrival never matters
Source  dsl/SPEC.md "Names"; docs/decisions/0027-groups.md
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from tinycdp.engine.profile import Stamp, same_json


class Group(msgspec.Struct):
    """`stamps` holds the time at which each trait was last written."""

    key: str
    traits: dict[str, Any] = {}
    stamps: dict[str, Stamp] = {}

    def apply_call(self, traits: Mapping[str, Any], stamp: Stamp) -> bool:
        """Write the traits that no later call has written. Returns True if a value changed."""
        changed = False
        for name, value in traits.items():
            known = self.stamps.get(name)
            if known is not None and known >= stamp:
                continue
            self.stamps[name] = stamp
            if name not in self.traits or not same_json(self.traits[name], value):
                self.traits[name] = value
                changed = True
        return changed
