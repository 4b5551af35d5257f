"""Deciding here: a snapshot of a profile, evaluated as the server would.

Source  dsl/SNAPSHOT.md
"""

from .snapshot import ASK, Answer, Snapshot, UnknownFormat
from .values import read_context

__all__ = ["ASK", "Answer", "Snapshot", "UnknownFormat", "read_context"]
