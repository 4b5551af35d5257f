"""Whatever is typed or sent, the language and the flags answer: a meaning or a diagnosis, soon, and never a raise.

Sources are grown from every expression of the vectors: tokens and characters added, dropped, doubled and swapped, two
sources spliced, one nested in itself. Documents are grown from every flag of the vectors and of SAMPLES, so that a new
field is fuzzed as soon as there is a vector with it.
"""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import VECTORS
from laws import examples
from strategies.expressions import PIECES, conditions, soups
from tinycdp.dsl.check.expressions import Scope, check
from tinycdp.dsl.diagnostics import CODES, SourceError, apply, render, to_wire
from tinycdp.dsl.editor.complete import complete
from tinycdp.dsl.editor.describe import Sentence, describe_expression
from tinycdp.dsl.editor.format import format_source, lay_out
from tinycdp.dsl.editor.hover import hover
from tinycdp.dsl.ir import Type
from tinycdp.dsl.parser import parse
from tinycdp.dsl.sql import Unsupported, select
from tinycdp.dsl.tokens import scan
from tinycdp.engine.case_runner import run_case
from tinycdp.engine.flags.document import read_flag, stages, to_document
from tinycdp.errors import InvalidInput

fuzz = examples(150, deep=5_000)

#: Of the processor, for one service and one source: an order above what the longest takes, for a machine that is busy.
PATIENCE_SECONDS = 2.0

SCOPES = [
    Scope(
        kind=kind,  # type: ignore[arg-type]
        traits={"power_user": Type.BOOL, "spend": Type.NUMBER, "plan": Type.STRING, "raw": Type.DYN, "a": Type.BOOL},
        segments={"whales", "vip"},
        flags={"new_checkout": Type.BOOL, "theme": Type.STRING},
        properties={"country": Type.STRING, "age": Type.NUMBER, "signup_at": Type.DATETIME, "tags": Type.LIST},
        events={"purchase": {"amount": Type.NUMBER, "sku": Type.STRING}, "a": {}, "app_open": {}},
        certain={"spend"},
    )
    for kind in ("trait", "segment", "flag")
]


def _of_vectors(key: str) -> list[Any]:
    found = []
    for path in sorted(VECTORS.glob("*/*.json")):
        document = json.loads(path.read_text())
        found += [case[key] for case in [document["given"], *document["cases"]] if key in case]
        for case in [document["given"], *document["cases"]]:
            found += case.get("definitions", {}).get("flags", {}).values() if key == "flag" else []
    return found


SOURCES = sorted(set(_of_vectors("expr")), key=lambda text: (len(text), text))

