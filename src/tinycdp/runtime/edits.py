"""Who changes what an environment is, when, and on which terms."""

from dataclasses import dataclass

from tinycdp.model import Instant


@dataclass(frozen=True, slots=True)
class Edit:
    """One change by hand of definitions, policies, the tracking plan, kill switches or the list of suppressed.

    dry_run           refuse what would be refused, and keep nothing
    expected_version  of what is to be replaced: another one is a conflict. None: any; 0: there is none yet"""

    author: str
    now: Instant
    note: str = ""
    dry_run: bool = False
    expected_version: int | None = None
