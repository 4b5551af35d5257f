"""`python -m tinycdp` and the script `tinycdp` are the command line."""

import signal
import sys


def run() -> int:
    """Run the command line, whose import takes a moment that Ctrl-C may end without a traceback."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from tinycdp.cli.main import main  # noqa: PLC0415

    return main()


if __name__ == "__main__":
    sys.exit(run())
