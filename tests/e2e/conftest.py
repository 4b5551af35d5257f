"""Fixtures of the end-to-end tests: the JavaScript clients."""

import pytest

from javascript import JavaScript, Missing


@pytest.fixture(scope="session")
def javascript() -> JavaScript:
    """Node with the clients' packages, installed once."""
    try:
        return JavaScript()
    except Missing as missing:
        pytest.skip(str(missing))
