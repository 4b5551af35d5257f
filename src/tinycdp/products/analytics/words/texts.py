"""Conditions of the language, written for questions in words."""

import msgspec

from tinycdp.dsl.ast import Path
from tinycdp.dsl.editor.format import format_expression


def quoted_text(text: str) -> str:
    """A text in quotes, as the language and JSON read it."""
    return msgspec.json.encode(text).decode()


def path_text(names: tuple[str, ...]) -> str:
    """A path, with backticks where they are needed. A nested name is joined by dots."""
    parts = tuple(part for name in names for part in name.split(".")) if "" not in names[-1].split(".") else names
    if len(parts) == 1:  # a path has at least two names
        return format_expression(Path(("profile", *parts))).removeprefix("profile.")
    return format_expression(Path(parts))


def equals(names: tuple[str, ...], value: str) -> str:
    """The condition that a path has this text."""
    return f"{path_text(names)} == {quoted_text(value)}"


def differs(names: tuple[str, ...], value: str) -> str:
    """The condition that a path has another text."""
    return f"{path_text(names)} != {quoted_text(value)}"


def in_segment(key: str) -> str:
    """The condition of being in a segment."""
    return path_text(("segments", key)) if "." not in key else f"segment({quoted_text(key)})"
