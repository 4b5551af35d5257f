"""The shape of the source tree: sizes, folders, and what may stand where. import-linter holds the direction of imports.

Source  CONTRIBUTING.md, docs/architecture.md
"""

import ast
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


@pytest.mark.parametrize("path", MODULES, ids=_named)
def test_wire_structs_stand_in_schemas(path: Path) -> None:
    """Core modules speak in their own types; what clients see is declared where it leaves."""
    if path.name != "schemas.py":
        assert list(_wire_structs(TREES[path])) == []
