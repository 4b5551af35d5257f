"""The parts of an HTTP process, for routes that do not name theirs yet."""

from typing import Any, Protocol

from tinycdp.runtime.decisions import Decisions
from tinycdp.runtime.keys import Keyring


class Service(Protocol):
    """Everything an HTTP process works with."""

    decisions: Decisions
    keyring: Keyring

    def __getattr__(self, name: str) -> Any: ...
