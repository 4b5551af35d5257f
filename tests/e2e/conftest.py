"""Fixtures of the end-to-end tests: the JavaScript clients."""

import pytest

from javascript import JavaScript


@pytest.fixture(scope="session")
def javascript() -> JavaScript:
    """Node with the clients' packages, installed once."""
    return JavaScript()
