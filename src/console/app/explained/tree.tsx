/** The evaluator's tree: each part with its value, until when it holds, and what decides. */
import { Check, CircleHelp, Minus, X } from "lucide-react"
import type { ExpressionNode, WindowContents } from "../lib/api.ts"
import { plural } from "../lib/format.ts"
import { Badge, Code, Value, When } from "../ui/parts.tsx"
import "./explained.css"
import { type Row, rowOf, type Truth } from "./reading.ts"

const MARKS = { yes: Check, no: X, unknown: CircleHelp }
const WORDS = { yes: "true", no: "false", unknown: "unknown" }
const JOINED = { all: "all of", any: "any of" }

export function Mark({ truth }: { truth: Truth | null }) {
  const Icon = truth ? MARKS[truth] : Minus
  return (
    <span className={`mark ${truth ?? "none"}`} title={truth ? WORDS[truth] : undefined}>
      <Icon aria-hidden="true" />
      {truth && <span className="hidden">{WORDS[truth]}: </span>}
    </span>
  )
}

export function Tree({ of }: { of: ExpressionNode }) {
  return (
    <ul className="tree">
      <Branch row={rowOf(of)} />
    </ul>
  )
}

function Branch({ row }: { row: Row }) {
  const { node } = row
  return (
    <li data-idle={row.idle || undefined}>
      <div className="node">
        <Mark truth={row.truth} />
        <span className="node-text">
          {row.joins ? <b>{JOINED[row.joins]}</b> : <Code inline source={row.source} />}
          {row.decides && <Badge tone="info">decides</Badge>}
          {node.backfilling && <Badge tone="info">computing</Badge>}
        </span>
        <span className="node-value">
          {row.is !== undefined ? (
            <>
              <span className="mute">is </span>
              <Value of={row.is} />
            </>
          ) : (
            row.truth === null && <Value of={row.value} />
          )}
        </span>
        <span className="node-until">
          {node.until !== null && (
            <>
              <span className="mute">until </span>
              <When at={node.until} />
            </>
          )}
        </span>
      </div>
      {node.window && <Window of={node.window} />}
      {node.inside && (
        <details className="inside">
          <summary>{node.inside.sentence}</summary>
          <Tree of={node.inside.tree} />
        </details>
      )}
      {row.parts.length > 0 && (
        <ul className="tree">
          {row.parts.map((part) => (
            <Branch key={`${part.node.start} ${part.node.end} ${part.source}`} row={part} />
          ))}
        </ul>
      )}
    </li>
  )
}

function Window({ of }: { of: WindowContents }) {
  if (of.events === 0) return <p className="window mute">No event in its window.</p>
  return (
    <p className="window mute">
      {of.events === null ? "Events" : plural(of.events, "event")} in its window
      {of.oldestAt !== null && (
        <>
          , the oldest <When at={of.oldestAt} />
        </>
      )}
      {of.leavesAt !== null && (
        <>
          {of.exact ? "; the first leaves " : "; the first leaves about "}
          <When at={of.leavesAt} />
        </>
      )}
      .
    </p>
  )
}
