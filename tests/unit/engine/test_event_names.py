"""Names of events: their styles, aliases, and versions."""

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinycdp.engine.schema.event_names import Renaming, Style, is_written, restyled, version_of
from tinycdp.engine.schema.tracking_plan import Naming, renamed
from tinycdp.model import Identifier, Message

_STYLES = get_args(Style)


@pytest.mark.parametrize(
    ("name", "style", "want"),
    [
        ("Product Viewed", "snake_case", "product_viewed"),
        ("productViewed", "snake_case", "product_viewed"),
        ("ProductViewed", "snake_case", "product_viewed"),
        ("product-viewed", "snake_case", "product_viewed"),
        ("PRODUCT VIEWED", "snake_case", "product_viewed"),
        (" product  viewed ", "snake_case", "product_viewed"),
        ("APIKeyCreated", "snake_case", "api_key_created"),
        ("step1Done", "snake_case", "step1_done"),
        ("product_viewed", "camelCase", "productViewed"),
        ("product_viewed", "PascalCase", "ProductViewed"),
        ("product_viewed", "kebab-case", "product-viewed"),
        ("Product Viewed", "dot.separated", "product.viewed"),
        ("product_viewed", "Title Case", "Product Viewed"),
        ("product_viewed", "Sentence case", "Product viewed"),
        ("Sign Up.v2", "snake_case", "sign_up.v2"),
        ("sign_up.v2", "snake_case", "sign_up.v2"),
        ("Größe gewählt", "snake_case", "Größe gewählt"),
        ("2fa enabled", "snake_case", "2fa enabled"),
        ("$Pageview", "snake_case", "$Pageview"),
        ("_Internal", "snake_case", "_Internal"),
        ("--", "snake_case", "--"),
        ("Product Viewed", "any", "Product Viewed"),
    ],
)
def test_a_name_in_a_style(name: str, style: Style, want: str) -> None:
    assert restyled(name, style) == want


_NAMES = st.one_of(st.text("aBc1 _-.v$é", max_size=12), st.from_regex(r"[A-Za-z][a-z ]{0,8}\.v[0-9]", fullmatch=True))


@given(_NAMES, st.sampled_from(_STYLES))
def test_writing_a_name_twice_changes_nothing(name: str, style: Style) -> None:
    once = restyled(name, style)
    assert restyled(once, style) == once
    assert once == name or is_written(version_of(once)[0], style) or is_written(once, style)


@given(_NAMES, st.sampled_from(_STYLES), st.dictionaries(_NAMES, _NAMES, max_size=4))
def test_renaming_twice_changes_nothing(name: str, style: Style, aliases: dict[str, str]) -> None:
    try:
        renaming = Renaming(style, aliases)
    except ValueError:
        return
    for one in (name, *aliases):
        assert renaming.name_of(renaming.name_of(one)) == renaming.name_of(one)


def test_an_alias_is_followed_to_its_end_whatever_the_spelling() -> None:
    renaming = Renaming("snake_case", {"signpu": "sign up", "Sign Up": "signup"})
    assert [renaming.name_of(name) for name in ("signpu", "Signpu", "SignUp", "signup")] == ["signup"] * 4


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"aliases": {"a": "b", "b": "a"}}, "loop: a → b → a"),
        ({"aliases": {"a": "b", "b": "c", "c": "d", "d": "b"}}, "loop"),
        ({"aliases": {"a": "a"}}, "alias of itself"),
        ({"aliases": {"a": "$a"}}, "reserved"),
        ({"aliases": {"$a": "a"}}, "reserved"),
        ({"aliases": {"": "a"}}, "length >= 1"),
        ({"rewrite": True}, "needs a style"),
        ({"rewrite": True, "events": "snake_case", "aliases": {"A b": "c", "a_b": "d"}}, "two names"),
        ({"rewrite": True, "events": "snake_case", "aliases": {"a_b": "C d", "c_d": "A b"}}, "loop"),
    ],
)
def test_a_policy_that_cannot_be_is_refused(document: dict[str, Any], says: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=says):
        msgspec.convert(document, Naming)


def test_only_the_names_of_track_calls_change_and_the_message_says_so() -> None:
    def message(kind: Any, name: str) -> Message:
        return Message(
            kind=kind,
            message_id="m",
            identifiers=(Identifier("userId", "ada"),),
            occurred_at=0,
            received_at=0,
            name=name,
        )

    renaming = Naming(events="PascalCase", rewrite=True).renaming()
    assert renaming is not None
    found = renamed(message("track", "product viewed"), renaming)
    assert found.name == "ProductViewed"
    assert [(one.code, one.path) for one in found.warnings] == [("EVENT_RENAMED", "$.event")]
    assert "'product viewed'" in found.warnings[0].message and "'ProductViewed'" in found.warnings[0].message
    for same in (message("page", "page"), message("identify", ""), message("track", "ProductViewed"), found):
        assert renamed(same, renaming) is same


def test_without_rules_there_is_no_renaming() -> None:
    assert Naming(events="snake_case").renaming() is None


@pytest.mark.parametrize(
    ("name", "want"), [("signup", ("signup", None)), ("signup.v2", ("signup", 2)), (".v2", (".v2", None))]
)
def test_a_version_is_the_end_of_a_name(name: str, want: tuple[str, int | None]) -> None:
    assert version_of(name) == want
