"""Mappings are total and bounded, whatever the document and the values are."""

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tinycdp.dsl.check.expressions import Scope
from tinycdp.dsl.ir import Type
from tinycdp.products.delivery.mapping.checks import HAPPENING_FIELDS, check_mapping, references_of
from tinycdp.products.delivery.mapping.formats import FORMATS, SPOKEN
from tinycdp.products.delivery.mapping.reading import MOST_ITEMS, MOST_PARTS, read_mapping, rewritten

SCOPE = Scope(
    kind="segment", traits={"n": Type.NUMBER, "t": Type.STRING, "d": Type.DYN, "l": Type.LIST}, segments={"s"}
)
SOURCES = ["n", "t", "d", "l", "n > 1", "segments.s", "profile.x", "nosuch", "n +", "", "events.x.count_30d"]
FIELDS = [*HAPPENING_FIELDS, "identifier.email", "nosuch", ""]

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.decimals(allow_nan=False, allow_infinity=False, places=12)
    | st.text(max_size=8)
    | st.sampled_from(["2026-01-01T00:00:00Z", " A@B.c ", "12.50"])
)
json = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
formats = st.lists(st.sampled_from([*FORMATS, "nosuch"]), max_size=3)
condition = st.sampled_from(SOURCES) | st.fixed_dictionaries(
    {"field": st.sampled_from(FIELDS), "in": st.lists(scalars, max_size=2)}
)
leaf = (
    scalars
    | st.fixed_dictionaries({"expr": st.sampled_from(SOURCES)}, optional={"as": formats, "else": scalars})
    | st.fixed_dictionaries({"field": st.sampled_from(FIELDS)}, optional={"as": formats, "else": scalars})
    | st.fixed_dictionaries({"item": st.sampled_from(["", "kind", "value.x"])}, optional={"as": formats})
)


def grown(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.sampled_from(["a", "b", "expr", "plain", "else", "$x", ""])
    listed = st.fixed_dictionaries({"field": st.just("identifiers")}) | st.fixed_dictionaries({"expr": st.just("l")})
    return (
        st.lists(inner, max_size=3)
        | st.dictionaries(names, inner, max_size=3)
        | st.fixed_dictionaries({"if": condition, "then": inner}, optional={"else": inner})
        | st.fixed_dictionaries({"join": st.lists(inner, max_size=3)}, optional={"with": st.just("-"), "else": inner})
        | st.fixed_dictionaries({"each": listed, "of": inner}, optional={"most": st.integers(0, 3)})
        | st.fixed_dictionaries({"plain": st.dictionaries(names, inner, max_size=3)})
    )


documents = st.recursive(leaf, grown, max_leaves=10)


def size(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(size, value.values()))
    return 1 + sum(map(size, value)) if isinstance(value, list | tuple) else 1


@settings(max_examples=100, deadline=None)
@given(documents, st.dictionaries(st.sampled_from(SOURCES), scalars | st.lists(scalars, max_size=5), max_size=6), json)
def test_a_mapping_is_read_or_refused_and_then_never_fails(
    document: Any, values: dict[str, Any], identifiers: Any
) -> None:
    mapping, problems = read_mapping(document)
    assert (mapping is None) == bool(problems)
    assert all(path.startswith("$.mapping") and message for path, message in problems)
    assert rewritten(document, lambda text: text) == document
    if mapping is None:
        return
    references_of(mapping)
    check_mapping(mapping, SCOPE, HAPPENING_FIELDS)
    fields = {"identifiers": identifiers, "profile": {"id": "1"}, "timestamp": "2026-01-01T00:00:00.000Z"}
    record = mapping.record(fields, values)
    # A leaf has at most the size of what it is given: here 20 values.
    assert size(record) <= MOST_PARTS * MOST_ITEMS * 20


@given(st.sampled_from(sorted(FORMATS)), json)
def test_a_format_gives_what_it_says_or_nothing(name: str, value: Any) -> None:
    found = FORMATS[name].function(value)
    kinds: dict[str, tuple[type, ...]] = {"text": (str,), "number": (int, Decimal)}
    assert found is None or isinstance(found, kinds[FORMATS[name].gives])
    assert FORMATS[name].takes <= SPOKEN.keys()