_odd = st.sampled_from(["\0", "\ud800", "\udfff", "\U0001f600", "é", "\u202e", "\ufeff", "\u2028", "'", '"', "`", "//"])
_pieces = st.one_of(st.sampled_from(PIECES), _odd, st.sampled_from(["min2(", "percentile(", "0.5", "30d", "if(", "}"]))
_wraps = st.sampled_from(
    [("(", ")"), ("!(", ")"), ("not ", ""), ("exists(", ")"), ("-", ""), ("if(true, ", ", a)"), ("[", "]"),
     ("events.a.where(", ").count"), ("events.a.sum(", ", 7d)"), ("f(", ")"), ("", " && a"), ("a || ", ""),
     ("", " ?? a"), ("", ".a")]
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A source, changed a few times in ways that people and programs do."""
    text = draw(st.one_of(st.sampled_from(SOURCES), conditions(), soups()))
    for _ in range(draw(st.integers(1, 4))):
        tokens = [str(token) for token in scan(text)] or [text]
        at = draw(st.integers(0, len(tokens) - 1))
        match draw(st.integers(0, 8)):
            case 0:
                del tokens[at]
            case 1:
                tokens.insert(at, draw(_pieces))
            case 2:
                tokens[at] = draw(_pieces)
            case 3:
                tokens.insert(at, tokens[at])
            case 4:
                other = draw(st.integers(0, len(tokens) - 1))
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case 5:
                tokens = tokens[:at]
            case 6:
                other_tokens = [str(token) for token in scan(draw(st.sampled_from(SOURCES)))]
                tokens = tokens[:at] + other_tokens[len(other_tokens) // 2 :]
            case 7:
                place = draw(st.integers(0, len(text)))
                text = text[:place] + draw(st.one_of(_odd, st.characters())) + text[place:]
                continue
            case _:
                opened, closed = draw(_wraps)
                times = draw(st.sampled_from([1, 2, 23, 24, 25, 200]))
                text = opened * times + text + closed * times
                continue
        text = " ".join(tokens)
    return text


def anything() -> st.SearchStrategy[str]:
    return st.one_of(
        mutated(), mutated(), mutated(), st.text(max_size=60), st.text(st.characters(codec=None), max_size=60)
    )


@contextlib.contextmanager
def bounded(what: str) -> Iterator[None]:
    before = time.thread_time()
    yield
    spent = time.thread_time() - before
    assert spent < PATIENCE_SECONDS, f"{what} took {spent:.2f} s of processor"


# The language


@fuzz
@given(source=anything(), n=st.integers(0, 2))
def test_any_source_is_refused_or_understood(source: str, n: int) -> None:
    scope = SCOPES[n]
    try:
        with bounded("parse"):
            tree = parse(source)
    except SourceError as refused:
        tree = None
        assert refused.diagnostics
    with bounded("check"):
        checked = check(source, scope)
    assert (checked.node is None) == bool(checked.errors)
    assert tree is not None or checked.errors
    for found in checked.diagnostics:
        assert found.code in CODES and found.message
        assert 0 <= found.span.start <= found.span.end <= len(checked.source)
        for fix in found.fixes:
            apply(checked.source, fix.edits)
        msgspec.json.encode(to_wire(checked.source, found))
    render(checked.source, checked.diagnostics).encode("utf-8", "replace")


@fuzz
@given(source=anything())
def test_any_source_is_laid_out_or_refused(source: str) -> None:
    for layout in (format_source, lay_out):
        try:
            with bounded(layout.__name__):
                text = layout(source)
        except SourceError as refused:
            assert refused.diagnostics
        else:
            assert parse(text) == parse(source)


@fuzz
@given(source=anything(), data=st.data())
def test_any_place_has_proposals_and_perhaps_an_explanation(source: str, data: st.DataObject) -> None:
    scope = data.draw(st.sampled_from(SCOPES))
    position = data.draw(st.integers(-1, len(source) + 1))
    with bounded("complete"):
        found = complete(source, position, scope)
    assert 0 <= found.start <= found.end <= len(source)
    assert all(0 <= item.score <= 1 and item.insert for item in found.items)
    with bounded("hover"):
        described = hover(source, position, scope)
    assert described is None or (0 <= described.start <= described.end <= len(source) and described.markdown)


@fuzz
@given(source=st.one_of(conditions(), st.sampled_from(SOURCES), mutated()), n=st.integers(0, 2))
def test_what_is_understood_can_be_described(source: str, n: int) -> None:
    checked = check(source, SCOPES[n])
    if checked.node is None:
        return
    with bounded("explain"):
        described = describe_expression(checked.node, SCOPES[n].kind)
    again = check(checked.canonical, SCOPES[n])
    assert again.node is not None
    # However it is written, it says the same.
    assert describe_expression(again.node, SCOPES[n].kind).tree.text == described.tree.text

    def well_placed(sentence: Sentence) -> None:
        assert sentence.text.endswith(".")
        assert 0 <= sentence.span.start < sentence.span.end <= len(source)
        for part in sentence.parts:
            assert sentence.span.start <= part.span.start and part.span.end <= sentence.span.end
            well_placed(part)

    well_placed(described.tree)


@fuzz
@given(
    source=st.one_of(conditions(), st.sampled_from(SOURCES), mutated()),
    profile=st.dictionaries(st.sampled_from(["age", "country", "other", "signup_at"]), st.deferred(lambda: jsons)),
    properties=st.dictionaries(st.sampled_from(["amount", "sku", "x"]), st.deferred(lambda: jsons)),
    at=st.integers(0, 4 * 10**12),
)
def test_what_is_understood_can_be_evaluated(
    source: str, profile: dict[str, Any], properties: dict[str, Any], at: int
) -> None:
    """By the engine, of data of any kind; and as SQL."""
    names = ("purchase", "a", "app_open")
    history = [{"ts": max(at - n * 10**8, 0), "event": name, "properties": properties} for n, name in enumerate(names)]
    case = {"expr": source, "definitions": {**BESIDE, "flags": {}}, "profile": profile, "events": history, "at": at}
    with bounded("evaluate"):
        answer = run_case(case)
    assert "error" in answer or len(answer["results"]) == 1
    checked = check(source, SCOPES[0])
    if checked.node is not None:
        with bounded("select"), contextlib.suppress(Unsupported):
            assert select([checked.node], resolve=lambda name: None, zone="Europe/Berlin")


@fuzz
@given(st.one_of(st.binary(max_size=60), st.sampled_from(SOURCES).map(lambda text: text.encode("utf-16"))))
def test_any_bytes_are_refused_or_understood(source: bytes) -> None:
    checked = check(source, SCOPES[0])
    assert (checked.node is None) == bool(checked.errors)


@pytest.mark.parametrize(
    "piece", ["a||", "(", "!", "if(a,", "min2(", "events.a.where(b==", "[1,", "a.", '"', "`", "é", "😀"]
)
def test_the_longest_sources_take_no_longer(piece: str) -> None:
    """Up to the limit, one beyond it, and far beyond it."""
    size = len(piece.encode())
    for times in (4_096 // size, 4_097 // size + 1, 100_000 // size):
        source = piece * times
        for scope in SCOPES:
            with bounded("check"):
                check(source, scope)
        for position in (0, len(source) // 2, len(source)):
            with bounded("complete"):
                complete(source, position, SCOPES[2])
            with bounded("hover"):
                hover(source, position, SCOPES[2])


# Flags

#: What vectors show in parts, whole: every field at once.
SAMPLES: list[dict[str, Any]] = [
    {"rule": "power_user"},
    {"type": "string", "variants": {"a": "x", "b": "y"}, "overrides": [{"profile": "u-1", "serve": "a"}]},
    {
        "type": "integer",
        "variants": {"low": 1, "high": 2},
        "offVariant": "low",
        "default": {"serve": "low"},
        "description": "all there is",
        "salt": "s",
        "prerequisites": [{"flag": "other", "variants": ["on"]}],
        "holdouts": ["held"],
        "overrides": [
            {"segment": "vip", "serve": "high"},
            {"identifier": {"kind": "userId", "value": "u-2"}, "serve": "low"},
        ],
        "rules": [
            {"id": "ramp", "when": "spend > 3", "serve": "high", "rollout": 12.5},
            {"when": "power_user || context.beta", "split": {"low": 40_000, "high": 60_000}, "exposure": 50},
            {"when": "segments.vip", "serve": "high", "exclusion": {"group": "g", "from": 0, "to": 33.333}},
        ],
        "schedule": [{"at": "2026-12-01T00:00:00Z", "set": {"/rules/ramp/rollout": 100, "/enabled": False}}],
        "schema": {"type": "integer", "minimum": 0},
        "stickyFor": "30m",
        "sticky": True,
        "metadata": {"team": "growth", "n": 1},
    },
    {"type": "object", "variants": {"on": {"a": [1, 2.5]}, "off": {}}, "archived": True},
    {"type": "float", "variants": {"half": 0.5, "two": 2}, "enabled": False},
    {"type": "float", "variants": {"half": 0.5, "two": 2}, "rules": [{"when": "true", "serve": "half"}]},
]
DOCUMENTS = [document for document in [*_of_vectors("flag"), *SAMPLES] if isinstance(document, dict)]
FIELDS = sorted({name for document in DOCUMENTS for name in document} | {"rule", "rules", "x"})
#: Beside every flag: what its rules may name.
BESIDE = {
    "traits": {"power_user": "events.app_open.unique_days_14d >= 5", "spend": "events.purchase.sum(amount, 30d)"},
    "segments": {"vip": "spend > 100", "whales": "spend > 1000"},
    "flags": {"other": {"rule": "power_user"}, "held": {"rule": "segments.vip"}},
}

_scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**64), st.sampled_from([0, 1, 100, 100_000, 99.9995, 1e300, -0.0]),
    st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=6),
    st.sampled_from(["on", "off", "a", "true", "segments.vip", "(((", "2026-12-01T00:00:00Z", "30m", "/enabled", ""]),
)  # fmt: skip
jsons = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.text(max_size=4), st.sampled_from(FIELDS)), inner, max_size=3),
    ),
    max_leaves=8,
)


@st.composite
def documents(draw: st.DrawFn) -> Any:
    """A flag's document, changed at some places: a value replaced, a key dropped or added, a part put elsewhere."""
    document = json.loads(json.dumps(draw(st.sampled_from(DOCUMENTS))))
    for _ in range(draw(st.integers(0, 3))):
        places = list(_places(document))
        put, value = draw(st.sampled_from(places))
        match draw(st.integers(0, 4)):
            case 0:
                put(draw(jsons))
            case 1 if isinstance(value, dict):
                value[draw(st.sampled_from(FIELDS))] = draw(jsons)
            case 2 if isinstance(value, dict) and value:
                del value[draw(st.sampled_from(sorted(value)))]
            case 3 if isinstance(value, list) and value:
                value.append(value[0])
            case _:
                put(json.loads(json.dumps(draw(st.sampled_from(places))[1])))
    return document


def _places(document: Any) -> Iterator[tuple[Callable[[Any], None], Any]]:
    """Every value inside a document, with how to put another in its place."""
    inside = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for name, value in list(inside):

        def put(new: Any, name: Any = name) -> None:
            document[name] = new

        yield put, value
        yield from _places(value)


def exactly(document: Any) -> Any:
    """The document as a request brings it: with exact decimals."""
    return json.loads(json.dumps(document), parse_float=Decimal)


@fuzz
@given(st.one_of(documents(), st.dictionaries(st.sampled_from(FIELDS), jsons, max_size=5)))
def test_any_flag_is_read_or_refused_with_its_place(document: dict[str, Any]) -> None:
    exact = exactly(document)
    try:
        with bounded("read_flag"):
            flag = read_flag({"key": "case", **exact}, "salt")
    except InvalidInput as refused:
        assert refused.code == "INVALID_FLAG" and len(refused.message) > 10
        assert refused.details.get("path", "$").startswith("$")
        return
    saved = msgspec.json.Encoder(decimal_format="number").encode(to_document(flag))
    again = read_flag(json.loads(saved, parse_float=Decimal), "another salt")
    assert again == flag, "what is saved is what was read"


@fuzz
@given(
    document=documents(),
    unit=st.one_of(st.none(), st.text(max_size=4)),
    context=st.dictionaries(st.sampled_from(["beta", "platform", "x"]), jsons, max_size=2),
    events=st.lists(st.sampled_from(["purchase", "app_open"]), max_size=3),
    at=st.integers(0, 4 * 10**12),
)
def test_every_flag_that_is_read_decides_for_everyone(
    document: dict[str, Any], unit: str | None, context: dict[str, Any], events: list[str], at: int
) -> None:
    history = [{"ts": max(at - n, 0), "event": event, "properties": {"amount": 60}} for n, event in enumerate(events)]
    case = {"flag": {**document, "key": "case"}, "definitions": BESIDE, "unit": unit, "context": context}
    with bounded("decide"):
        answer = run_case({**case, "events": history, "at": at})
    if "error" in answer:
        assert answer["error"]["message"]
        return
    [result] = answer["results"]
    decision = result["decision"]
    flag = read_flag({**exactly(document), "key": "case"}, "s")
    if flag.archived:
        assert decision == {"reason": "ERROR", "error": "FLAG_NOT_FOUND"}
        return
    assert decision["reason"] in {"DISABLED", "TARGETING_MATCH", "SPLIT", "STATIC", "DEFAULT"} and decision["reasons"]
    stage = [stage for since, stage in stages(flag) if since is None or since <= at][-1]
    assert decision["variant"] in stage.variants
    assert result["valid_until"] == "never" or result["valid_until"] > result["at"]
