"""What the feed reads of Postgres costs no more rows than there are, also before the first ANALYZE."""

from typing import Any

import pytest

from tinycdp.products.analytics.store.source import _SQL
from tinycdp.store.database.pool import Connection

_PEOPLE = 2_000
_SEGMENTS = (11, 12, 13)


@pytest.mark.parametrize("statement", ["people_of_batch", "all_people"])
async def test_people_are_read_one_by_one(scratch: Connection, statement: str) -> None:
    await scratch.execute(
        f"""INSERT INTO profiles (environment_id, id, bucketing_key, created_at, properties, state, version)
            SELECT 1, n, 'u' || n, now(), '{{}}', '', 1 FROM generate_series(1, {_PEOPLE}) AS n"""
    )
    await scratch.execute(
        f"""INSERT INTO memberships (environment_id, fingerprint, profile_id, entered_at)
            SELECT 1, f, n, now() FROM generate_series(1, {_PEOPLE}) AS n, unnest(ARRAY{list(_SEGMENTS)}) AS f"""
    )
    people = [list(range(1, _PEOPLE + 1))] if statement == "people_of_batch" else []
    values = (1, *people, list(_SEGMENTS), [1, 2, 3], 7)
    rows = await scratch.fetch(_SQL[statement], *values)
    assert {row["segments"] for row in rows} == {"[1,2,3]"}
    assert len(rows) == _PEOPLE
    (explained,) = await scratch.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {_SQL[statement]}", *values)
    # Each node of the plan looks at each person and segment about once. Of all with all it would be 5,000 times each.
    assert _read(explained["Plan"]) < 100 * _PEOPLE


def _read(plan: dict[str, Any]) -> float:
    """Rows that a plan looked at, in all of its loops."""
    dropped = sum(plan.get(f"Rows Removed by {by}", 0) for by in ("Filter", "Join Filter", "Index Recheck"))
    own = (plan["Actual Rows"] + dropped) * plan["Actual Loops"]
    return float(own) + sum(_read(inner) for inner in plan.get("Plans", ()))
