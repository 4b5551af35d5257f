"""URLs with parts that a mapping fills: values of the path and the query, never the host.

Shape   read_url(text) → UrlTemplate, or what is wrong with it · UrlTemplate.filled(values) → the URL
Laws    pure. A value is percent-encoded as a whole, so it stays within its part: it adds no segment, no parameter, no
        fragment. Scheme, host and port are those of the template, whatever the values are
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

PLACE = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
#: What stands in a URL as it is, and a percent sign that begins no code.
_WRITTEN = "%/:?[]@!$&'()*+,;=-._~"
_STRAY = re.compile(r"%(?![0-9A-Fa-f]{2})")
#: What a segment of a path must not be: it would lead to another path.
_NO_SEGMENTS = frozenset({"", ".", ".."})


class BadUrl(ValueError):
    """Why a URL with places cannot be filled."""


@dataclass(frozen=True, slots=True)
class UrlTemplate:
    """parts: texts and the names between them, alternating"""

    parts: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its places."""
        return self.parts[1::2]

    def filled(self, values: Mapping[str, str], shown: Mapping[str, str] | None = None) -> str:
        """The URL with these values, encoded. shown: texts that are put in as they are. Raises BadUrl"""
        found = []
        for n, part in enumerate(self.parts):
            if n % 2 == 0:
                found.append(part)
            elif shown is not None and part in shown:
                found.append(shown[part])
            else:
                value = values.get(part, "")
                if value in _NO_SEGMENTS:
                    raise BadUrl(f"The place {{{part}}} of the URL has no value that can stand there: {value!r}.")
                found.append(quote(value, safe=""))
        return "".join(found)


def read_url(text: str) -> UrlTemplate:
    """The template of a URL. Raises BadUrl."""
    origin = _ORIGIN.match(text)
    if origin is None:
        raise BadUrl("it has no host; write https://host/path.")
    if "{" in origin[0] or "}" in origin[0]:
        raise BadUrl("the host is fixed; a place such as {id} can be in the path and the query.")
    if "#" in text:
        raise BadUrl("a fragment is not sent; leave it out.")
    parts = PLACE.split(text)
    if any("{" in one or "}" in one for one in parts[::2]):
        raise BadUrl("a brace has no partner; write {name}.")
    for name in parts[1::2]:
        if not _NAME.fullmatch(name):
            raise BadUrl(f"{name[:40]!r} is no name of a place; use letters, digits and _.")
    parts[::2] = [_STRAY.sub("%25", quote(one, safe=_WRITTEN)) for one in parts[::2]]
    return UrlTemplate(tuple(parts))
