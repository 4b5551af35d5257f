"""A group of people (a company, a team) and its traits.

Shape   Group.take(traits, stamp) adds what one group call said of it
Laws    a trait is its latest value by (instant, message id), whoever sent it: the order of arrival never matters
Source  dsl/SPEC.md "Names"; docs/decisions/0027-groups.md
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from tinycdp.engine.profile import Stamp, same


class Group(msgspec.Struct):
    """`stamps` says when each trait was last written."""

    key: str
    traits: dict[str, Any] = {}
    stamps: dict[str, Stamp] = {}

    def take(self, traits: Mapping[str, Any], stamp: Stamp) -> bool:
        """Write what no later call wrote already. True where a trait is another one now."""
        changed = False
        for name, value in traits.items():
            known = self.stamps.get(name)
            if known is not None and known >= stamp:
                continue
            self.stamps[name] = stamp
            if name not in self.traits or not same(self.traits[name], value):
                self.traits[name] = value
                changed = True
        return changed
