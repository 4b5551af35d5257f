/** Where a person's bucket lies on a scale of 0 to 100, and what each part of the scale means. */

import { place } from "../explained/reading.ts"
import type { RolloutPosition, RuleBody, RuleExplanation } from "../lib/api.ts"
import { entriesOf } from "../lib/json.ts"
import { WHOLE } from "./split.ts"

interface Part {
  name: string
  from: number
  to: number
  tone: "in" | "out" | number
}

export function Scales({ of, rule }: { of: RuleExplanation; rule: RuleBody | undefined }) {
  const admissions: [string, RolloutPosition | null][] = [
    ["rollout", of.rollout],
    ["exposure", of.exposure],
    [rule?.exclusion ? `group ${rule.exclusion.group}` : "exclusion", of.exclusion],
  ]
  return (
    <>
      {admissions.map(([title, position]) => position && <Admission key={title} title={title} position={position} />)}
      {of.split && <Split position={of.split} split={rule?.split ?? {}} />}
    </>
  )
}

function Admission({ title, position }: { title: string; position: RolloutPosition }) {
  const from = place(position.from ?? 0)
  const to = position.below === null || position.below === undefined ? 100 : place(position.below)
  const at = place(position.bucket)
  const inside = at >= from && at < to
  const parts: Part[] = [
    { name: "outside", from: 0, to: from, tone: "out" },
    { name: "admitted", from, to, tone: "in" },
    { name: "outside", from: to, to: 100, tone: "out" },
  ]
  const range = from > 0 ? `${from} to ${to}` : `below ${to}`
  return <Scale title={title} parts={parts} at={at} says={`${at}, ${inside ? "admitted" : "not admitted"}: ${range}`} />
}

function Split({ position, split }: { position: RolloutPosition; split: Record<string, number> }) {
  let end = 0
  const parts = entriesOf(split).map(([name, weight], index) => {
    const from = end
    end += weight
    return { name, from: (100 * from) / WHOLE, to: (100 * end) / WHOLE, tone: index % 6 }
  })
  const at = place(position.bucket)
  return <Scale title="split" parts={parts} at={at} says={`${at}, which is ${position.variant ?? "no variant"}`} />
}

function Scale({ title, parts, at, says }: { title: string; parts: Part[]; at: number; says: string }) {
  return (
    <div className="scale">
      <p>
        <b>{title}</b> <span className="mute">bucket {says}</span>
      </p>
      <div className="scale-bar" aria-hidden="true">
        {parts
          .filter(({ from, to }) => to > from)
          .map(({ name, from, to, tone }) => (
            <span key={from} style={{ flexGrow: to - from }} data-tone={tone} title={`${name}: ${from} to ${to}`} />
          ))}
        <i style={{ left: `${at}%` }} />
      </div>
      <p className="scale-ends mute" aria-hidden="true">
        <span>0</span>
        <span>100</span>
      </p>
    </div>
  )
}
