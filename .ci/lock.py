"""Turn pip's installation report (standard input) into a lock file: one exact version per line, no addresses.

An argument names a lock file whose packages are left out, because they are installed before."""

import json
import sys
from pathlib import Path

packages = [entry["metadata"] for entry in json.load(sys.stdin)["install"]]
pins = {f"{package['name'].lower().replace('_', '-')}=={package['version']}" for package in packages}
pins -= {pin for file in sys.argv[1:] for pin in Path(file).read_text(encoding="utf-8").split("\n")}
print("# Written by `make lock`; docs/decisions/0004-lock-files.md says how and why.")
print("\n".join(sorted(pin for pin in pins if not pin.startswith("tinycdp=="))))
