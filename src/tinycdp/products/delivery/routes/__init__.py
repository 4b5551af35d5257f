"""The routes of delivery; all of them need a key."""

from tinycdp.products.delivery.routes import destinations, operation
from tinycdp.products.delivery.routes.syncs import operation as syncs

GUARDED = [*destinations.ROUTES, *operation.ROUTES, *syncs.ROUTES]

#: The parts of the process that they use, by the names of their parameters.
PARTS = ("delivery",)
