"""The websites that may use a key.

Shape   read_origins(texts) → patterns · Origins(patterns).allow(origin) → whether a page of this origin may use the key
Units   an origin is what a browser sends in `Origin`: a scheme, a host, and a port unless it is the scheme's own
Laws    a pattern is an origin, or `https://*.example.com`: any host below that one, and not that one itself
Errors  InvalidInput INVALID_ORIGIN
"""

import re
from collections.abc import Sequence

from tinycdp.errors import InvalidInput

MOST_ORIGINS = 50
#: Of one pattern.
LONGEST_ORIGIN = 300

_PATTERN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<below>\*\.)?"
    r"(?P<host>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:]+\])(?::(?P<port>[0-9]{1,5}))?"
)
_OWN_PORTS = {"http": "80", "https": "443"}


def read_origins(texts: Sequence[str]) -> tuple[str, ...]:
    """The patterns as browsers write origins, each once."""
    if len(texts) > MOST_ORIGINS:
        raise InvalidInput(
            "INVALID_ORIGIN", f"$.origins: at most {MOST_ORIGINS}; found {len(texts)}.", path="$.origins"
        )
    return tuple(dict.fromkeys(_read(text, f"$.origins[{n}]") for n, text in enumerate(texts)))


def _read(text: str, path: str) -> str:
    found = _PATTERN.fullmatch(text.strip().lower().removesuffix("/"))
    if found is None or len(text) > LONGEST_ORIGIN:
        message = (
            f"{path}: {text[:80]!r} is not an origin. Write scheme and host, and a port if there is one: "
            "https://shop.example, https://*.shop.example or http://localhost:3000."
        )
        raise InvalidInput("INVALID_ORIGIN", message, path=path)
    port = found["port"]
    after = f":{port}" if port is not None and port != _OWN_PORTS.get(found["scheme"]) else ""
    return f"{found['scheme']}://{found['below'] or ''}{found['host']}{after}"


class Origins:
    """The origins of one key. Without any, every origin may use it."""

    __slots__ = ("_below", "_exact", "patterns")

    def __init__(self, patterns: Sequence[str]) -> None:
        self.patterns = tuple(patterns)
        self._exact = frozenset(pattern for pattern in patterns if "*" not in pattern)
        parts = [pattern.partition("*") for pattern in patterns if "*" in pattern]
        self._below = tuple((scheme, host) for scheme, _, host in parts)

    def allow(self, origin: str | None) -> bool:
        """Whether a request with this `Origin` may use the key. One without comes from no other website."""
        if origin is None or not self.patterns or origin in self._exact:
            return True
        return any(origin.startswith(scheme) and origin.endswith(host) for scheme, host in self._below)
