/**
 * The drawings. Each is 200 × 200, lit from the left, and stands on a plate whose colour follows the theme. They say
 * nothing that is not written beside them, so screen readers skip them.
 */
import type { ReactNode } from "react"

const INK = "#2a211c"
const BAKELITE = "#57483f"
const CREAM = "#f6ecdf"
const CLAY = "#c4623a"
const CLAY_DARK = "#a44c29"
const SAGE = "#7f9c86"
const SAGE_DARK = "#647f6b"
const NIGHT = "#3c4763"
const NIGHT_DARK = "#2c3550"
const GOLD = "#e0a94a"
const STEEL = "#ccd3d8"
const STEEL_LIGHT = "#e6eaed"
const STEEL_DARK = "#9aa5ad"
const WOOD = "#8a5a3b"
const WOOD_DARK = "#6d442b"
const COFFEE = "#4a2d20"

export function Art({ sku, large }: { sku: string; large?: boolean }) {
  return (
    <svg
      className="art"
      data-plate={PLATES[sku]}
      data-large={large || undefined}
      viewBox="0 0 200 200"
      aria-hidden="true"
    >
      {DRAWINGS[sku]?.()}
    </svg>
  )
}

const PLATES: Record<string, string> = {
  yirgacheffe: "sand",
  huila: "leaf",
  "night-shift": "dusk",
  cone: "rose",
  kettle: "dusk",
  grinder: "sand",
  moka: "leaf",
  cup: "rose",
}

const Shadow = ({ x = 100, y = 172, width = 56 }: { x?: number; y?: number; width?: number }) => (
  <ellipse cx={x} cy={y} rx={width} ry="6" fill="#000" opacity=".16" />
)

/** A bag with a folded top, a tin tie and a label. */
function Bag({ face, side, tie, children }: { face: string; side: string; tie: string; children: ReactNode }) {
  return (
    <>
      <Shadow width={54} />
      <path d="M58 58h84l7 108a6 6 0 0 1-6 6H57a6 6 0 0 1-6-6Z" fill={face} />
      <path d="M124 58h18l7 108a6 6 0 0 1-6 6h-12Z" fill={side} />
      <path d="M58 58h84v-18a4 4 0 0 0-4-4H62a4 4 0 0 0-4 4Z" fill={side} />
      <path d="M58 58h66v-22H62a4 4 0 0 0-4 4Z" fill={face} opacity=".55" />
      <path d="M58 58h84" stroke="#000" strokeOpacity=".18" strokeWidth="2" />
      <rect x="50" y="43" width="100" height="8" rx="4" fill={tie} />
      <circle cx="100" cy="72" r="3.5" fill="#000" opacity=".25" />
      <rect x="67" y="84" width="58" height="70" rx="3" fill={CREAM} />
      {children}
      <path d="M77 141h38M84 147h24" stroke={INK} strokeOpacity=".55" strokeWidth="2.400" strokeLinecap="round" />
    </>
  )
}

