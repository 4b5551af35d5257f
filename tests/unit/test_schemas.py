"""What goes on the wire is a struct of the HTTP layer, made of what runtime returns."""

import dataclasses
import inspect
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from litestar.handlers import HTTPRouteHandler

from tinycdp.api import routes
from tinycdp.api.http.encoding import Documented, as_schema, encode
from tinycdp.engine.flags.document import IdentifierRef, Override
from tinycdp.engine.flags.local import Clause, KnownStep, LocalFlag
from tinycdp.engine.schema.tracking_plan import Naming, PlannedEvent, PlannedProperty
from tinycdp.model import Warned
from tinycdp.products.analytics import routes as analytics
from tinycdp.runtime.decisions.evaluations import Evaluated
from tinycdp.runtime.policies.enrichment import BusinessHours, EnrichmentPolicy
from tinycdp.runtime.policies.identifier_rules import IdentityPolicy, KindPolicy
from tinycdp.runtime.policies.limits import KeyLimits, Limits, Rate, Sampling
from tinycdp.runtime.policies.privacy_rules import ConsentRule, PrivacyPolicy, PrivacyRule
from tinycdp.runtime.policies.validation import AllowedRule, RequiredRule, UuidRule, ValidationPolicy

ROUTES: list[HTTPRouteHandler] = [
    *routes.FOREIGN,
    *routes.FOREIGN_GUARDED,
    *routes.OPEN,
    *routes.GUARDED,
    *analytics.GUARDED,
]

#: Documents that are stored as they are sent.
POLICIES = {
    *(BusinessHours, EnrichmentPolicy, IdentityPolicy, KindPolicy, Limits, KeyLimits, Rate, Sampling),
    *(Naming, PrivacyPolicy, PrivacyRule, ConsentRule, ValidationPolicy, UuidRule, RequiredRule, AllowedRule),
}
#: Documents that the engine reads and the database stores unchanged, and what is encoded where its digest is made.
DOCUMENTS = {PlannedEvent, PlannedProperty, Override, IdentifierRef, Warned} | POLICIES
DOCUMENTS |= {Evaluated, LocalFlag, KnownStep, Clause}
#: Where structs of the wire live.
HOMES = ("tinycdp.api.", "tinycdp.products.analytics.")


@pytest.mark.parametrize("handler", ROUTES, ids=lambda handler: min(handler.paths))
def test_answers_and_bodies_are_made_of_the_layer_s_own_structs(handler: HTTPRouteHandler) -> None:
    hints = typing.get_type_hints(handler.fn, include_extras=True)
    exchanged = (hints["return"], hints.get("data"), handler.opt.get("answer"))
    found = {kind for hint in exchanged for kind in kinds_in(hint, set())}
    assert {kind for kind in found if not kind.__module__.startswith(HOMES)} <= DOCUMENTS


def kinds_in(hint: Any, seen: set[Any]) -> Iterator[type]:
    """The structs and dataclasses that a type is made of."""
    for note in getattr(hint, "__metadata__", ()):
        if isinstance(note, Documented):
            yield from kinds_in(note.kind, seen)
    for part in (*typing.get_args(hint), getattr(hint, "__origin__", None)):
        yield from kinds_in(part, seen) if part is not None else ()
    if inspect.isclass(hint) and hint not in seen and (issubclass(hint, msgspec.Struct) or _is_dataclass(hint)):
        seen.add(hint)
        yield hint
        for field in typing.get_type_hints(hint, include_extras=True).values():
            yield from kinds_in(field, seen)


def _is_dataclass(kind: type) -> bool:
    return dataclasses.is_dataclass(kind) and kind.__module__.startswith("tinycdp.")


def test_the_walk_sees_what_is_nested() -> None:
    hint = dict[str, list[Outer]] | None
    assert list(kinds_in(hint, set())) == [Outer, Inner]


@dataclass(frozen=True, slots=True)
class FoundInner:
    first_seen: str
    example: Any


@dataclass(frozen=True, slots=True)
class Found:
    inner: FoundInner
    others: list[FoundInner]


class Inner(msgspec.Struct, frozen=True, rename="camel"):
    first_seen: str
    example: Any


class Outer(msgspec.Struct, frozen=True):
    inner: Inner
    others: list[Inner]


def test_a_result_becomes_its_schema_with_every_digit() -> None:
    exact = FoundInner("2026-11-01", {"n": Decimal("0.1234567890123456789012")})
    found = as_schema(Found(exact, [exact]), Outer)
    assert type(found.inner) is Inner and found.inner.example is exact.example
    one = b'{"firstSeen":"2026-11-01","example":{"n":0.1234567890123456789012}}'
    assert encode(found) == b'{"inner":' + one + b',"others":[' + one + b"]}"
