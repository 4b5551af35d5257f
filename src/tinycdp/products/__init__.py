"""Products: capabilities that are fed by the outbox, or that only read.

Shape   products/<name>/{routes.py, schemas.py, service.py, store.py, sql/}
        one folder each, with its own tests and documentation
Laws    core never imports a product, and products do not import each other. Inside one: routes → service → store
Source  CONTRIBUTING.md "Add a capability"
"""
