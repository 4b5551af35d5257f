"""The pages of src/console, built for tests.

Shape   built_console() → the folder with the pages; raises Missing without Node
Laws    they are built once for a test run, from the sources as they are now, however many runs begin together
"""

import functools
from pathlib import Path

from javascript import Package, alone
from tinycdp import resources

FOLDER = Path(__file__).parents[1] / "src" / "console"


@functools.cache
def built_console() -> Path:
    """The folder of the built pages."""
    package = Package(FOLDER)
    with alone(FOLDER):
        package.node("tools/build.ts")
    return resources.PAGES
