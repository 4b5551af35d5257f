"""How many files a server may have open: streams are connections, and connections are files."""

import subprocess
import sys

import pytest

_ASKS = """
import resource, sys
from tinycdp.runtime.processes import allow_files
soft, hard, n = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
allow_files(n)
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "n", "then"),
    [(256, 1024, 512, 512), (256, 1024, 4096, 1024), (512, 1024, 256, 512)],
    ids=["raised", "as far as it goes", "never lowered"],
)
def test_a_process_takes_the_files_it_needs(soft: int, hard: int, n: int, then: int) -> None:
    asked = [sys.executable, "-c", _ASKS, str(soft), str(hard), str(n)]
    printed = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert printed.split() == [str(then), str(hard)]
