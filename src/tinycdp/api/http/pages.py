"""What the HTML pages share: colours for light and dark, and a policy that allows no more.

Laws    the policy allows the page's own style, no scripts, and nothing from other hosts
"""

import base64
from hashlib import sha256

#: Custom properties of colour, for light and for dark.
PALETTE = """
*{box-sizing:border-box}
:root{color-scheme:light dark;--ink:#1c2430;--dim:#5b6675;--line:#e3e7ec;--paper:#fff;--panel:#f6f8fa;--link:#1758c4;
--get:#0b7a4b;--post:#1758c4;--put:#9a5b00;--delete:#b3261e}
@media (prefers-color-scheme:dark){:root{--ink:#dfe5ec;--dim:#96a2b0;--line:#2a323d;--paper:#12171e;--panel:#1a212a;
--link:#7fb0ff;--get:#56d29b;--post:#7fb0ff;--put:#f0b85c;--delete:#ff8a80}}
""".strip()


def policy_of(style: str) -> str:
    """The Content-Security-Policy of a page with this style, no scripts, and nothing from other hosts."""
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; frame-ancestors 'none'"
