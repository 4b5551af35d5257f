"""The vectors of the language's surface, and its documents, held against the implementation."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from builders import VECTORS, Vector, vectors
from tinycdp.dsl.check.expressions import Checked, Scope, check
from tinycdp.dsl.check.signatures import AGGREGATES, FUNCTIONS, GENERIC, REFERENCES, SEEN
from tinycdp.dsl.check.workspace import DefinitionSource, FlagSource, check_workspace
from tinycdp.dsl.diagnostics import CODES, Diagnostic, SourceError, apply, render
from tinycdp.dsl.editor.format import format_source
from tinycdp.dsl.ir import Type
from tinycdp.dsl.parser import parse
from tinycdp.dsl.tokens import tokenise

ROOT = Path(__file__).parent.parent.parent
TOPICS = {"lex": 12, "parse": 25, "format": 25, "check": 25}
EXPECTATIONS = {"tokens", "canonical", "error", "type"}
CASES = list(vectors(*TOPICS))
SHOP = next(v for v in CASES if v.file == "check/types.json").case


def cases(topic: str) -> Any:
    return pytest.mark.parametrize("vector", [pytest.param(v, id=v.id) for v in CASES if v.file.startswith(topic)])


def first_error(vector: Vector, diagnostics: tuple[Diagnostic, ...]) -> None:
    error = diagnostics[0]
    assert {"code": error.code, "start": error.span.start, "end": error.span.end} == vector.case["error"]


def checked(vector: Vector) -> Checked:
    """The case's expression beside its definitions; `kind` says what it defines."""
    return beside(vector.case["expr"], vector.case.get("kind", "trait"))


def beside(expr: str, kind: str) -> Checked:
    definitions, schema = SHOP["definitions"], SHOP["schema"]
    sources: list[DefinitionSource | FlagSource] = [
        DefinitionSource("trait", key, text) for key, text in definitions["traits"].items()
    ]
    sources += [DefinitionSource("segment", key, text) for key, text in definitions["segments"].items()]
    sources += [FlagSource(key, Type.BOOL, ()) for key in definitions["flags"]]
    sources.append(FlagSource("case", Type.BOOL, (expr,)) if kind == "flag" else DefinitionSource(kind, "case", expr))  # type: ignore[arg-type]
    workspace = check_workspace(
        sources,
        properties={name: Type(type_) for name, type_ in schema["profile"].items()},
        events={event: {p: Type(type_) for p, type_ in known.items()} for event, known in schema["events"].items()},
    )
    return workspace.checked[kind, "case"][0]


@cases("lex")
def test_tokens(vector: Vector) -> None:
    try:
        found = [[token.type, str(token)] for token in tokenise(vector.case["expr"])]
    except SourceError as error:
        first_error(vector, error.diagnostics)
    else:
        assert found == vector.case["tokens"]


@cases("parse")
def test_parse(vector: Vector) -> None:
    canonical(vector)


@cases("format")
def test_format(vector: Vector) -> None:
    canonical(vector)


def canonical(vector: Vector) -> None:
    try:
        text = format_source(vector.case["expr"])
    except SourceError as error:
        first_error(vector, error.diagnostics)
    else:
        assert text == vector.case["canonical"]
        assert parse(text) == parse(vector.case["expr"])


@cases("check")
def test_check(vector: Vector) -> None:
    found = checked(vector)
    if "error" in vector.case:
        first_error(vector, found.errors)
        assert found.node is None
    else:
        assert found.errors == ()
        assert (found.type, found.nullable) == (Type(vector.case["type"]), vector.case["nullable"])
        assert [d.code for d in found.diagnostics] == vector.case["lints"]


def test_every_fix_mends_what_it_is_offered_for() -> None:
    mended = 0
    for vector in CASES:
        found = checked(vector)
        for diagnostic in found.diagnostics:
            for fix in diagnostic.fixes:
                after = beside(apply(found.source, fix.edits), vector.case.get("kind", "trait"))
                # The same mistake may be made again further on.
                same = [
                    d
                    for d in after.diagnostics
                    if (d.code, d.message) == (diagnostic.code, diagnostic.message)
                    and d.span.start <= diagnostic.span.start
                ]
                assert not same, (vector.id, fix.title)
                mended += 1
    assert mended > 50


