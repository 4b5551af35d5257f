/** How a destination is, as pages show it. */
import type { ReactNode } from "react"
import type { DestinationHealth } from "../lib/api.ts"
import { exactCount } from "../lib/format.ts"
import { Badge, type Tone, useNow, When } from "../ui/parts.tsx"
import { type Condition, conditionOf, span } from "./words.ts"

const TONES: Record<Condition, Tone> = {
  active: "good",
  failing: "warn",
  "not answering": "bad",
  paused: "quiet",
  disabled: "bad",
}

export function State({ of }: { of: DestinationHealth }) {
  const condition = conditionOf(of)
  return <Badge tone={TONES[condition]}>{condition}</Badge>
}

/** Why it is as it is, and what happens next; nothing while all is well. */
export function Why({ of }: { of: DestinationHealth }) {
  switch (conditionOf(of)) {
    case "paused":
      return <>{of.reason || "Paused without a reason."} What happens meanwhile waits.</>
    case "disabled":
      return <>{of.reason} What happens meanwhile waits until it is resumed.</>
    case "not answering":
      return (
        <>
          The receiver does not answer. That began <When at={of.failingSince} />. One message is tried{" "}
          <Coming at={of.probeAt} />; when it answers, all that waits is sent at once.
        </>
      )
    case "failing":
      return (
        <>
          Nothing arrives. That began <When at={of.failingSince} />.
          {of.nextAt && (
            <>
              {" "}
              The next attempt comes <When at={of.nextAt} />.
            </>
          )}
        </>
      )
    default:
      return null
  }
}

/** An instant that is expected: when it has come, it is any moment now. */
export function Coming({ at }: { at: string | null }) {
  const now = useNow(1000)
  if (at === null || Date.parse(at) <= now) return <>in a moment</>
  return <When at={at} />
}

/** How far behind: how many, and for how long. */
export function Lag({ of }: { of: DestinationHealth }) {
  if (of.behind === 0) return <>0</>
  return (
    <>
      {exactCount(of.behind)} <span className="mute wide-only">for {span(of.lagSeconds)}</span>
    </>
  )
}

/** A number with what it counts; several stand in a row. */
export function Figure({ title, note, children }: { title: string; note: string; children: ReactNode }) {
  return (
    <div>
      <dt>{title}</dt>
      <dd>{children}</dd>
      <dd className="mute small">{note}</dd>
    </div>
  )
}
