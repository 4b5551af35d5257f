"""The routes of analytics; all of them need a key."""

from tinycdp.products.analytics.routes import saved

GUARDED = [*saved.ROUTES]
