"""What happens inside leaves in order, signed, and one dead receiver slows no other.

Shape   definitions: the kind `destination` · log: one consumer of the outbox writes what some destination wants ·
        lanes: one per destination, with a cursor in the log · sinks: what takes batches ·
        routes, service: health, log, replay, secrets, tests
Laws    nothing is written while messages are ingested. A happening is skipped for no destination that wants it, and
        arrives at least once; happenings of one person arrive in order
Source  docs/reference/destinations.md, docs/decisions/0045-delivery.md, docs/decisions/0047-sinks.md
"""
