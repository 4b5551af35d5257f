/** What an erasure took, table by table. */
import type { Erasure } from "../lib/api.ts"
import { exactCount, words } from "../lib/format.ts"

const KEPT = ["events", "transitions", "exposures"]

export function Counts({ of, will }: { of: Pick<Erasure, "counts" | "kind">; will: boolean }) {
  const anonymous = of.kind === "anonymization"
  const { blanked = 0, ...tables } = of.counts
  const kept = Object.entries(tables).filter(([table, n]) => anonymous && n > 0 && KEPT.includes(table))
  const gone = Object.entries(tables).filter(([table, n]) => n > 0 && !(anonymous && KEPT.includes(table)))
  return (
    <>
      <p>{will ? "These rows go:" : "These rows went:"}</p>
      <Rows of={gone} />
      {anonymous && kept.length > 0 && (
        <>
          <p>{will ? "These stay, with a random id in place of the person:" : "These stayed, with a random id:"}</p>
          <Rows of={kept} />
        </>
      )}
      {blanked > 0 && (
        <p className="mute">
          {exactCount(blanked)} rows of other profiles {will ? "lose" : "lost"} what they said of these.
        </p>
      )}
    </>
  )
}

function Rows({ of }: { of: [string, number][] }) {
  if (of.length === 0) return <p className="mute">None.</p>
  return (
    <dl className="receipt-counts">
      {of.map(([table, n]) => (
        <div key={table}>
          <dt>{words(table)}</dt>
          <dd className="number">{exactCount(n)}</dd>
        </div>
      ))}
    </dl>
  )
}
