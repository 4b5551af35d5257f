"""Terminal progress, files and standard streams of commands."""

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from tinycdp.errors import InvalidInput

_BAR = 30


def bar(share: float) -> str:
    """A share from 0 to 1 as a bar."""
    return f"[{'#' * int(_BAR * share):{_BAR}}]"


def show_progress(text: str) -> None:
    """Replace the progress line on standard error, if that is a terminal."""
    if sys.stderr.isatty():
        print(f"\r{text:110}", end="", file=sys.stderr, flush=True)


class Progress:
    """The progress of long work on standard error: one line that is replaced, or in a pipe a line now and then."""

    def __init__(self, seconds: float = 5.0) -> None:
        self._seconds = seconds
        self._shown_at = time.monotonic()

    def show(self, text: str) -> None:
        """Say how far it is."""
        if sys.stderr.isatty():
            show_progress(text)
        elif time.monotonic() - self._shown_at >= self._seconds:
            self._shown_at = time.monotonic()
            print(text, file=sys.stderr, flush=True)


def end_progress() -> None:
    """End the progress line."""
    if sys.stderr.isatty():
        print(file=sys.stderr)


@contextlib.contextmanager
def output(path: Path | None) -> Iterator[BinaryIO]:
    """Standard output, or a file that appears when it is complete.

    A failure leaves an existing file unchanged."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def readable(path: Path) -> Iterator[BinaryIO]:
    """A file that is open for reading."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise InvalidInput("FILE_UNREADABLE", f"{path}: {error.strerror}") from error
    with file:
        yield file


def unwritable(path: Path, error: OSError) -> InvalidInput:
    """The error for a path that cannot be written."""
    return InvalidInput("FILE_UNWRITABLE", f"{path}: {error.strerror}")


def lines(files: Iterable[Path]) -> Iterator[str]:
    """Non-empty lines of the files, or of standard input if none is given."""
    if not files:
        yield from (line for line in sys.stdin if line.strip())
    for path in files:
        try:
            with path.open(encoding="utf-8") as file:
                yield from (line for line in file if line.strip())
        except OSError as error:
            raise InvalidInput("FILE_UNREADABLE", f"{path}: {error.strerror}") from error
