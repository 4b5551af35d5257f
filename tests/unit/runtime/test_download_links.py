"""Signed links: what they open, and for how long at most, even if the holder of the key signs them."""

from typing import Any, cast

import pytest

from tinycdp.errors import Forbidden
from tinycdp.model import HOUR_MS
from tinycdp.runtime.access.download_links import DOWNLOADS, EXPORT_HOURS, EXPORTS, DownloadLink, ExportLink, link_to
from tinycdp.runtime.access.keys import Keyring

NOW = 1_790_000_000_000


class OneKey:
    """A keyring with one key, of the id 1."""

    def by_id(self, id: int) -> Any:
        return ("the key", b"its digest") if id == 1 else None

    def usable(self, id: int, now: int) -> Any:
        return self.by_id(id)


KEYRING = cast(Keyring, OneKey())


def opens(links: Any, text: str, now: int = NOW) -> bool:
    try:
        links.redeem(KEYRING, text, now)
    except Forbidden:
        return False
    return True


def test_a_link_opens_what_it_was_made_for_until_its_end() -> None:
    link = link_to(1, "vip.csv", NOW)
    text = DOWNLOADS.issue(KEYRING, link)
    assert DOWNLOADS.redeem(KEYRING, text, NOW)[0] == link
    assert opens(DOWNLOADS, text, link.until - 1) and not opens(DOWNLOADS, text, link.until)
    assert not opens(EXPORTS, text)
    assert not opens(DOWNLOADS, DOWNLOADS.issue(KEYRING, link_to(2, "vip.csv", NOW)))
    assert not opens(DOWNLOADS, text[:-2] + "AA")


@pytest.mark.parametrize("hours", [2, 3, 10**6])
def test_who_has_the_key_signs_no_link_for_longer(hours: int) -> None:
    """The key's holder knows its hash, which signs."""
    mine = DownloadLink(1, NOW + hours * HOUR_MS, "vip.csv")
    assert opens(DOWNLOADS, DOWNLOADS.issue(KEYRING, mine)) is (hours <= 2)
    week = ExportLink(1, NOW + (EXPORT_HOURS + hours - 2) * HOUR_MS, 5)
    assert opens(EXPORTS, EXPORTS.issue(KEYRING, week)) is (hours <= 2)
