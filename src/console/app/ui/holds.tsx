/** A value that holds until an instant. From then until the next answer it is dimmed, and said to be computed. */
import { type ReactNode, useEffect, useState } from "react"
import { isOver, LONGEST_MS } from "../lib/until.ts"
import { Badge } from "./parts.tsx"

export function Holds({ until, children }: { until: string | null; children: ReactNode }) {
  if (!useOver(until)) return children
  return (
    <>
      <span className="over">{children}</span> <Badge tone="info">being computed</Badge>
    </>
  )
}

function useOver(until: string | null): boolean {
  const [now, setNow] = useState(Date.now)
  const over = isOver(until, now)
  // biome-ignore lint/correctness/useExhaustiveDependencies: a wait is cut at its longest, and begins again
  useEffect(() => {
    if (until === null || over) return
    const left = Math.max(0, Date.parse(until) - Date.now()) + 1
    const timer = setTimeout(() => setNow(Date.now()), Math.min(LONGEST_MS, left))
    return () => clearTimeout(timer)
  }, [until, over, now])
  return over
}
