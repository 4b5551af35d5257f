import type { TrendAnswer } from "../lib/api.ts"
import { whole } from "../lib/format.ts"
import { useZone } from "../lib/me.ts"
import { Badge, When } from "../ui/parts.tsx"

type Answered = Pick<TrendAnswer, "asOf" | "sampled" | "approximate">

/** Until when the answer is true, and how exact it is. */
export function AsOf(props: { answer: Answered | undefined; fetching: boolean; stale: boolean }) {
  const zone = useZone()
  const { answer } = props
  if (!answer) return <p className="mute">{props.fetching ? "Asking…" : ""}</p>
  return (
    <p className="mute as-of" role="status">
      <span title={answer.asOf && whole(answer.asOf, zone)}>
        {props.stale && props.fetching ? "Asking…" : <>As of {answer.asOf ? <When at={answer.asOf} /> : "now"}</>}
      </span>
      {answer.sampled && <Badge tone="info">estimated from {answer.sampled.share * 100} % of people</Badge>}
      {answer.approximate && <Badge tone="info">approximate, {answer.approximate}</Badge>}
    </p>
  )
}
