"""What the HTML pages share: colours for light and dark, and a policy that allows no more.

Shape   html(text, policy) is the answer of every page
Laws    the policy of a page without scripts allows its own style, and nothing from other hosts.
        No page is framed, guessed to be of another type, or named to the sites it links to
"""

import base64
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from litestar import MediaType, Response

#: Custom properties of colour, for light and for dark.
PALETTE = """
*{box-sizing:border-box}
:root{color-scheme:light dark;--ink:#1c2430;--dim:#5b6675;--line:#e3e7ec;--paper:#fff;--panel:#f6f8fa;--link:#1758c4;
--get:#0b7a4b;--post:#1758c4;--put:#9a5b00;--delete:#b3261e}
@media (prefers-color-scheme:dark){:root{--ink:#dfe5ec;--dim:#96a2b0;--line:#2a323d;--paper:#12171e;--panel:#1a212a;
--link:#7fb0ff;--get:#56d29b;--post:#7fb0ff;--put:#f0b85c;--delete:#ff8a80}}
""".strip()


#: Of every page, and of what a page loads.
SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def html(text: str | bytes, policy: str, headers: Mapping[str, str] | None = None, status: int = 200) -> Response[Any]:
    """A page with this Content-Security-Policy."""
    given = {**SAFE_HEADERS, "Content-Security-Policy": policy, **(headers or {})}
    return Response(text, media_type=MediaType.HTML, status_code=status, headers=given)


def policy_of(style: str) -> str:
    """The Content-Security-Policy of a page with this style, no scripts, and nothing from other hosts."""
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; frame-ancestors 'none'"
