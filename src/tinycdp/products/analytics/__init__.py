"""Analytics: questions about all profiles, answered by ClickHouse from a copy of the events.

Shape   questions, answers  what is asked and answered; compile between them and SQL
        engine    the process `tinycdp analytics`: an embedded ClickHouse behind ClickHouse's own HTTP interface
        store     the client for it or for a ClickHouse server, and the tables
        endpoint  where the engine listens, as written by it and read by the client
Laws    Postgres is the truth; everything in ClickHouse can be made again from it.
        Without ClickHouse questions answer 503, and nothing else notices
Source  docs/decisions/0036-analytics-engine.md
"""
