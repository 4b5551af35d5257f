"""What is documented exists, and what exists is documented."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tinycdp import errors
from tinycdp.api.http.bodies import BodyFault
from tinycdp.api.ingest.adapters.rejection import RejectionCode
from tinycdp.cli.main import build_parser
from tinycdp.dsl.check.workspace import check_workspace
from tinycdp.dsl.diagnostics import CODES
from tinycdp.engine.catalog import Definition, sources
from tinycdp.engine.flags.document import read_flag

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *DOCS.rglob("*.md"),
        *(ROOT / "dsl").rglob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
        ROOT / "sdk-py" / "README.md",
        ROOT / "tests" / "README.md",
    ]
)
SOURCES = sorted(path for ending in ("*.py", "*.sql") for path in (ROOT / "src").rglob(ending))
DECISIONS = sorted((DOCS / "decisions").glob("*.md"))

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_ERRORS = {kind.__name__ for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)}
#: Codes that are members of enumerations, and those of OpenFeature's protocol.
_ENUMERATED = {str(code) for kind in (BodyFault, RejectionCode) for code in kind}


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text())


def _anchor(heading: str) -> str:
    """A heading as an address, by the rule of the usual renderers."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _anchors(page: Path) -> set[str]:
    return {_anchor(heading) for heading in re.findall(r"^#+ (.+)$", _prose(page), re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(_prose(page)):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), link


def test_every_page_can_be_reached_from_the_index() -> None:
    index = (DOCS / "README.md").read_text()
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")} - {"README.md"}
    assert pages == {link for link in _LINK.findall(index) if link in pages}


@pytest.mark.parametrize("page", DECISIONS, ids=_name)
def test_a_decision_has_its_five_parts(page: Path) -> None:
    text = page.read_text()
    assert text.startswith(f"# {int(page.name[:4])}. ")
    parts = re.findall(r"^(Status|## [A-Z].*?)(?:: .+)?$", text, re.MULTILINE)
    required = ["Status", "## Context", "## Alternatives considered", "## Choice", "## Consequences"]
    assert [part for part in parts if part in required] == required


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("module", sorted((ROOT / "src").rglob("*.py")), ids=_name)
def test_what_the_code_names_as_its_source_exists(module: Path) -> None:
    text = ast.get_docstring(ast.parse(module.read_text())) or ""
    for path in re.findall(r"\b((?:docs|dsl|tests)/[\w./-]+\w)", text):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("source", SOURCES, ids=_name)
def test_every_page_that_the_code_names_exists(source: Path) -> None:
    """With its section, where one stands behind it: docs/reference/export.md "Exports"."""
    for path, section in re.findall(r'\b((?:docs|dsl)/[\w./-]+\.md)\b(?: "([^"\n]+)")?', source.read_text()):
        assert (ROOT / path).exists(), path
        assert not section or _anchor(section) in _anchors(ROOT / path), (path, section)


@pytest.mark.parametrize("page", sorted((DOCS / "reference").glob("*.md")), ids=_name)
def test_a_reference_page_keeps_to_one_topic(page: Path) -> None:
    assert len(page.read_text().splitlines()) <= 200


def test_the_glossary_is_in_order_and_has_each_word_once() -> None:
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", (DOCS / "glossary.md").read_text(), re.MULTILINE)
    words = [word.strip("`").lower() for word, meaning in rows if word not in {"Word"} and set(word) != {"-"}]
    assert len(words) > 50
    assert words == sorted(set(words))


def _commands() -> Iterator[tuple[str, list[str]]]:
    """The `tinycdp` commands of the pages' shell blocks, as (page, arguments)."""
    for page in PAGES:
        for language, block in _FENCE.findall(page.read_text()):
            if language in {"sh", "bash"}:
                for command in re.findall(r"^(?:\.venv/bin/)?tinycdp (.*?)(?: [|>&;].*)?$", block, re.MULTILINE):
                    yield _name(page), shlex.split(command, comments=True)


@pytest.mark.parametrize(("page", "arguments"), list(_commands()))
def test_commands_in_the_documentation_are_commands(page: str, arguments: list[str]) -> None:
    assert build_parser().parse_args(arguments).command


def test_the_index_has_them_in_their_order() -> None:
    listed = re.findall(r"^(\d+)\. \[.*\]\(decisions/(\d{4})-", (DOCS / "README.md").read_text(), re.MULTILINE)
    assert [(int(n), int(file)) for n, file in listed] == [(n, n) for n in range(1, len(DECISIONS) + 1)]


def test_the_modules_of_the_walk_exist() -> None:
    text = (DOCS / "architecture.md").read_text()
    named = re.findall(r"`((?:api|runtime|engine|store|dsl|server|products|cli)/[\w/]+\.py)`", text)
    assert named
    assert [module for module in named if not (ROOT / "src" / "tinycdp" / module).exists()] == []


def test_the_architecture_names_every_table() -> None:
    schema = (ROOT / "migrations/schema.sql").read_text()
    tables = set(re.findall(r"^CREATE TABLE public\.(\w+)", schema, re.MULTILINE))
    partitions = set(re.findall(r"ATTACH PARTITION public\.(\w+)", schema))
    section = (DOCS / "architecture.md").read_text().split("## What is stored", 1)[1].split("\n## ", 1)[0]
    assert set(re.findall(r"`(\w+)`", section)) >= tables - partitions


@pytest.mark.parametrize("page", [ROOT / "README.md", DOCS / "architecture.md"], ids=_name)
def test_what_is_named_as_a_proof_exists(page: Path) -> None:
    named = re.findall(r"`((?:tests|dsl)/[\w./]+)`", page.read_text())
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def _codes_in(module: Path) -> Iterator[str]:
    """The codes a module raises: the first argument of our errors, literal or a constant of the module."""
    tree = ast.parse(module.read_text())
    constants = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _ERRORS and node.args:
            first = node.args[0]
            code = constants.get(first.id) if isinstance(first, ast.Name) else getattr(first, "value", None)
            if isinstance(code, str):
                yield code


def _error_codes() -> str:
    """The pages of error codes."""
    return "".join(
        (DOCS / "reference" / name).read_text() for name in ("errors.md", "errors-files.md", "errors-commands.md")
    )


def test_every_error_code_is_explained() -> None:
    used = {code for module in (ROOT / "src").rglob("*.py") for code in _codes_in(module)} | _ENUMERATED
    explained = set(re.findall(r"`([A-Z][A-Z_0-9]+)`", _error_codes()))
    assert len(used) > 90
    assert sorted(used - explained) == []


def test_the_range_of_the_language_is_complete() -> None:
    errors_of_the_language = sorted(code for code in CODES if code.startswith("E"))
    row = f"| `{errors_of_the_language[0]}` to `{errors_of_the_language[-1]}` | 400 |"
    assert row in _error_codes()


def test_every_error_code_that_is_explained_exists() -> None:
    rows = [line.split("|")[1] for line in _error_codes().splitlines() if "|" in line]
    explained = {code for row in rows for code in re.findall(r"`([A-Z][A-Z_0-9]+)`", row)}
    source = "\n".join(module.read_text() for module in (ROOT / "src").rglob("*.py"))
    assert explained
    assert sorted(code for code in explained if not re.search(rf"\b{code}\b", source)) == []


def _definitions() -> list[tuple[str, str]]:
    """The YAML blocks of all pages that hold definitions, each with the page it stands on."""
    return [
        (f"{_name(page)}:{n}", block)
        for page in PAGES
        for n, (language, block) in enumerate(_FENCE.findall(page.read_text()))
        if language == "yaml"
    ]


@pytest.mark.parametrize(("place", "block"), _definitions(), ids=lambda value: value if "\n" not in value else "")
def test_definitions_in_the_documentation_are_right(place: str, block: str) -> None:
    """Beside the example workspace's, which the pages refer to."""
    documents = [yaml.safe_load((ROOT / "dsl" / "examples" / "shop.yaml").read_text()), yaml.safe_load(block)]
    found: dict[tuple[str, str], Definition] = {}
    for document in documents:
        for kind, field in (("trait", "expression"), ("segment", "rule")):
            for entry in document.get(f"{kind}s", ()):
                found[kind, entry["key"]] = Definition(
                    id=0,
                    version=1,
                    kind=kind,
                    key=entry["key"],
                    expression="" if entry.get("static") else entry[field],
                    static=entry.get("static", False),
                )
        for entry in document.get("flags", ()):
            found["flag", entry["key"]] = Definition(
                id=0, version=1, kind="flag", key=entry["key"], flag=read_flag(entry, "salt")
            )
    workspace = check_workspace(sources(found.values()))
    wrong = {
        name: [d.message for part in workspace.parts(name) for d in part.diagnostics if part.node is None]
        for name in workspace.errors
    }
    assert not wrong
