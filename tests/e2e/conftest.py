"""Fixtures of the end-to-end tests: the JavaScript clients, and a browser."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from browser import chromium
from console import FOLDER
from javascript import JavaScript, Package


@pytest.fixture(scope="session")
def javascript() -> JavaScript:
    """Node with the clients' packages, installed once."""
    return JavaScript()


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The system's Chromium. A test opens a context of its own in it."""
    async with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def axe() -> str:
    """The checks of axe, as a script."""
    Package(FOLDER)
    return (FOLDER / "node_modules" / "axe-core" / "axe.min.js").read_text()
