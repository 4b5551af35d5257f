"""Forks and exits of the process. gunicorn and uWSGI fork it with its locks and connections.

Shape   carry(owner, parts) · drain_at_exit(sender, seconds), drained(sender)
Laws    a fork happens while no part is in the middle of something: its locks are taken before, in their order
        the child starts with parts of its own, and sends nothing of its parent's
        at the end of the process what waits is sent, in a bounded time
"""

import atexit
import os
import weakref
from collections.abc import Sequence
from typing import Protocol

from . import clock


class Part(Protocol):
    """Something with locks or connections."""

    def before_fork(self) -> None: ...
    def after_fork(self) -> None: ...
    def forked(self) -> None: ...


class Stoppable(Protocol):
    """Something that has to send what waits."""

    def stop(self, seconds: float) -> bool: ...


_carried: weakref.WeakKeyDictionary[object, Sequence[Part]] = weakref.WeakKeyDictionary()
_forking: list[Part] = []
_ending: dict[Stoppable, float] = {}


def carry(owner: object, parts: Sequence[Part]) -> None:
    """These parts live through forks as long as their owner lives. They are locked in this order."""
    _carried[owner] = parts


def drain_at_exit(part: Stoppable, seconds: float) -> None:
    _ending[part] = seconds


def drained(part: Stoppable) -> None:
    _ending.pop(part, None)


def _before() -> None:
    _forking[:] = [part for parts in list(_carried.values()) for part in parts]
    for part in _forking:
        part.before_fork()


def _in_parent() -> None:
    for part in reversed(_forking):
        part.after_fork()
    _forking.clear()


def _in_child() -> None:
    for part in _forking:
        part.forked()
    _forking.clear()


def _at_exit() -> None:
    began = clock.monotonic()
    for part, seconds in list(_ending.items()):
        part.stop(max(0.0, began + seconds - clock.monotonic()))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
atexit.register(_at_exit)
