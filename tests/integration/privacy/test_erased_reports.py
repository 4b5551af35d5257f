"""An erased person does not come back by what another process has not written yet."""

import serving
from serving import ManualClock, new_environment
from tinycdp.model import Identifier, IdentifierKind, Message

NOON = 1_790_000_000_000
FLAG = {"key": "paid", "rule": 'profile.plan == "pro"'}
ADA, STRANGER = (Identifier(IdentifierKind.USER, value) for value in ("ada", "stranger"))


async def test_a_report_that_waits_elsewhere_does_not_name_an_erased_person(dsn: str) -> None:
    now = ManualClock(NOON)
    async with serving.services(dsn, 2, now) as [here, there]:
        shop = await new_environment(here.pool, "shop", {"flags": [FLAG]}, NOON)
        catalog = await there.catalogs.refresh(there.pool, shop)
        await here.catalogs.refresh(here.pool, shop)
        await here.privacy.load(here.pool)
        seen = Message(
            kind="track", message_id="m", identifiers=(ADA,), occurred_at=NOON, received_at=NOON, name="open"
        )
        await here.ingest.accept(shop, [seen])
        there.exposures.record_reported(catalog, "paid", "on", None, ADA, now.now, now.now)
        now.now += 10
        await here.erasures.erase(shop, ["ada"], "me")
        now.now += 10
        there.exposures.record_reported(catalog, "paid", "on", None, STRANGER, now.now, now.now)
        await there.exposures.flush()
        assert [row["unit"] for row in await here.pool.fetch("SELECT unit FROM exposures")] == ["stranger"]
