"""Saved reports and the tiles of dashboards, answered.

Shape   answered_report(analytics, environment, key) → Answer
        answered_tiles(analytics, environment, key) → TileAnswer for each tile, in their order
Laws    a tile has the answer that its question has alone: both are one question, compiled once.
        The error of one tile leaves the others their answers
"""

from dataclasses import dataclass

from tinycdp.errors import TinyCDPError
from tinycdp.products.analytics.answers.schemas import Answer
from tinycdp.products.analytics.definitions.kinds import SAVED
from tinycdp.products.analytics.definitions.schemas import DashboardDocument, ReportDocument, Tile
from tinycdp.products.analytics.service.answering import Analytics
from tinycdp.runtime.environment import Environment


@dataclass(frozen=True, slots=True)
class TileAnswer:
    """A tile, what it is called, and its answer or (code, message) of its error."""

    tile: Tile
    title: str
    answer: Answer | None = None
    error: tuple[str, str] | None = None


async def answered_report(analytics: Analytics, environment: Environment, key: str, id: str = "") -> Answer:
    """Answer a saved report. id: a name by which it can be cancelled."""
    report = (await SAVED.found(environment, "report", key)).document
    assert isinstance(report, ReportDocument)
    return await analytics.answer(environment, report.question, id)


async def answered_tiles(analytics: Analytics, environment: Environment, key: str) -> list[TileAnswer]:
    """Answer all tiles of a dashboard, one after another."""
    dashboard = (await SAVED.found(environment, "dashboard", key)).document
    assert isinstance(dashboard, DashboardDocument)
    reports = {one.row.key: one.document for one in await SAVED.listed(environment, "report")}
    tiles = []
    for tile in dashboard.tiles:
        question, title = tile.question, tile.title
        if isinstance(report := reports.get(tile.report), ReportDocument):
            question, title = report.question, title or report.name or tile.report
        if question is None:
            tiles.append(TileAnswer(tile, title))
            continue
        try:
            tiles.append(TileAnswer(tile, title, await analytics.answer(environment, question)))
        except TinyCDPError as failure:
            tiles.append(TileAnswer(tile, title, error=(failure.code, failure.message)))
    return tiles
