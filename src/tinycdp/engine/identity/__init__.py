"""Which identifiers belong to which profile: claims, merges and unmerges as pure functions.

Shape   claims → creation → resolution: what messages say, which rows are created for it, what it changes.
        unmerge: what is left once links are withdrawn. The runtime reads rows, calls these, and saves what they return
Laws    which identifiers make one profile is a function of the set of messages, never of their order.
        Nothing here does I/O, reads a clock or knows a table
Source  docs/decisions/0010-claims.md, docs/decisions/0021-undo.md
"""
