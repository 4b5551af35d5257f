"""Products: what reads the outbox, or only reads. One folder each, with its own routes, service, SQL and tests.

Shape   products/<name>/{routes.py, schemas.py, service.py, store.py, sql/}
Laws    core never imports a product, and products do not import each other. Inside one: routes → service → store
Source  CONTRIBUTING.md "Add a capability"
"""
