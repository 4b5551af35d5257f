"""The TypeScript of the guides is correct: every block compiles against the SDK, alone.

Shape   the blocks of docs/how-to and sdk-ts/README.md that are marked ts or tsx; names that a block leaves to the
        reader's application are declared here
"""

import re
from pathlib import Path

from javascript import Package

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs" / "how-to").rglob("*.md"), *(ROOT / "sdk-ts").glob("README.md")])
_BLOCK = re.compile(r"^ *```(tsx?)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)

#: What the application around a block has. A block that declares the name itself hides it.
_AROUND = """
import type { Decisions, TinyCDP } from "@tinycdp/sdk"
import type { Snapshot } from "@tinycdp/sdk/local"
import type { FC, ReactNode } from "react"
declare global {
  const tinycdp: TinyCDP, server: TinyCDP
  const visitor: string, endpoint: string, writeKey: string, readKey: string
  const session: { userId: string }
  const banner: { onAgree(then: () => void): void; onWithdraw(then: () => void): void }
  const children: ReactNode
  const Providers: FC<{ decisions?: Decisions; bootstrap?: Decisions; children: ReactNode }>
  const Checkout: FC
  function render(value?: unknown): void
  function showBanner(): void
  const snapshot: Snapshot, now: number
  function askTheServer(...given: unknown[]): void
  function show(value: unknown): void
}
"""
_OPTIONS = """{
  "compilerOptions": {
    "strict": true, "noEmit": true, "module": "esnext", "moduleResolution": "bundler", "target": "es2022",
    "lib": ["ES2022", "DOM", "DOM.Iterable"], "jsx": "react-jsx", "skipLibCheck": true, "types": ["node"]
  },
  "include": ["*.ts", "*.tsx"]
}"""


def test_every_block_of_the_guides_compiles(tmp_path: Path) -> None:
    sdk = Package(ROOT / "sdk-ts")
    sdk.build()
    packages = tmp_path / "node_modules"
    (packages / "@tinycdp").mkdir(parents=True)
    (packages / "@tinycdp" / "sdk").symlink_to(sdk.folder)
    for name in ("react", "@types", "@openfeature"):
        (packages / name).symlink_to(sdk.folder / "node_modules" / name)
    (tmp_path / "tsconfig.json").write_text(_OPTIONS)
    (tmp_path / "around.ts").write_text(_AROUND)
    blocks = 0
    for page in PAGES:
        for number, (language, block) in enumerate(_BLOCK.findall(page.read_text(encoding="utf-8")), start=1):
            blocks += 1
            name = f"{page.relative_to(ROOT).with_suffix('')}-{number}".replace("/", "-")
            (tmp_path / f"{name}.{language}").write_text(f"{block}\nexport {{}}\n")
    assert blocks > 15
    sdk.run("tsc", "--project", str(tmp_path), folder=tmp_path)
