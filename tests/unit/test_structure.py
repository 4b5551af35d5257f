"""The shape of the source tree: sizes, folders, and what may stand where. import-linter holds the direction of imports.

Source  CONTRIBUTING.md, docs/architecture.md
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "tinycdp"
MODULES = sorted(SOURCE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in MODULES}

LONGEST_MODULE = 600
MOST_MODULES_IN_A_FOLDER = 16
LONGEST_FIRST_LINE = 90


def _named(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=_named)
def test_a_module_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE


def test_a_folder_can_be_taken_in_at_a_glance() -> None:
    folders = Counter(_named(path.parent) for path in MODULES if path.name != "__init__.py")
    assert {folder: n for folder, n in folders.items() if n > MOST_MODULES_IN_A_FOLDER} == {}


#: Modules of the console, without the types that tools/api.ts writes.
CONSOLE = SOURCE.parent / "console"
PAGES = [path for path in sorted((CONSOLE / "app").rglob("*.ts*")) if path != CONSOLE / "app" / "lib" / "api.ts"]


def test_the_console_has_the_same_sizes() -> None:
    long = [path.name for path in PAGES if len(path.read_text(encoding="utf-8").splitlines()) > LONGEST_MODULE]
    folders = Counter(path.parent for path in PAGES)
    full = [folder.name for folder, n in folders.items() if n > MOST_MODULES_IN_A_FOLDER]
    assert (long, full) == ([], [])


@pytest.mark.parametrize("path", MODULES, ids=_named)
def test_a_module_says_what_it_is_for_in_one_line(path: Path) -> None:
    first, _, rest = (ast.get_docstring(TREES[path]) or "").partition("\n")
    assert first, "a module has a docstring"
    assert len(first) <= LONGEST_FIRST_LINE
    assert not rest or rest.startswith("\n"), "the first line stands alone"


def _wire_structs(tree: ast.Module) -> Iterator[str]:
    """Structs whose fields are renamed for the wire."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(keyword.arg == "rename" for keyword in node.keywords):
            yield node.name


#: Structs with names of the wire that stand elsewhere, and why.
ELSEWHERE = {
    "api/ingest/adapters/event.py": "the payload of every tracking call, read on the measured path",
    "api/ingest/adapters/segment.py": "the same, in Segment's form",
    "api/ingest/adapters/pulseboard.py": "the same, as a beacon",
    "engine/flags/document.py": "a document that is stored and read by the engine",
    "engine/schema/tracking_plan.py": "a document that is stored and read by the engine",
    "runtime/policies/enrichment.py": "a policy: a document that is stored and read where it applies",
    "runtime/policies/identifier_rules.py": "a policy",
    "runtime/policies/limits.py": "a policy",
    "runtime/policies/privacy_rules.py": "a policy",
    "runtime/policies/validation.py": "a policy",
    "runtime/transfer/import_files.py": "a mapping that is stored with an upload",
    "runtime/decisions/evaluations.py": "encoded where its digest is made",
    "runtime/ingest/live_changes.py": "events of a stream, encoded once for all readers",
    "runtime/ingest/event_stream.py": "encoded once for all processes that read the stream",
}


def test_wire_structs_stand_in_schemas() -> None:
    """Core modules speak in their own types; what clients see is declared where it leaves."""
    found = {_named(path) for path in MODULES if path.name != "schemas.py" and list(_wire_structs(TREES[path]))}
    assert found == ELSEWHERE.keys()


def _documented_fields(docstring: str) -> Iterator[str]:
    """The names in a list of fields: lines of a name, or several, two spaces, and what it is."""
    for line in docstring.splitlines()[1:]:
        if found := re.match(r"^([a-z_]+(?:, [a-z_]+)*)  +\S", line):
            yield from found[1].split(", ")


@pytest.mark.parametrize("path", MODULES, ids=_named)
def test_a_documented_field_exists(path: Path) -> None:
    """The OpenAPI document takes a field's description from here: under another name it would be lost."""
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.ClassDef):
            fields = {n.target.id for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)}
            if len(fields) > 1:
                assert set(_documented_fields(ast.get_docstring(node) or "")) <= fields, node.name


#: Classes of one name that are one thing in several layers. Structs of the wire, in schemas.py, are not counted.
ONE_THING = {
    "IdentifierRef": {"engine/flags/document.py", "runtime/profiles/views.py"},
    "RejectedClaim": {"engine/identity/resolution.py", "runtime/identity/graph.py"},
    "Transition": {"engine/recompute.py", "runtime/profiles/views.py"},
    # A node as written, and the same node with its type.
    **{
        name: {"dsl/ast.py", "dsl/ir.py"}
        for name in ("Arith", "Call", "Coalesce", "Compare", "In", "Logic", "Negate", "Not")
    },
}


def test_no_class_name_has_two_meanings() -> None:
    places: dict[str, set[str]] = {}
    for path, tree in TREES.items():
        if path.name != "schemas.py":
            for node in tree.body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places.setdefault(node.name, set()).add(str(path.relative_to(SOURCE)))
    assert {name: where for name, where in places.items() if len(where) > 1} == ONE_THING


#: Wire structs of one name, which the HTTP reference tells apart by their modules.
KNOWN_BY_MODULE = {"DraftBody", "ExpressionBody", "Group", "SampleRatio", "SegmentBody", "Span"}


def test_no_wire_struct_has_two_meanings() -> None:
    """The HTTP reference names schemas by their class: two of one name would both get long names."""
    names = Counter(
        node.name
        for path, tree in TREES.items()
        if path.name == "schemas.py"
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert {name for name, n in names.items() if n > 1} == KNOWN_BY_MODULE


def test_the_names_of_test_files_are_unique() -> None:
    """pytest imports them by their names alone, and does not run the second one of a name."""
    names = Counter(path.name for path in Path(__file__).parents[1].rglob("test_*.py"))
    assert [name for name, n in names.items() if n > 1] == []