const DRAWINGS: Record<string, () => ReactNode> = {
  // The sun over hills.
  yirgacheffe: () => (
    <Bag face={CLAY} side={CLAY_DARK} tie={GOLD}>
      <circle cx="96" cy="105" r="13" fill={GOLD} />
      <path d="M67 118c9-8 17-8 25 0 8 7 20 7 33-4v20H67Z" fill={SAGE} />
      <path d="M67 127c12-7 22-6 31 0 9 5 18 5 27 0v7H67Z" fill={SAGE_DARK} />
    </Bag>
  ),
  // A branch with cherries.
  huila: () => (
    <Bag face={SAGE} side={SAGE_DARK} tie={CREAM}>
      <path d="M76 130c8-14 20-26 38-36" fill="none" stroke={WOOD} strokeWidth="2.600" strokeLinecap="round" />
      <path d="M88 112c-9-1-14-7-15-15 9 0 15 6 15 15ZM104 100c-4-8-2-14 4-19 5 7 4 14-4 19Z" fill={SAGE_DARK} />
      <circle cx="98" cy="117" r="7" fill={CLAY} />
      <circle cx="110" cy="109" r="6.5" fill={CLAY_DARK} />
      <circle cx="90" cy="126" r="5.5" fill={CLAY_DARK} />
      <circle cx="96" cy="115" r="1.800" fill={CREAM} opacity=".8" />
    </Bag>
  ),
  // The moon over water.
  "night-shift": () => (
    <Bag face={NIGHT} side={NIGHT_DARK} tie={STEEL}>
      <rect x="67" y="84" width="58" height="50" rx="3" fill={NIGHT_DARK} />
      <path d="M104 95a13 13 0 1 0 6 21 11 11 0 0 1-6-21Z" fill={GOLD} />
      <path
        d="M77 96h.1M84 107h.1M116 98h.1M112 88h.1M75 113h.1"
        stroke={CREAM}
        strokeWidth="2.600"
        strokeLinecap="round"
      />
      <path d="M80 125h22M90 129h26" stroke={STEEL} strokeOpacity=".7" strokeWidth="2" strokeLinecap="round" />
    </Bag>
  ),
  cone: () => (
    <>
      <Shadow width={46} />
      <path d="M76 126h48l8 38a7 7 0 0 1-7 8H75a7 7 0 0 1-7-8Z" fill={STEEL_LIGHT} opacity=".75" />
      <path d="m71 148-3 16a7 7 0 0 0 7 8h50a7 7 0 0 0 7-8l-3-16Z" fill={COFFEE} />
      <path d="M80 130l-6 36" stroke="#fff" strokeOpacity=".7" strokeWidth="4" strokeLinecap="round" />
      <path d="M100 126v14" stroke={COFFEE} strokeWidth="2.400" strokeLinecap="round" />
      <rect x="64" y="117" width="72" height="9" rx="4.5" fill="#e9dccb" />
      <path d="M52 66h96l-36 51H88Z" fill={CREAM} />
      <path d="M112 117l36-51h-22l-20 51Z" fill="#e3d3bf" />
      <path
        d="M70 78l20 32M86 78l10 32M104 78l-2 32M122 78l-14 32"
        stroke="#cdb79c"
        strokeWidth="2"
        strokeLinecap="round"
      />
      <ellipse cx="100" cy="65" rx="49" ry="10" fill="#e3d3bf" />
      <ellipse cx="100" cy="64" rx="43" ry="7.5" fill={COFFEE} />
      <path d="M64 62c12-6 30-7 44-5" fill="none" stroke={WOOD} strokeWidth="3" strokeLinecap="round" />
      <path d="M146 72c22 0 20 28-10 26" fill="none" stroke={CREAM} strokeWidth="8" strokeLinecap="round" />
    </>
  ),
  kettle: () => (
    <>
      <Shadow x={104} width={58} />
      <path
        d="M66 154c-34 4-24-36-32-62-3-9-8-13-16-11"
        fill="none"
        stroke={STEEL_DARK}
        strokeWidth="7"
        strokeLinecap="round"
      />
      <path d="M64 150c-27 2-19-34-27-60" fill="none" stroke={STEEL} strokeWidth="2.5" strokeLinecap="round" />
      <path d="M140 92c36-12 42 54 10 62" fill="none" stroke={WOOD} strokeWidth="10" strokeLinecap="round" />
      <path d="M66 98c1-8 7-13 15-13h46c8 0 14 5 15 13l8 64a9 9 0 0 1-9 10H67a9 9 0 0 1-9-10Z" fill={STEEL} />
      <path d="M120 85h7c8 0 14 5 15 13l8 64a9 9 0 0 1-9 10h-17Z" fill={STEEL_DARK} />
      <path d="M74 100l-6 58" stroke={STEEL_LIGHT} strokeWidth="7" strokeLinecap="round" />
      <path d="M77 85c0-6 10-10 27-10s27 4 27 10Z" fill={STEEL_LIGHT} />
      <path d="M104 75c17 0 27 4 27 10h-20Z" fill={STEEL} />
      <circle cx="104" cy="69" r="7" fill={WOOD} />
      <path d="M60 152h88" stroke="#000" strokeOpacity=".1" strokeWidth="2" />
    </>
  ),
  grinder: () => (
    <>
      <Shadow width={40} />
      <path d="M100 56 152 44" stroke={STEEL_DARK} strokeWidth="6" strokeLinecap="round" />
      <path d="M152 44V30" stroke={STEEL_DARK} strokeWidth="4" />
      <rect x="143" y="16" width="18" height="20" rx="8" fill={WOOD} />
      <path d="M154 16h-1c5 0 8 3 8 8v4c0 5-3 8-8 8Z" fill={WOOD_DARK} />
      <circle cx="100" cy="56" r="7" fill={STEEL_DARK} />
      <path d="M74 76c0-10 10-16 26-16s26 6 26 16Z" fill={STEEL_LIGHT} />
      <path d="M104 60c14 1 22 7 22 16h-16Z" fill={STEEL} />
      <rect x="70" y="74" width="60" height="56" rx="5" fill={STEEL} />
      <path d="M112 74h13a5 5 0 0 1 5 5v46a5 5 0 0 1-5 5h-13Z" fill={STEEL_DARK} />
      <path d="M79 80v44" stroke={STEEL_LIGHT} strokeWidth="6" strokeLinecap="round" />
      <rect x="70" y="94" width="60" height="3" fill="#000" opacity=".1" />
      <path d="M74 130h52v34a8 8 0 0 1-8 8H82a8 8 0 0 1-8-8Z" fill={WOOD} />
      <path d="M110 130h16v34a8 8 0 0 1-8 8h-8Z" fill={WOOD_DARK} />
      <path d="M83 136v26" stroke="#fff" strokeOpacity=".18" strokeWidth="5" strokeLinecap="round" />
      <rect x="71" y="128" width="58" height="5" rx="2.5" fill={INK} opacity=".7" />
    </>
  ),
  moka: () => (
    <>
      <Shadow width={48} />
      <path d="M134 76h24c6 0 9 4 8 10l-7 38-10-2 4-32h-21Z" fill={BAKELITE} />
      <path d="M66 70 46 58l14 40Z" fill={STEEL} />
      <path d="M60 70h80l-10 52H70Z" fill={STEEL} />
      <path d="M84 70h32l-4 52H88Z" fill={STEEL_LIGHT} />
      <path d="M116 70h24l-10 52h-18Z" fill={STEEL_DARK} />
      <path d="M60 70c8-10 22-16 40-16s32 6 40 16Z" fill={STEEL_DARK} />
      <path d="M84 70c3-9 8-16 16-16s13 7 16 16Z" fill={STEEL} />
      <rect x="92" y="40" width="16" height="15" rx="5" fill={BAKELITE} />
      <rect x="67" y="120" width="66" height="9" rx="2" fill={STEEL_DARK} />
      <rect x="86" y="120" width="28" height="9" fill={STEEL} />
      <path d="M70 129h60l10 38a4 4 0 0 1-4 5H64a4 4 0 0 1-4-5Z" fill={STEEL} />
      <path d="M87 129h26l5 43H82Z" fill={STEEL_LIGHT} />
      <path d="M113 129h17l10 38a4 4 0 0 1-4 5h-18Z" fill={STEEL_DARK} />
      <circle cx="126" cy="146" r="4" fill={GOLD} />
    </>
  ),
  cup: () => (
    <>
      <ellipse cx="96" cy="170" rx="70" ry="8" fill="#000" opacity=".14" />
      <path
        d="M82 62c-7-8 6-13 0-22M100 60c-7-9 7-15 0-26M117 63c-6-7 5-12 0-20"
        fill="none"
        stroke="#8c8078"
        strokeOpacity=".55"
        strokeWidth="3.5"
        strokeLinecap="round"
      />
      <path d="M130 102c34-8 32 40-8 38" fill="none" stroke="#d9cbb9" strokeWidth="9" strokeLinecap="round" />
      <path d="M28 156c0 10 24 14 68 14s68-4 68-14Z" fill="#d9cbb9" />
      <ellipse cx="96" cy="156" rx="68" ry="8" fill={CREAM} />
      <ellipse cx="96" cy="156" rx="36" ry="4" fill="#000" opacity=".1" />
      <path d="M52 88h88c0 32-6 66-26 70H78c-20-4-26-38-26-70Z" fill={CREAM} />
      <path d="M118 88h22c0 32-6 66-26 70h-12c14-8 18-40 16-70Z" fill="#e3d3bf" />
      <path d="M52.500 100h87c-.7 9-1.7 17-3.500 25-30 8-52 6-80 0-1.800-8-3-16-3.500-25Z" fill={CLAY} />
      <path d="M118 100h21.500c-.7 9-1.7 17-3.500 25-6 1.600-12 2.800-18 3.600 1-9 1-19 0-28.600Z" fill={CLAY_DARK} />
      <ellipse cx="96" cy="88" rx="44" ry="9" fill="#e3d3bf" />
      <ellipse cx="96" cy="88.5" rx="39" ry="6.5" fill={COFFEE} />
      <path d="M66 87c8-4 20-5 32-4" fill="none" stroke={WOOD} strokeWidth="2.5" strokeLinecap="round" />
    </>
  ),
}

