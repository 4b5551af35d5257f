/** How a sync is, as pages show it. */
import type { SyncHealth } from "../../lib/api.ts"
import { Badge, type Tone } from "../../ui/parts.tsx"
import { type Condition, conditionOf } from "./words.ts"

const TONES: Record<Condition, Tone> = {
  active: "good",
  comparing: "info",
  failing: "warn",
  "ended early": "warn",
  braked: "bad",
  paused: "quiet",
}

export function State({ of }: { of: SyncHealth }) {
  const condition = conditionOf(of)
  return <Badge tone={TONES[condition]}>{condition}</Badge>
}
