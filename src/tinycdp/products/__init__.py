"""Products: capabilities that are fed by the outbox, or that only read.

Shape   products/<name>/{routes.py, schemas.py, service.py, store.py, sql/}
        one folder each, with its own tests and documentation
Laws    core never imports a product, and products do not import each other. Inside one: routes → service → store
Source  CONTRIBUTING.md "Add a capability"
"""

from typing import TYPE_CHECKING

from tinycdp.runtime.definitions.product_kinds import register

if TYPE_CHECKING:
    from tinycdp.runtime.definitions.product_kinds import ProductKinds


def register_products() -> None:
    """Add the kinds of definitions of all products."""
    register(_analytics)
    register(_delivery)
    register(_exports)


def _analytics() -> "ProductKinds":
    from tinycdp.products.analytics.definitions.kinds import SAVED  # noqa: PLC0415 - commands start without it

    return SAVED


def _delivery() -> "ProductKinds":
    from tinycdp.products.delivery.definitions.kinds import DESTINATIONS  # noqa: PLC0415 - as above

    return DESTINATIONS


def _exports() -> "ProductKinds":
    from tinycdp.products.exports.kinds import SCHEDULES  # noqa: PLC0415 - as above

    return SCHEDULES
