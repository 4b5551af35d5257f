"""Syncs: records of people that a receiver is kept in step with.

Shape   ledger: what was acknowledged, and what follows from what a person's record is now; pure
        records: a document and a profile → the record · run: one run of one sync · worker: the runs of all environments
        service: health, runs, releases and previews for the routes
Laws    a record is sent if it differs from the one that was acknowledged, or if it is not known whether it arrived
Source  docs/reference/syncs.md, docs/decisions/0048-syncs.md
"""
