"""The routes of analytics; all of them need a key."""

from tinycdp.products.analytics.routes import queries, saved, segments

GUARDED = [*queries.ROUTES, *saved.ROUTES, *segments.ROUTES]

#: The parts of the process that they use, by the names of their parameters.
PARTS = ("analytics",)
