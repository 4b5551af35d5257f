"""Coordination: opens transactions, waits, listens, and keeps in memory what requests need.

Shape   packages in one order, from the top: worker, transfer, privacy, time_travel → ingest → identity → profiles,
        schema → decisions → definitions, policies, access → the modules beside them
Source  docs/architecture.md
"""
