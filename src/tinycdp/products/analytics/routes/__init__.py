"""The routes of analytics; all of them need a key."""

from tinycdp.products.analytics.routes import files, funnels, people, plain, queries, saved, segments, sql, words

GUARDED = [
    *queries.ROUTES,
    *saved.ROUTES,
    *segments.ROUTES,
    *plain.ROUTES,
    *files.ROUTES,
    *sql.ROUTES,
    *funnels.ROUTES,
    *people.ROUTES,
    *words.ROUTES,
]

#: The parts of the process that they use, by the names of their parameters.
PARTS = ("analytics", "analytics_sql")
