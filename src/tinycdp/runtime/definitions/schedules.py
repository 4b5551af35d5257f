"""Scheduled steps of flags, written down once they are due.

Shape   settle_due(pool, environment, now) -> how many flags had due steps
Laws    a flag decides by its schedule at the very instant, everywhere, with no help from here: a due step becomes a
        revision afterwards, which changes no answer. It waits while a revision warms up
Source  docs/decisions/0018-flags-in-full.md
"""

from tinycdp.dsl.values.scalars import parse_instant
from tinycdp.engine.catalog import Catalog
from tinycdp.engine.flags.document import settled, to_document
from tinycdp.errors import Conflict
from tinycdp.model import Instant
from tinycdp.runtime.definitions.change_set import Change
from tinycdp.runtime.definitions.publish import publish
from tinycdp.runtime.edits import Edit
from tinycdp.store.pool import Pool

AUTHOR = "schedule"


async def settle_due(pool: Pool, catalog: Catalog, now: Instant) -> int:
    """Make one revision of every flag's due steps, where there are any."""
    if catalog.head != catalog.revision:
        return 0
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
            pool, catalog.environment_id, changes, Edit(AUTHOR, now, f"steps that were due: {'; '.join(steps)}")
        )
    except Conflict:
        return 0  # somebody saved one of them meanwhile: next time
    return len(changes)
