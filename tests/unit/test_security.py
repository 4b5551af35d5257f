"""The page about security names tests that exist, and secrets are compared as it says."""

import ast
import re
from pathlib import Path

import tinycdp

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "explanation" / "security.md").read_text(encoding="utf-8")
#: Names of what only the server can make.
_SECRET = re.compile(r"signature|signed|hmac|\bmac\b|secret", re.IGNORECASE)


def test_every_test_that_the_page_names_exists() -> None:
    named = re.findall(r"`((?:tests|\.ci)/[\w/.]+\.py)(?:::(\w+))?`", PAGE)
    assert len(named) > 20
    for path, test in named:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert not test or re.search(rf"def {test}\b", text), (path, test)


def test_each_defence_has_a_test() -> None:
    rows = [line for line in PAGE.partition("## What is defended")[2].splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 15
    assert [row for row in rows if not re.search(r"`(tests|\.ci)/", row)] == []


def test_signatures_are_compared_in_constant_time() -> None:
    """`==` ends at the first byte that differs, which tells a client how much of its guess is right."""
    compared, found = 0, []
    for file in sorted(Path(tinycdp.__file__).parent.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        compared += sum(
            isinstance(node, ast.Call) and ast.unparse(node.func).endswith("compare_digest") for node in ast.walk(tree)
        )
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq):
                sides = [node.left, *node.comparators]
                if any(_SECRET.search(ast.unparse(side)) for side in sides if not isinstance(side, ast.Constant)):
                    found.append(f"{file.name}:{node.lineno} {ast.unparse(node)}")
    assert compared >= 2
    assert found == []
