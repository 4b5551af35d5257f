"""The views that SQL of clients reads, made from migrations/analytics/views.sql.

Shape   make_views(clickhouse, environment_id, segments, flags) → the name of their database
Laws    each environment has a database of its own with nothing but the views, and the environment is fixed in each view
"""

from collections.abc import Mapping

from tinycdp.products.analytics.store.clickhouse import ClickHouse
from tinycdp.products.analytics.store.tables import statements
from tinycdp.resources import read_text

#: What a view is called, and what one row of it is.
VIEWS: Mapping[str, str] = {
    "events": "an event",
    "people": "a person, as of now",
    "segment_history": "an entry into a segment, or an exit",
    "property_history": "a value that a profile property was set to",
    "exposures": "a unit that got a variant of a flag, and when first",
}


async def make_views(
    clickhouse: ClickHouse, environment_id: int, segments: Mapping[str, int], flags: Mapping[str, int]
) -> str:
    """Make the views of an environment, or make them anew. segments, flags: ids by key."""
    database = views_of(clickhouse, environment_id)
    template = read_text("migrations/analytics/views.sql")
    more = {
        "views": f"`{database}`",
        "environment": str(environment_id),
        "segments": _key_of("segment_id", segments),
        "flags": _key_of("definition_id", flags),
    }
    for statement in statements(template, clickhouse.place, more):
        await clickhouse.command(statement)
    return database


def views_of(clickhouse: ClickHouse, environment_id: int) -> str:
    """The name of the database of an environment's views."""
    return f"{clickhouse.place.database}_environment_{environment_id}"


def _key_of(column: str, ids: Mapping[str, int]) -> str:
    """An expression: the key for the id in a column."""
    if not ids:
        return "''"
    keys = ", ".join("'" + key.replace("\\", "\\\\").replace("'", "\\'") + "'" for key in ids)
    return f"transform({column}, [{', '.join(map(str, ids.values()))}], [{keys}], '')"
