"""The packages of analytics, which an installation may lack: the extra `analytics`.

Laws    nothing else in TinyCDP needs them. chdb has no wheel for Windows, and none for musl
Errors  AnalyticsMissing `ANALYTICS_MISSING`: what to install
"""

from importlib.util import find_spec
from typing import ClassVar

from tinycdp.errors import TinyCDPError

#: What to do where they are missing.
REMEDY = "Install TinyCDP with its extra: pip install 'tinycdp[analytics]'."


class AnalyticsMissing(TinyCDPError):
    """This installation cannot answer questions."""

    status: ClassVar[int] = 501

    def __init__(self, message: str) -> None:
        super().__init__("ANALYTICS_MISSING", message)


def has_client() -> bool:
    """Whether it can ask a ClickHouse."""
    return all(find_spec(name) for name in ("clickhouse_connect", "aiohttp"))


def has_engine() -> bool:
    """Whether it can run an embedded ClickHouse."""
    return has_client() and find_spec("chdb") is not None


def check_client() -> None:
    """Raise AnalyticsMissing if it cannot."""
    if not has_client():
        raise AnalyticsMissing(f"Analytics needs packages that are not installed. {REMEDY}")


def check_engine() -> None:
    """Raise AnalyticsMissing if it cannot."""
    check_client()
    if not has_engine():
        raise AnalyticsMissing(
            f"Analytics needs chdb, which is not installed. {REMEDY}"
            " Where chdb has no wheel (Windows, Alpine), set CLICKHOUSE_URL to a ClickHouse server."
        )
