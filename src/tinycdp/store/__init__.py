"""Every SQL statement of the product, and the only importer of asyncpg.

Shape   statements live in sql/*.sql, named; a function of the same name runs each, and what it returns is typed: rows
        are dataclasses of the module (rows.py). Functions take a connection, and `now` where time matters; transactions
        are opened by the caller, in runtime
Units   instants are integer milliseconds on this side of the wire, timestamptz on the other
Errors  Unavailable when Postgres cannot be reached; whatever else asyncpg raises is a bug"""
