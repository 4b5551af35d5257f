"""Origins of a key: how they are read, and what they allow."""

import pytest

from tinycdp.errors import InvalidInput
from tinycdp.runtime.access.origins import Origins, read_origins


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("https://shop.example", "https://shop.example"),
        (" HTTPS://Shop.Example/ ", "https://shop.example"),
        ("https://shop.example:443", "https://shop.example"),
        ("http://shop.example:80", "http://shop.example"),
        ("http://shop.example:443", "http://shop.example:443"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("https://*.shop.example:8443", "https://*.shop.example:8443"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("chrome-extension://abcdefgh", "chrome-extension://abcdefgh"),
    ],
)
def test_an_origin_is_kept_as_browsers_send_it(text: str, pattern: str) -> None:
    assert read_origins([text, text]) == (pattern,)
    assert read_origins([pattern]) == (pattern,)


@pytest.mark.parametrize(
    "text",
    ["", "*", "null", "shop.example", "https://", "https://*", "https://a b", "https://shop.example/a", "https://a?b",
     "https://*.*.example", "https://a.*.example", "https://user@shop.example", "https://shop.example:x",
     f"https://{'a' * 300}.example"],
)  # fmt: skip
def test_what_is_no_origin_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_origins(["https://shop.example", text])
    assert (refused.value.code, refused.value.details["path"]) == ("INVALID_ORIGIN", "$.origins[1]")


def test_a_pattern_is_for_the_hosts_below_and_not_for_the_host_itself() -> None:
    below = Origins(["https://*.shop.example:8443"])
    assert below.allow("https://a.shop.example:8443") and below.allow("https://a.b.shop.example:8443")
    for other in ("https://shop.example:8443", "https://a.shop.example", "http://a.shop.example:8443", "null"):
        assert not below.allow(other), other
    assert below.allow(None)
    assert Origins([]).allow("https://anything.example")
