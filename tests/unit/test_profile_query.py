"""The six ways to name a profile: one order, one error, the same names in bodies and addresses."""

from dataclasses import dataclass
from inspect import signature

import msgspec
import pytest

from tinycdp.api.decisions.explain import explain
from tinycdp.api.decisions.profile_query import provide_profile_query
from tinycdp.api.decisions.routes import decide
from tinycdp.api.decisions.schemas import IDENTIFIER_FIELDS, ProfileQuery, Question, ReplayBody
from tinycdp.api.http.params import declared_parameters
from tinycdp.api.routes import GUARDED
from tinycdp.app import create_litestar
from tinycdp.errors import InvalidInput
from tinycdp.model import Identifier
from tinycdp.settings import Settings


@dataclass
class Case:
    query: ProfileQuery
    identifiers: list[Identifier]


CASES = [
    Case(
        ProfileQuery("u", "1", "a", "d", "e", "h"),
        [Identifier(k, v) for k, v in zip(IDENTIFIER_FIELDS, "u1adeh", strict=True)],
    ),
    Case(ProfileQuery(external_id="e", device_id="d"), [Identifier("deviceId", "d"), Identifier("externalId", "e")]),
    Case(ProfileQuery(user_id="", anonymous_id="a"), [Identifier("anonymousId", "a")]),
    Case(Question(profile_id="1", flags=["f"]), [Identifier("profileId", "1")]),
    Case(ReplayBody(at="2026-01-01T09:00:00Z", user_id="u"), [Identifier("userId", "u")]),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: repr(case.query))
def test_the_first_name_that_is_not_empty_counts(case: Case) -> None:
    assert case.query.identifiers() == case.identifiers
    assert case.query.identifier() == case.identifiers[0]


@pytest.mark.parametrize("query", [ProfileQuery(), ProfileQuery("", "", "", "", "", ""), Question(flags=["f"])])
def test_a_query_without_a_name_is_an_error_that_lists_the_names(query: ProfileQuery) -> None:
    assert query.identifiers() == []
    with pytest.raises(InvalidInput, match=", ".join(IDENTIFIER_FIELDS)) as caught:
        query.identifier()
    assert caught.value.code == "MISSING_IDENTIFIER"


def test_bodies_and_addresses_have_the_same_names() -> None:
    assert ProfileQuery.__struct_encode_fields__ == IDENTIFIER_FIELDS
    assert tuple(signature(provide_profile_query).parameters) == ProfileQuery.__struct_fields__
    given = dict(zip(ProfileQuery.__struct_fields__, IDENTIFIER_FIELDS, strict=True))
    assert msgspec.structs.asdict(provide_profile_query(**given)) == given


@pytest.mark.parametrize("handler", [decide, explain], ids=["decide", "explain"])
def test_a_route_declares_the_names_that_its_part_reads(handler: object) -> None:
    assert handler in GUARDED
    application = create_litestar(Settings())
    found = [
        declared_parameters(registered)
        for route in application.routes
        for registered in getattr(route, "route_handlers", ())
        if registered.fn is handler.fn  # type: ignore[attr-defined]
    ]
    assert found
    for declared in found:
        assert set(IDENTIFIER_FIELDS) < set(declared)
