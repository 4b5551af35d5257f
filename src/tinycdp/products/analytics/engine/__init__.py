"""The analytics engine: chdb, behind the HTTP interface of ClickHouse.

Shape   dialect → lanes → server: what a request says, the connections that run it, the process
Source  docs/decisions/0036-analytics-engine.md
"""
