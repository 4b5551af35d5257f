"""Records made of a JSON document whose parts may be expressions.

Shape   reading: a document → RecordMapping, or what is wrong with it · checks: its types, against the names that exist
        nodes: its parts, which make a record of values · formats: what `as` names · urls: URLs with such parts
Laws    pure. The cost of a record is bounded: by parts, expressions, and one loop with a cap when its mapping is read,
        and by bytes and items, whatever the data is, while it is made
Source  docs/reference/mapping.md, docs/decisions/0046-mapping.md
"""