@pytest.mark.parametrize("id", ["P8-or", "P8-or-long", "P8-brackets", "P8-not"])
def test_too_much_is_refused_at_once(id: str) -> None:
    source = next(v for v in CASES if v.id == id).case["expr"]
    parse("a")
    begin = time.thread_time()
    with pytest.raises(SourceError) as refused:
        parse(source)
    assert time.thread_time() - begin < 0.25
    assert refused.value.diagnostics[0].code.startswith("E7")


def test_every_topic_has_its_cases_and_every_case_one_expectation() -> None:
    for topic, least in TOPICS.items():
        assert sum(v.file.startswith(topic) for v in CASES) >= least
    assert [v.id for v in CASES if len(EXPECTATIONS & v.case.keys()) != 1] == []
    for path in (path for topic in TOPICS for path in (VECTORS / topic).glob("*.json")):
        assert json.loads(path.read_text()).keys() == {"name", "about", "given", "cases"}


# Documents


def sections() -> list[tuple[str, str, str]]:
    """(code, how the example is to be read, example) of the pages that explain each code."""
    pages = (ROOT / f"docs/reference/language-errors-{topic}.md" for topic in ("syntax", "meaning", "limits"))
    page = "\n".join(page.read_text() for page in pages)
    return [
        (code, kind, example)
        for code, body in re.findall(r"^### (\S+)\n(.*?)(?=^##|\Z)", page, re.DOTALL | re.MULTILINE)
        for kind, example in re.findall(r"^```(\S*)\n(.*?)\n```$", body, re.DOTALL | re.MULTILINE)
    ]


@pytest.mark.parametrize(("code", "kind", "example"), [pytest.param(*s, id=s[0]) for s in sections()])
def test_the_example_of_a_code_gives_that_code(code: str, kind: str, example: str) -> None:
    if kind.startswith("workspace"):
        _, _, times = kind.partition("*")
        lines = [line for n in range(int(times or 1)) for line in example.replace("{n}", str(n)).splitlines()]
        named = [re.fullmatch(r"(\w+) (\w+) = (.*)", line) for line in lines]
        found = check_workspace(DefinitionSource(m[1], m[2], m[3]) for m in named if m)  # type: ignore[arg-type]
        assert code in {d.code for diagnostics in found.graph.values() for d in diagnostics}
        return
    source = eval(example) if kind == "python" else example
    kinds = {"segment": "segment", "flag": "flag", "filter": "profile filter"}
    answer = beside(source, kinds.get(kind, "trait"))
    assert answer.diagnostics[0].code == code


def test_every_code_is_explained_once_and_specified() -> None:
    assert [code for code, _, _ in sections()] == list(CODES)
    specification = (ROOT / "dsl/SPEC.md").read_text()
    assert [code for code in CODES if f"| {code} |" not in specification] == []


def test_every_name_of_the_language_is_specified() -> None:
    specification = (ROOT / "dsl/SPEC.md").read_text()
    words = set(re.findall(r"\w+", specification))
    names = [*AGGREGATES, *FUNCTIONS, *GENERIC, *REFERENCES, *SEEN]
    assert [name for name in names if name not in words] == []


def test_the_rendered_messages_of_the_specification_are_the_real_ones() -> None:
    """Blocks that begin with a code are what the renderer prints for the source they show."""
    specification = (ROOT / "dsl/SPEC.md").read_text()
    blocks = re.findall(r"^    ([EW]\S+  .*\n(?:    .*\n)+)", specification, re.MULTILINE)
    assert len(blocks) >= 3
    for block in blocks:
        lines = [line[4:] if line.startswith("    ") else line for line in block.splitlines()]
        answer = beside(lines[1].strip(), "trait")
        assert render(answer.source, answer.diagnostics) == "\n".join(lines)


def test_every_aggregate_is_available() -> None:
    scope = Scope()
    for name, shape in AGGREGATES.items():
        arguments = [*(["p"] if shape.takes else []), *(["0.5"] if name == "percentile" else [])]
        arguments += [] if shape.window == "none" else ["7d"]
        found = check(f"events.x.{name}({', '.join(arguments)})", scope)
        assert [d.code for d in found.errors] == [], name
