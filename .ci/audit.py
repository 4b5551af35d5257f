"""Look up known vulnerabilities of what is locked, by pip-audit and `npm audit`.

Fails if there is one. Where a registry does not answer, as behind a mirror without advisories, it says so and passes:
what cannot be looked up is no reason to stop work."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LOCKS = ("requirements.lock", "requirements-analytics.lock", "requirements-dev.lock")
PACKAGES = ("sdk-ts", "src/console")
PATIENCE_SECONDS = 90
#: Advisories that do not concern us → why not. Remove one as soon as there is a version without it.
ACCEPTED: dict[str, str] = {}


def answer(argv: list[str], folder: Path) -> dict[str, Any]:
    """The JSON that a program prints; empty if it could not ask."""
    # The wheel of Node has its programs beside Python's.
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    try:
        done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, timeout=PATIENCE_SECONDS, check=False)
        found = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def python_advisories() -> Iterator[tuple[str, str]]:
    """(package, advisory) of the lock files. Raises LookupError if no registry answers."""
    locks = [part for lock in LOCKS for part in ("-r", lock)]
    argv = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off"]
    found = answer([*argv, "--no-deps", "--disable-pip", *locks], ROOT)
    if all("skip_reason" in package for package in found.get("dependencies", ())):
        raise LookupError
    for package in found["dependencies"]:
        for advisory in package.get("vulns", ()):
            yield f"{package['name']} {package['version']}", advisory["id"]


def node_advisories(folder: str) -> Iterator[tuple[str, str]]:
    """The same of a package's lock file."""
    found = answer(["npm", "audit", "--json"], ROOT / folder)
    if "vulnerabilities" not in found:
        raise LookupError
    for name, package in found["vulnerabilities"].items():
        for via in package["via"]:
            if isinstance(via, dict):
                yield name, via["url"].rpartition("/")[2]


def main() -> int:
    found: list[tuple[str, str]] = []
    for what, advisories in [("Python's", python_advisories()), *((f"{p}'s", node_advisories(p)) for p in PACKAGES)]:
        try:
            found += [one for one in advisories if one[1] not in ACCEPTED]
        except LookupError:
            print(f"  {what} packages are not audited: no registry answers", file=sys.stderr)
    for package, advisory in found:
        print(f"{package} is vulnerable: {advisory}", file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
