"""The names of events: their styles, one spelling for all, and versions.

Shape   is_written(name, style) · restyled(name, style) → the name in that style · Renaming(…).name_of(name) → the name
        to store · version_of(name) → (event, version) of `signup.v2`
Laws    renaming twice changes nothing more. A name that cannot be written in the style stays as it is.
        The suffix of a version belongs to no style and is kept: `Sign Up.v2` becomes `sign_up.v2`
Errors  ValueError for aliases that form a loop, or that say two things about one name
Source  docs/reference/registry.md "Names"
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Literal

Style = Literal[
    "any", "snake_case", "camelCase", "PascalCase", "kebab-case", "dot.separated", "Title Case", "Sentence case"
]

#: How many new names are remembered; clients may send any number.
_MOST_KNOWN = 10_000
_VERSION = re.compile(r"(.+)\.v(\d{1,9})", re.ASCII | re.DOTALL)
#: A name that has words: ASCII letters and digits, between which one of these may stand.
_WORDY = re.compile(r"[A-Za-z0-9 _.:/-]+", re.ASCII)
_WORD = re.compile(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+\d*|\d+", re.ASCII)
#: Names of the server, and names that the naming policy ignores.
RESERVED, _IGNORED = "$", ("$", "_")

_STYLES: Mapping[str, Callable[[str], Any]] = {
    "snake_case": re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*", re.ASCII).fullmatch,
    "camelCase": re.compile(r"[a-z][a-zA-Z0-9]*", re.ASCII).fullmatch,
    "PascalCase": re.compile(r"[A-Z][a-zA-Z0-9]*", re.ASCII).fullmatch,
    "kebab-case": re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*", re.ASCII).fullmatch,
    "dot.separated": re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*", re.ASCII).fullmatch,
    "Title Case": re.compile(r"[A-Z0-9][a-zA-Z0-9]*(?: [A-Z0-9][a-zA-Z0-9]*)*", re.ASCII).fullmatch,
    "Sentence case": re.compile(r"[A-Z][a-zA-Z0-9]*(?: [a-z0-9]+)*", re.ASCII).fullmatch,
}
_JOINED: Mapping[str, Callable[[list[str]], str]] = {
    "snake_case": "_".join,
    "camelCase": lambda words: words[0] + "".join(map(str.capitalize, words[1:])),
    "PascalCase": lambda words: "".join(map(str.capitalize, words)),
    "kebab-case": "-".join,
    "dot.separated": ".".join,
    "Title Case": lambda words: " ".join(map(str.capitalize, words)),
    "Sentence case": lambda words: " ".join((words[0].capitalize(), *words[1:])),
}


def version_of(name: str) -> tuple[str, int | None]:
    """The event and the version of a name such as `signup.v2`; None if it has no version."""
    found = _VERSION.fullmatch(name)
    return (found[1], int(found[2])) if found is not None else (name, None)


@lru_cache(10_000)
def is_written(name: str, style: Style) -> bool:
    """Whether a name is written in a style."""
    return style == "any" or _STYLES[style](name) is not None


def restyled(name: str, style: Style) -> str:
    """The name in a style; as it is if it has characters or a beginning that the style does not have."""
    if style == "any" or name.startswith(_IGNORED):
        return name
    found = _VERSION.fullmatch(name)
    base, suffix = (found[1], name[len(found[1]) :]) if found is not None else (name, "")
    if is_written(base, style) or not _WORDY.fullmatch(base):
        return name
    words = [word.lower() for word in _WORD.findall(base)]
    new = _JOINED[style](words) if words else base
    return new + suffix if is_written(new, style) else name


class Renaming:
    """Brings names to one spelling: their style, then aliases to their end."""

    def __init__(self, style: Style, aliases: Mapping[str, str]) -> None:
        self._style: Style = style
        self._known: dict[str, str] = {}
        self._aliases: dict[str, str] = {}
        for old, new in aliases.items():
            if old == new:
                raise ValueError(f"{old!r} is an alias of itself")
            if old.startswith(RESERVED) or new.startswith(RESERVED):
                raise ValueError(f"{old!r}: names that begin with $ are reserved")
            key, target = restyled(old, style), restyled(new, style)
            if self._aliases.setdefault(key, target) != target:
                raise ValueError(f"{old!r} is an alias of two names: {self._aliases[key]!r} and {target!r}")
        for key in [key for key, target in self._aliases.items() if key == target]:
            del self._aliases[key]  # the style alone does it
        for key in self._aliases:
            self._follow(key)

    def name_of(self, name: str) -> str:
        """The name to store."""
        found = self._known.get(name)
        if found is None:
            found = self._follow(restyled(name, self._style))
            if len(self._known) < _MOST_KNOWN:
                self._known[name] = found
        return found

    def _follow(self, name: str) -> str:
        passed = [name]
        while (target := self._aliases.get(passed[-1])) is not None:
            if target in passed:
                raise ValueError(f"the aliases form a loop: {' → '.join([*passed, target])}")
            passed.append(target)
        return passed[-1]
