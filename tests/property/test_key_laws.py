"""The laws of keys: when one is valid, and which comes next to expire."""

from hypothesis import given
from hypothesis import strategies as st

from laws import examples
from tinycdp.model import NEVER
from tinycdp.runtime.access.keys import Key, Keyring, Restrictions
from tinycdp.runtime.access.origins import Origins

law = examples(200, deep=2_000)

INSTANTS = st.integers(0, 40)
EXPIRIES = st.lists(st.one_of(st.none(), INSTANTS), max_size=6)
PATTERNS = st.lists(st.sampled_from(["https://a.example", "https://*.a.example", "https://b.example"]), max_size=3)
SENT = st.sampled_from(
    [None, "null", "https://a.example", "https://x.a.example", "https://b.example", "https://c.example"]
)
FOR = {
    "https://a.example": {"https://a.example"},
    "https://*.a.example": {"https://x.a.example"},
    "https://b.example": {"https://b.example"},
}


def ring(expiries: list[int | None]) -> Keyring:
    keyring = Keyring(None)  # type: ignore[arg-type]
    for id, at in enumerate(expiries):
        restrictions = None if at is None else Restrictions(at, Origins(()))
        keyring._by_id[id] = (Key(id, 1, "key", frozenset({"read"}), restrictions), b"")
    return keyring


@law
@given(expiries=EXPIRIES, now=INSTANTS)
def test_a_key_is_valid_before_its_instant_and_at_the_next_expiry_one_ends(
    expiries: list[int | None], now: int
) -> None:
    keyring = ring(expiries)

    def valid(at: int) -> list[int]:
        return [id for id in range(len(expiries)) if keyring.usable(id, at) is not None]

    assert valid(now) == [id for id, at in enumerate(expiries) if at is None or now < at]
    following = keyring.next_expiry(now)
    until = following if following < NEVER else 50
    assert all(valid(at) == valid(now) for at in range(now, until))
    assert following == NEVER or len(valid(following)) < len(valid(now))


@law
@given(patterns=PATTERNS, origin=SENT, expiry=INSTANTS, now=INSTANTS)
def test_a_key_is_admitted_if_it_is_valid_and_for_this_origin(
    patterns: list[str], origin: str | None, expiry: int, now: int
) -> None:
    listed = {allowed for pattern in patterns for allowed in FOR[pattern]}
    wanted = now < expiry and (origin is None or not patterns or origin in listed)
    assert Restrictions(expiry, Origins(patterns)).admit(origin, now) is wanted
