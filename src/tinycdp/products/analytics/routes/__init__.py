"""The routes of analytics; all of them need a key."""

from tinycdp.products.analytics.routes import queries, saved

GUARDED = [*queries.ROUTES, *saved.ROUTES]

#: The parts of the process that they use, by the names of their parameters.
PARTS = ("analytics",)
