"""Definitions as files: read them from folders, write them, and compare two versions.

Shape   find_files(paths) → files · to_files(definitions) → {name: text} ·
        difference(step) → a unified diff of the definition's YAML · fields_of(step) → each value that differs ·
        plan_text(steps) → a plan as text
Laws    read_documents reads what to_files wrote with every digit: publishing it changes nothing.
        Files are ordered by name, definitions by key
Errors  InvalidInput FILE_UNREADABLE and FILE_MALFORMED, naming the file
Source  docs/reference/cli.md
"""

import difflib
from collections.abc import Container, Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from tinycdp.dsl.diagnostics import SourceError
from tinycdp.dsl.editor.format import lay_out
from tinycdp.engine.catalog import Definition
from tinycdp.errors import InvalidInput
from tinycdp.runtime.definitions.change_set import document_of, every_kind, line_of
from tinycdp.runtime.definitions.changes import Step
from tinycdp.runtime.definitions.product_kinds import ProductDefinition, product_of

_ENDINGS = {".yaml", ".yml", ".json"}
#: The longest line of YAML. A longer text becomes a block.
_WIDTH = 100


def find_files(paths: Iterable[Path]) -> list[Path]:
    """The files, and for a folder all definition files below it.

    A folder without any is an error: with --prune it would delete every definition."""
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        below = (file for file in path.rglob("*") if file.suffix in _ENDINGS and file.is_file())
        visible = [file for file in below if not any(part.startswith(".") for part in file.relative_to(path).parts)]
        if not visible:
            raise InvalidInput("FILE_UNREADABLE", f"{path}: no *.yaml, *.yml or *.json in this folder or below it")
        found += sorted(visible)
    return list(dict.fromkeys(found))


def to_files(definitions: Iterable[Definition | ProductDefinition], existing: Container[str] = ()) -> dict[str, str]:
    """One file for each kind, such as `traits.yaml`, with its definitions ordered by key.

    A kind of a product has a file only if there are definitions of it, or if the file is one of the existing ones."""
    by_kind: dict[str, list[dict[str, Any]]] = {kind: [] for kind in every_kind()}
    for one in sorted(definitions, key=lambda definition: definition.key):
        document = one.document if isinstance(one, ProductDefinition) else document_of(one)
        by_kind[one.kind].append(entry(one.kind, one.key, document))
    return {
        f"{kind}s.yaml": to_yaml({f"{kind}s": entries})
        for kind, entries in by_kind.items()
        if entries or product_of(kind) is None or f"{kind}s.yaml" in existing
    }


def entry(kind: str, key: str, document: dict[str, Any]) -> dict[str, Any]:
    """A stored document in the form of a file."""
    if kind == "flag":
        return document
    if product_of(kind) is not None:
        return {"key": key, **document}
    field = "expression" if kind == "trait" else "rule"
    found = {"key": key, "static": True} if document.get("static") else {"key": key, field: document["expression"]}
    return {**found, "description": document["description"]} if document["description"] else found


def difference(step: Step, *, canonical: bool = False) -> str:
    """A unified diff of the definition, without a header; "" if nothing changes.

    With `canonical`, a change of layout is left out, unless nothing else changed."""
    before, after = (
        to_yaml(entry(step.kind, key, _canonical(side) if canonical else side)).splitlines() if side is not None else []
        for key, side in ((step.was or step.key, step.before), (step.key, _without_minted(step)))
    )
    found = "\n".join(list(difflib.unified_diff(before, after, lineterm="", n=3))[2:])
    return found if found or not canonical else difference(step)


def fields_of(step: Step) -> list[tuple[str, Any, Any]]:
    """(place, before, after) of each value that differs.

    A place is a JSON pointer; items with an id go by it."""
    if step.before is None or step.after is None:
        return []
    return list(_differing("", step.before, step.after))


def _differing(place: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    olds, news = _parts(before), _parts(after)
    if olds is None or news is None or isinstance(before, dict) != isinstance(after, dict):
        if before != after or isinstance(before, bool) != isinstance(after, bool):
            yield place, before, after
        return
    if olds.keys() == news.keys() and list(olds) != list(news):  # the order of rules, or of a split's variants
        yield place, before, after
        return
    for name in dict.fromkeys([*olds, *news]):
        token = name.replace("~", "~0").replace("/", "~1")
        yield from _differing(f"{place}/{token}", olds.get(name), news.get(name))


def _parts(value: Any) -> dict[str, Any] | None:
    if isinstance(value, dict):
        return value
    if not isinstance(value, list | tuple):
        return None
    ids = [item.get("id") if isinstance(item, dict) else None for item in value]
    by_id = None not in ids and len(set(ids)) == len(ids)
    return {str(ids[n]) if by_id else str(n): item for n, item in enumerate(value)}


def _canonical(document: dict[str, Any]) -> dict[str, Any]:
    """The document with its expressions in canonical form; schedules stay as they are."""
    found = dict(document)
    if "expression" in found:
        found["expression"] = _laid_out(found["expression"])
    if rules := found.get("rules"):
        found["rules"] = [{**rule, "when": _laid_out(rule["when"])} for rule in rules]
    return found


def _laid_out(text: str) -> str:
    try:
        return lay_out(text)
    except SourceError:
        return text


def _without_minted(step: Step) -> dict[str, Any] | None:
    """The document after the step; a new flag without its salt, because a publish mints another."""
    if step.action != "create" or step.after is None:
        return step.after
    return {name: value for name, value in step.after.items() if name != "salt"}


def to_yaml(value: Any) -> str:
    """The value as YAML: keys in their order, long texts as blocks."""
    return str(yaml.dump(value, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=_WIDTH))


class _Writer(yaml.SafeDumper):  # type: ignore[misc]
    """Indents lists by one step, and writes no YAML identifiers."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _write_text(writer: _Writer, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else ">" if len(text) > _WIDTH - 20 and " " in text else None
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _write_decimal(writer: _Writer, number: Decimal) -> yaml.ScalarNode:
    text = f"{number:f}"
    return writer.represent_scalar("tag:yaml.org,2002:float" if "." in text else "tag:yaml.org,2002:int", text)


_Writer.add_representer(str, _write_text)
_Writer.add_representer(Decimal, _write_decimal)


def plan_text(steps: Sequence[Step]) -> str:
    """A plan as text: each change with its difference, and how many there are."""
    changed = [step for step in steps if step.action != "keep"]
    shown = [f"{line_of(step)}\n{_indented(difference(step))}" for step in changed]
    counts = ", ".join(
        f"{n} to {action}"
        for action in ("create", "update", "rename", "delete")
        if (n := sum(step.action == action for step in changed))
    )
    unchanged = len(steps) - len(changed)
    return "\n".join([*shown, f"{counts or 'nothing to change'}, {unchanged} unchanged"])


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())
