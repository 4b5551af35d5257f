"""Exports as jobs: files of segments, profiles and events, once or on a schedule.

Shape   routes → service → running → kinds → store; storage is where files are, links how they are opened without a key
Laws    it only reads, and nothing of it is on the way of a message or a decision
Source  docs/reference/exports.md
"""
