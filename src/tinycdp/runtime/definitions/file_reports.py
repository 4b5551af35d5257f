"""Diagnostics of definitions in files, as text with file, line and field.

Shape   check_sources(sources) → FileReport, without a database · of_errors, of_flags, of_warnings(sources, what a
        publish found) → text
Laws    check_sources rejects what a publish into an empty environment rejects: both run the same checks
Source  docs/reference/cli.md
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinycdp.dsl.check.expressions import Scope
from tinycdp.dsl.check.workspace import check_workspace
from tinycdp.dsl.diagnostics import Diagnostic, Fix, render
from tinycdp.dsl.ir import Span, Type
from tinycdp.engine.catalog import FLAG_TYPES, Name, sources
from tinycdp.engine.flags.graph import check_flags
from tinycdp.errors import InvalidInput
from tinycdp.model import Instant
from tinycdp.runtime.definitions.change_set import KINDS, drafted, split_changes
from tinycdp.runtime.definitions.observed import NOTHING_KNOWN, Known
from tinycdp.runtime.definitions.product_kinds import DocumentFinding, Names, product_kinds
from tinycdp.runtime.definitions.sources import Sources


@dataclass(frozen=True, slots=True)
class FileReport:
    """What a check found: as text, and how many definitions, errors and warnings there are.

    errors  definitions with errors"""

    text: str
    definitions: int
    errors: int
    warnings: int


def check_sources(files: Sources, known: Known = NOTHING_KNOWN, now: Instant = 0) -> FileReport:
    """Check the definitions of files among each other, and against the names that are known."""
    own, of_products = split_changes(files.changes)
    definitions = drafted(own)
    workspace = check_workspace(sources(definitions), events=known.events, known=known.profile, group=known.group)
    blocks: list[str] = []
    warnings = 0
    wrong = set(workspace.errors)
    for definition in definitions:
        name = definition.name
        if whole := workspace.graph.get(name):
            blocks.append(_block(files, name, "", "", whole))
        for part in workspace.parts(name):
            if part.diagnostics:
                blocks.append(_block(files, name, _field_of(files, name, part.source), part.source, part.diagnostics))
                warnings += sum(diagnostic.severity == "warning" for diagnostic in part.diagnostics)
    if not wrong:
        flags = {d.key: d.flag for d in definitions if d.flag is not None}
        try:
            check_flags(flags, {d.key for d in definitions if d.kind == "segment"})
        except InvalidInput as error:
            blocks.append(of_flags(files, error))
            wrong.add(("flag", str(error.details.get("flag", ""))))
    scope = Scope(
        kind="segment",
        traits={d.key: Type.DYN for d in definitions if d.kind == "trait"},
        segments={d.key for d in definitions if d.kind == "segment"},
        flags={d.key: FLAG_TYPES[d.flag.type] for d in definitions if d.flag is not None},
        events=known.events,
        known=known.profile,
        group=known.group,
    )
    names = Names(0, scope, "UTC", {d.key: d.flag for d in definitions if d.flag is not None}, now)
    found = [
        one
        for product in product_kinds()
        for one in product.check([c for c in of_products if c.kind in product.kinds], names)
    ]
    if found:
        blocks.append(of_findings(files, found))
        wrong |= {(one.kind, one.key) for one in found if not one.is_warning}
        warnings += sum(one.is_warning for one in found)
    return FileReport("\n\n".join(blocks), len(files.changes), len(wrong), warnings)


def of_findings(files: Sources, findings: Iterable[DocumentFinding]) -> str:
    """Findings about documents of products: `reports.yaml:7:9: report orders, question.last: …`"""
    return "\n".join(
        f"{_head(files, (one.kind, one.key), one.path.removeprefix('$'))}: "
        f"{'warning: ' if one.is_warning else ''}{one.message}"
        for one in findings
    )


def of_errors(files: Sources, definitions: Iterable[Mapping[str, Any]]) -> str:
    """The errors of a publish: {kind, key, expression, diagnostics} of each definition, as InvalidDefinitions has."""
    blocks = []
    for found in definitions:
        name, text = (found["kind"], found["key"]), found["expression"]
        field = _field_of(files, name, text) if text else ""
        blocks.append(_block(files, name, field, text, [_of_wire(wire) for wire in found["diagnostics"]]))
    return "\n\n".join(blocks)


def of_flags(files: Sources, error: InvalidInput) -> str:
    """An error in what a flag refers to."""
    key = str(error.details.get("flag", ""))
    return f"{_head(files, ('flag', key), '')}\n{error.code}  {error.message}"


def of_warnings(files: Sources, warnings: Iterable[Mapping[str, Any]]) -> str:
    """The warnings of a publish: {kind, key, diagnostics} of each definition."""
    blocks = []
    for found in warnings:
        name = (found["kind"], found["key"])
        if name[0] not in KINDS:
            ours = [
                DocumentFinding(*name, w["path"], w["message"], w["code"], is_warning=True)
                for w in found["diagnostics"]
            ]
            blocks.append(of_findings(files, ours))
            continue
        by_path: dict[str, list[Mapping[str, Any]]] = {}
        for wire in found["diagnostics"]:
            by_path.setdefault(wire.get("path", ""), []).append(wire)
        for path, wires in by_path.items():
            field, text = _text_at(files, name, path)
            blocks.append(_block(files, name, field, text, [_of_wire(wire) for wire in wires]))
    return "\n\n".join(blocks)


def _block(files: Sources, name: Name, field: str, text: str, diagnostics: Sequence[Diagnostic]) -> str:
    return f"{_head(files, name, field)}\n{render(text, diagnostics)}"


def _head(files: Sources, name: Name, field: str) -> str:
    """`shop.yaml:12:7: flag premium, rules[0].when`"""
    file, mark = files.place_of(name, field)
    place = ":".join(str(part) for part in (file, mark.line, mark.column) if part)
    inner = field.removeprefix(".")
    inside = f", {inner}" if name[0] not in ("trait", "segment") and inner else ""
    return f"{place + ': ' if place else ''}{name[0]} {name[1]}{inside}"


def _field_of(files: Sources, name: Name, text: str) -> str:
    """The field of a definition that has this expression."""
    entry = files.entry(name)
    for field in ("expression", "rule"):
        if entry.get(field) == text:
            return f".{field}"
    rules = entry.get("rules")
    for n, rule in enumerate(rules if isinstance(rules, list) else ()):
        if isinstance(rule, dict) and rule.get("when") == text:
            return f".rules[{n}].when"
    return ""


def _text_at(files: Sources, name: Name, path: str) -> tuple[str, str]:
    """The field of a definition at a path of its stored document, with its text."""
    entry = files.entry(name)
    own = next((field for field in ("expression", "rule") if field in entry), None)
    if own is not None:
        return f".{own}", str(entry[own])
    rules = entry.get("rules")
    for n, rule in enumerate(rules if isinstance(rules, list) else ()):
        if path == f"$.rules[{n}].when" and isinstance(rule, dict):
            return f".rules[{n}].when", str(rule.get("when", ""))
    return "", ""


def _of_wire(wire: Mapping[str, Any]) -> Diagnostic:
    span = Span(wire["span"]["start"], wire["span"]["end"])
    fixes = tuple(Fix(fix["title"], ()) for fix in wire["fixes"])
    return Diagnostic(wire["code"], wire["severity"], span, wire["message"], fixes)
