"""Turn pip's installation report (standard input) into a lock file: one exact version per line, no addresses."""

import json
import sys

packages = [entry["metadata"] for entry in json.load(sys.stdin)["install"]]
pins = sorted(f"{package['name'].lower().replace('_', '-')}=={package['version']}" for package in packages)
print("# Written by `make lock`; docs/decisions/0004-lock-files.md says how and why.")
print("\n".join(pin for pin in pins if not pin.startswith("tinycdp==")))
