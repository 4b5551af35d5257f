"""Draw a chart as PNG, in a process of its own.

Shape   await draw(spec) → PNG
Laws    the interpreter and the memory of what draws are not those of the process that answers requests
Errors  AnalyticsMissing if vl-convert-python is not installed · Unavailable CHART_FAILED
"""

import asyncio
import sys

import msgspec

from tinycdp.errors import Unavailable
from tinycdp.products.analytics.files.charts import Spec
from tinycdp.products.analytics.files.writers import check_package

LONGEST_SECONDS = 60
_SCALE = 2
_PROGRAM = (
    "import sys, vl_convert\n"
    "spec = sys.stdin.read()\n"
    f"sys.stdout.buffer.write(vl_convert.vegalite_to_png(spec, scale={_SCALE}, allowed_base_urls=[]))"
)


async def draw(spec: Spec) -> bytes:
    """The chart as PNG."""
    check_package("vl_convert", "vl-convert-python")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-c", _PROGRAM, stdin=pipe, stdout=pipe, stderr=pipe
    )
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            picture, said = await process.communicate(msgspec.json.encode(spec))
    except TimeoutError:
        raise Unavailable("CHART_FAILED", f"The chart was not drawn within {LONGEST_SECONDS} seconds.") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        last = (said.decode(errors="replace").strip().splitlines() or ["no reason given"])[-1]
        raise Unavailable("CHART_FAILED", f"The chart cannot be drawn: {last[:300]}")
    return picture