/** The door of the members' corner. */
export function Door({ open }: { open: boolean }) {
  return (
    <svg className="art door" data-plate={open ? "glow" : "sand"} viewBox="0 0 200 200" aria-hidden="true">
      <path d="M54 172V82a46 46 0 0 1 92 0v90Z" fill={open ? "#f3c66b" : WOOD_DARK} />
      {open ? (
        <>
          <path d="M54 172h92l26 20H40Z" fill="#f3c66b" opacity=".35" />
          <path d="M76 172v-40h48v40Z" fill={CLAY_DARK} />
          <path d="M70 128h60v8H70Z" fill={WOOD} />
          <path
            d="M90 112h16c0 9-2 16-6 16h-4c-4 0-6-7-6-16ZM106 115c6-1 6 8-1 8"
            fill={CREAM}
            stroke={CREAM}
            strokeWidth="1"
          />
          <path d="M100 44v24" stroke={WOOD_DARK} strokeWidth="2" />
          <path d="M86 78a14 14 0 0 1 28 0Z" fill={NIGHT} />
          <circle cx="100" cy="79" r="5" fill="#fff4d6" />
          <path d="M54 172V82a46 46 0 0 1 14-33v135Z" fill={WOOD} />
          <circle cx="63" cy="128" r="3" fill={GOLD} />
        </>
      ) : (
        <>
          <path d="M60 172V82a40 40 0 0 1 80 0v90Z" fill={WOOD} />
          <path d="M100 42a40 40 0 0 1 40 40v90h-40Z" fill="#7d5034" />
          <path d="M72 86a28 28 0 0 1 24-28v38H72ZM104 58a28 28 0 0 1 24 28v10h-24Z" fill={NIGHT} opacity=".75" />
          <path d="M72 106h24v52H72ZM104 106h24v52h-24Z" fill="#000" opacity=".14" />
          <circle cx="108" cy="118" r="4.5" fill={GOLD} />
          <path d="M108 122v7" stroke={GOLD} strokeWidth="3" strokeLinecap="round" />
        </>
      )}
      <path d="M36 172h128" stroke={INK} strokeOpacity=".35" strokeWidth="3" strokeLinecap="round" />
    </svg>
  )
}
