"""The Python client depends on nothing: on no package, and not on the server's code."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CLIENT = ROOT / "sdk-py" / "src" / "tinycdp_client"
MODULES = sorted(CLIENT.rglob("*.py"))
#: Packages that a module needs because it is about them; they are optional dependencies.
OPTIONAL = {"openfeature.py": {"openfeature"}}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_imports_only_the_standard_library(path: Path) -> None:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    assert found - sys.stdlib_module_names - {"tinycdp_client"} <= OPTIONAL.get(path.name, set())


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_is_short_and_says_what_it_is_for(path: Path) -> None:
    text = path.read_text()
    first, _, rest = (ast.get_docstring(ast.parse(text)) or "").partition("\n")
    assert first and len(first) <= 90 and (not rest or rest.startswith("\n"))
    assert len(text.splitlines()) <= 600


def test_a_folder_can_be_taken_in_at_a_glance() -> None:
    for folder in {path.parent for path in MODULES}:
        assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= 16
