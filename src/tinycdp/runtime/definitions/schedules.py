"""Scheduled steps of flags, saved as a revision once they are due.

Shape   settle_due(environment, catalog) → how many flags had due steps
Laws    decisions read a flag's schedule themselves: a due step applies everywhere at its instant. Saving it as a
        revision afterwards changes no answer. It waits while a revision backfills
Source  docs/decisions/0018-flags-in-full.md
"""

from tinycdp.dsl.values.scalars import parse_instant
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.flags.document import settled, to_document
from tinycdp.errors import Conflict
from tinycdp.runtime.definitions.changes import Change
from tinycdp.runtime.definitions.publish import publish
from tinycdp.runtime.edits import Edit
from tinycdp.runtime.environment import Environment

AUTHOR = "schedule"


async def settle_due(environment: Environment, catalog: Catalog) -> int:
    """Save the due steps of all flags as one revision, if there are any."""
    if catalog.head != catalog.revision:
        return 0
    now = environment.now()
    changes, steps = [], []
    for definition in catalog.live.definitions.values():
        flag = definition.flag
        due = [step.at for step in flag.schedule if (parse_instant(step.at) or 0) <= now] if flag is not None else []
        if flag is not None and due:
            document = to_document(settled(flag, now))
            changes.append(Change(kind="flag", key=flag.key, document=document, expects=definition.version))
            steps.append(f"{flag.key} at {', '.join(due)}")
    if not changes:
        return 0
    try:
        await publish(
            environment,
            changes,
            Edit(AUTHOR, now, f"steps that were due: {'; '.join(steps)}"),
        )
    except Conflict:
        return 0  # one of the flags changed meanwhile: try again next time
    return len(changes)
