"""The version of this package, for the header `User-Agent` and the context of messages."""

VERSION = "0.1.0"
