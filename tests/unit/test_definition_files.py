"""Definitions as YAML: exact both ways, and differences that can be read."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinycdp.engine.catalog import Definition
from tinycdp.engine.flags.document import read_flag, to_document
from tinycdp.errors import InvalidInput
from tinycdp.products import register_products
from tinycdp.runtime.access.environments import rename_environment
from tinycdp.runtime.definitions.change_set import KINDS, read_key
from tinycdp.runtime.definitions.change_set import read_documents as changes_of
from tinycdp.runtime.definitions.changes import Step
from tinycdp.runtime.definitions.files import difference, find_files, plan_text, to_files, to_yaml
from tinycdp.runtime.definitions.product_kinds import names_of_kinds
from tinycdp.runtime.definitions.sources import documents_of

LONG = "events.purchase.where(amount > 10).count_30d > 3 && " * 4 + "profile.plan == 'pro'"

_texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n \t#:'\"|>-"), max_size=150)
_numbers = st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=3)
_values = st.recursive(
    st.booleans() | _texts | _numbers,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
)


def read(tmp_path: Path, text: str) -> list[dict[str, Any]]:
    file = tmp_path / "some.yaml"
    file.write_text(text, encoding="utf-8")
    return [document.value for document in documents_of(file)]


@given(st.dictionaries(_texts, _values, max_size=4))
def test_what_is_written_is_read_again_to_the_last_digit(tmp_path_factory: Any, value: dict[str, Any]) -> None:
    [found] = read(tmp_path_factory.getbasetemp(), to_yaml(value))
    assert found == value
    assert repr(found) == repr(value)


def test_long_texts_are_blocks_short_ones_are_not_and_words_that_mean_something_else_are_quoted(tmp_path: Path) -> None:
    flag = read_flag({"key": "f", "rule": LONG}, "abc")
    definitions = [
        Definition(id=1, version=1, kind="trait", key="b", expression="a\n// why\n&& b", description="No."),
        Definition(id=2, version=1, kind="trait", key="a", expression="true"),
        Definition(id=3, version=1, kind="segment", key="on", expression=LONG),
        Definition(id=4, version=1, kind="flag", key="f", flag=flag),
    ]
    files = to_files(definitions)
    assert files["traits.yaml"] == (
        "traits:\n  - key: a\n    expression: 'true'\n"
        "  - key: b\n    expression: |-\n      a\n      // why\n      && b\n    description: No.\n"
    )
    assert "rule: >-\n" in files["segments.yaml"]
    assert "key: 'on'" in files["segments.yaml"]
    assert max(map(len, files["flags.yaml"].splitlines())) <= 120
    [document] = read(tmp_path, files["flags.yaml"])
    assert msgspec.json.encode(document["flags"]) == msgspec.json.encode([to_document(flag)])


def test_files_of_a_folder_come_in_the_order_of_their_names_without_hidden_ones(tmp_path: Path) -> None:
    for name in ("b.yaml", "a/z.yml", "a/a.json", ".git/c.yaml", "notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [str(path.relative_to(tmp_path)) for path in find_files([tmp_path, tmp_path / "b.yaml"])]
    assert found == ["a/a.json", "a/z.yml", "b.yaml"]


def test_a_folder_without_definitions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"no \*\.yaml"):
        find_files([tmp_path])


def test_a_definition_that_stands_twice_is_an_error() -> None:
    with pytest.raises(InvalidInput, match=r"trait 'a' is defined twice"):
        changes_of([{"traits": [{"key": "a", "expression": "1"}]}, {"traits": [{"key": "a", "expression": "2"}]}])


def test_a_difference_shows_the_lines_that_change() -> None:
    before = {"expression": "events.x.count_7d", "description": "X."}
    step = Step("update", "trait", "x", before, {**before, "expression": "events.x.count_30d"})
    assert difference(step).splitlines() == [
        "@@ -1,3 +1,3 @@",
        " key: x",
        "-expression: events.x.count_7d",
        "+expression: events.x.count_30d",
        " description: X.",
    ]
    gone = Step("delete", "segment", "y", {"expression": "true", "description": ""})
    kept = Step("keep", "trait", "z", before, before)
    said = plan_text([step, gone, kept])
    assert said.startswith("~ trait x\n    @@ ")
    assert "- segment y\n" in said and "    -rule: 'true'\n" in said
    assert said.endswith("1 to update, 1 to delete, 1 unchanged")
    assert plan_text([kept]) == "nothing to change, 1 unchanged"


def test_a_new_flags_salt_is_not_promised() -> None:
    flag = read_flag({"key": "f", "rule": "true"}, "0123456789abcdef")
    assert "salt" not in difference(Step("create", "flag", "f", None, to_document(flag)))


def test_numbers_with_a_point_are_exact(tmp_path: Path) -> None:
    assert read(tmp_path, "a: 0.1\nb: 12345678901234567890.123456789\nc: 1_0.5") == [
        {"a": Decimal("0.1"), "b": Decimal("12345678901234567890.123456789"), "c": Decimal("10.5")}
    ]


@pytest.mark.parametrize("key", [".", ".."])
async def test_a_step_of_a_path_is_no_key(key: str) -> None:
    """Clients resolve them in an address, encoded or not: a definition called so could never be named there."""
    register_products()
    kinds = (*KINDS, *names_of_kinds())
    assert len(kinds) > 4
    for kind in kinds:
        with pytest.raises(InvalidInput) as refused:
            read_key(kind, key, "$.key")
        assert refused.value.code == "INVALID_KEY"
        assert read_key(kind, "a", "$.key") == "a"
    with pytest.raises(InvalidInput):
        await rename_environment(None, key)  # type: ignore[arg-type]
