"""Errors about a definition that does not exist, with the nearest that does.

Shape   unknown(kind, key, names) → NotFound
"""

from collections.abc import Iterable

from tinycdp.dsl.suggest import did_you_mean
from tinycdp.engine.catalog import Name
from tinycdp.errors import NotFound


def unknown(kind: str, key: str, names: Iterable[Name], code: str = "NOT_FOUND") -> NotFound:
    """The error for a key that no definition of this kind has; names: all definitions that exist."""
    known = list(names)
    same = [other for found, other in known if found == kind]
    hint = did_you_mean(key, same)
    if not hint:
        others = [f"{found} {key!r}" for found, other in known if other == key]
        hint = f" There is a {others[0]}." if others else "" if same else f" There are no {kind}s yet."
    return NotFound(code, f"There is no {kind} {key[:100]!r}.{hint}")
