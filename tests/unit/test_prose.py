"""The words of the old style, counted: they may not come back, and their number only falls.

Shape   LEFT: how many each area still has. An area that is not listed has none
Laws    a count above its number fails: say it plainly. A count below fails as well: lower the number
Source  CONTRIBUTING.md "How we write"
"""

import ast
import io
import re
import tokenize
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: What is left, by area: `src/<package>` for code, `docs` for every page. Lower a number, and remove it at 0.
LEFT: dict[str, int] = {}

#: `is None` is code; `is none` is not.
_OLD = re.compile(
    r"\b(?:(?i:nobody|somebody|whoever|told\s+of|of\s+theirs|shall)|(?:is|are)\s+none|where\s+there\s+is\s+none)\b"
)
_SPOKEN = {"STRING", "COMMENT", "FSTRING_MIDDLE"}


def _spoken(path: Path) -> str:
    """What a file says to people: of Python its strings and comments, of everything else all of it."""
    text = path.read_text()
    if path.suffix != ".py" or not _OLD.search(text):
        return text
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    spoken = [token.string for token in tokens if tokenize.tok_name[token.type] in _SPOKEN]
    return "\n".join(text for text in spoken if text != '"nobody"')  # an account of the system


def _area(path: Path) -> str:
    parts = path.relative_to(ROOT).parts
    if parts[0] == "src":
        return f"src/{parts[2]}" if len(parts) > 3 else "src"
    return parts[0] if parts[0] in ("loadtests", "tests") else "docs"


def _files() -> list[Path]:
    code = [
        *(ROOT / "src").rglob("*.py"),
        *(ROOT / "src").rglob("*.sql"),
        *(ROOT / "loadtests").rglob("*.py"),
        *(ROOT / "sdk-py").rglob("*.py"),
        *(ROOT / "examples").rglob("*.py"),
        *(path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__).resolve()),
    ]
    code += [
        path
        for folder in ("src/console", "sdk-ts")
        for path in (ROOT / folder).rglob("*.ts*")
        if path.suffix in (".ts", ".tsx") and not {"node_modules", "dist"} & set(path.parts)
    ]
    pages = [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "dsl").rglob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
        ROOT / "sdk-py/README.md",
        ROOT / "sdk-ts/README.md",
        ROOT / "tests/README.md",
    ]
    return sorted([*code, *pages])


def test_the_words_of_the_old_style_only_fall() -> None:
    found: Counter[str] = Counter()
    places: dict[str, list[str]] = {}
    for path in _files():
        area = _area(path)
        for match in _OLD.finditer(_spoken(path)):
            found[area] += 1
            places.setdefault(area, []).append(f"{path.relative_to(ROOT)}: {match[0]}")
    now = f"LEFT = {dict(sorted(found.items()))}"
    more = [place for area, n in found.items() if n > LEFT.get(area, 0) for place in places[area]]
    assert not more, "\n".join(['Say this plainly, see CONTRIBUTING.md "How we write":', *more, now])
    assert dict(found) == LEFT, f"There are fewer than before. Lower the numbers: {now}"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Nobody was told\nof it.", 2),
        ("None if the row is None or absent", 0),
        ("a field that is none, where there is none", 2),
        ("the marshall of nobodys", 0),
    ],
)
def test_what_counts(text: str, count: int) -> None:
    assert len(_OLD.findall(text)) == count


#: Words that code does not name anything by: the words of the glossary are profile, rejected and notify.
_OLD_NAMES = re.compile(r"(^|_)(tell|told|people|person|refus\w*|desk|pushes|subject)(_|$)")
#: Fields of other vendors, and the account that a check of `doctor` is about.
_OF_OTHERS = {"person_properties", "subject"}
#: Analysts count people: the measures and filters of analytics are called so, here and in every product like it.
_MEASURES = re.compile(r"(^|_)(people|person)(_|$)")


ANALYTICS = ROOT / "src" / "tinycdp" / "products" / "analytics"


def test_nothing_in_code_has_a_name_of_the_old_style() -> None:
    found = _named(ROOT / "src", _OLD_NAMES)
    assert {
        name
        for path, name in found
        if name not in _OF_OTHERS and not (path.is_relative_to(ANALYTICS) and _MEASURES.search(name.lower()))
    } == set()


#: Words that no test is named by. A test may be about a person, and about a body that is refused.
_OLD_TEST_NAMES = re.compile(r"(^|_)(tells?|told|foretold|nobody|somebody|whoever|shall|warm\w*|unheard)(_|$)")


def test_no_test_has_a_name_of_the_old_style() -> None:
    assert {name for _, name in _named(ROOT / "tests", _OLD_TEST_NAMES)} == set()


def _named(folder: Path, pattern: re.Pattern[str]) -> set[tuple[Path, str]]:
    """The names that code below the folder gives or uses and that the pattern finds, with their modules."""
    return {
        (path, name)
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (name := getattr(node, "name", None) or getattr(node, "arg", None) or getattr(node, "id", None))
        and isinstance(name, str)
        and pattern.search(name.lower())
    }
