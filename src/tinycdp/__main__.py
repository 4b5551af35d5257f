"""`python -m tinycdp` is the command line."""

import sys

from tinycdp.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
