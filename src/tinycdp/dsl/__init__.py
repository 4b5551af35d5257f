"""The expression language: text in, checked programs out. No I/O, no clock."""
