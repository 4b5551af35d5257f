"""The author, time and conditions of a change to an environment."""

from dataclasses import dataclass

from tinycdp.model import Instant


@dataclass(frozen=True, slots=True)
class Edit:
    """One manual change of what an environment is.

    It may be a change of definitions, policies, the tracking plan, kill switches or suppressed identifiers.

    dry_run           check everything, but change nothing
    expected_version  the version to replace; any other is a conflict. None: no check; 0: it must not exist yet"""

    author: str
    now: Instant
    note: str = ""
    dry_run: bool = False
    expected_version: int | None = None
