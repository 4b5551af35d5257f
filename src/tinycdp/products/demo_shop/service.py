"""What the demo shop's page shows of its visitor.

Shape   visitor(environment, catalogs, loader, id) → the newest events, traits, segments and flags of one visitor
Laws    the id is the credential: it has 128 random bits or more, and only the page that made it knows it.
        A profile that also has an identifier of another kind of visitor is not shown: else everyone who may send events
        could link an id of the shop to any profile, and read it.
        All values are of one instant, and as new as the profile that was read from Postgres
Errors  InvalidInput INVALID_REQUEST · Forbidden DEMO_ONLY
"""

import re

from tinycdp.engine.catalog import Catalog
from tinycdp.engine.flags.decide import Decision
from tinycdp.engine.flags.trail import texts_of
from tinycdp.errors import Forbidden, InvalidInput, NotFound
from tinycdp.model import Identifier, IdentifierKind
from tinycdp.products.demo_shop.schemas import Known, KnownFlag, SentEvent, Visitor
from tinycdp.runtime.decisions.decide import ProfileLoader, decide_one, prepare
from tinycdp.runtime.decisions.snapshots import Snapshot
from tinycdp.runtime.environment import Environment
from tinycdp.runtime.profiles import views
from tinycdp.store.database.pool import snapshot as reading
from tinycdp.times import iso, iso_or_none

_PREFIX = "demo_"
#: 22 characters of base64 have 128 bits.
_ID = re.compile(rf"{_PREFIX}[A-Za-z0-9_-]{{22,64}}")
_EVENTS = 30


async def visitor(environment: Environment, loader: ProfileLoader, id: str) -> Visitor:
    """The visitor with this id, who may have sent nothing yet."""
    if not _ID.fullmatch(id):
        message = f"id: an id of the demo shop is `{_PREFIX}` and 22 to 64 letters, digits, - and _."
        raise InvalidInput("INVALID_REQUEST", message, name="id")
    version, events = 0, list[views.Event]()
    try:
        async with reading(environment.pool) as connection:
            row = await views.find_row(connection, environment.id, id, IdentifierKind.ANONYMOUS)
    except NotFound:
        pass
    else:
        if not all(identifier.value.startswith(_PREFIX) for identifier in views.identifiers_of(row.identifiers)):
            message = "This visitor has an identifier from outside the demo shop, so it is not shown. Start over there."
            raise Forbidden("DEMO_ONLY", message)
        version, events = row.version, await views.recent_events_of(environment, row.id, _EVENTS)
    identifier = Identifier(IdentifierKind.ANONYMOUS, id)
    catalog, snapshot, _ = await loader.load(environment.id, identifier, environment.now(), version)
    now = environment.now()
    # Nothing may be awaited from here on: other requests about this profile share the snapshot.
    prepare(catalog, snapshot, now)
    return Visitor(
        as_of=iso(now),
        version=snapshot.version,
        revision=catalog.revision,
        properties=dict(snapshot.properties),
        events=[SentEvent(e.message_id, e.type, e.event, e.timestamp, e.properties) for e in events],
        traits=_values(catalog, snapshot, "trait"),
        segments=_values(catalog, snapshot, "segment"),
        flags=[_flag(catalog, snapshot, decide_one(catalog, key, snapshot, now)) for key in sorted(catalog.live.flags)],
    )


def _values(catalog: Catalog, snapshot: Snapshot, kind: str) -> list[Known]:
    live, found = catalog.live, list[Known]()
    for name in sorted(name for name in live.evaluators if name[0] == kind):
        value, until = snapshot.result(name, snapshot.now)
        text = live.definitions[name].expression
        found.append(Known(name[1], text, views.plain(value, live.nodes[name].type), iso_or_none(until)))
    return found


def _flag(catalog: Catalog, snapshot: Snapshot, decision: Decision) -> KnownFlag:
    reasons = texts_of(decision.trail)
    off = catalog.live.flags[decision.flag].at(snapshot.now).flag.off_variant
    return KnownFlag(
        key=decision.flag,
        variant=decision.variant,
        value=decision.value,
        is_off=decision.variant == off,
        reason=decision.reason,
        because=reasons[-1] if reasons else "",
        until=iso_or_none(decision.until),
    )
