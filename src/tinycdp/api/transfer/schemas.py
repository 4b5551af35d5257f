"""What clients and server exchange about imports."""

import msgspec

from tinycdp.runtime.imports import Progress


class Imports(msgspec.Struct):
    """Newest first."""

    imports: list[Progress]
