/** What people do one after another: ribbons between labels, and the same as a list. */
import type { PathsAnswer } from "../../lib/api.ts"
import { count, exactCount } from "../../lib/format.ts"
import { Behind, type OpenPeople } from "../behind.tsx"
import { percent } from "../figures.ts"
import type { Question } from "../query/question.ts"
import { cellOf, linkName, type Node, outline, sankeyOf, titleOf } from "./shape.ts"

const SIZE = { columnWidth: 210, fullest: 320, nodeWidth: 10, gap: 26, least: 3 }
/** Above a node stand its name and number. */
const ABOVE = 18
const LONGEST_NAME = 24

interface Shown {
  question: Question<"paths">
  answer: PathsAnswer
  open?: OpenPeople<"paths">
}

/** The answer as a drawing, with what it is of: on its page and on a dashboard. */
export function PathsView({ question, answer, open }: Shown) {
  const { start, end } = question
  if (answer.links.length === 0) return <p className="mute nothing">No session in this range has such a path.</p>
  return (
    <>
      <p className="lead">
        <b>
          <Behind
            n={answer.sessions}
            cell={{ kind: "paths" }}
            title={titleOf({ kind: "paths" }, Boolean(end))}
            open={open}
          />{" "}
          {answer.sessions === 1 ? "path" : "paths"}
        </b>
        {end ? ` that led to ${end}` : start ? ` from ${start}` : ", each from the start of a session"}
      </p>
      <Sankey answer={answer} backwards={Boolean(end)} open={open} />
    </>
  )
}

function Sankey({ answer, backwards, open }: Omit<Shown, "question"> & { backwards: boolean }) {
  const drawn = sankeyOf(answer.links, backwards, SIZE)
  const width = (drawn.columns - 1) * SIZE.columnWidth + SIZE.nodeWidth + 150
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
    <section className="table-frame sankey-frame" aria-label="Paths as a drawing" tabIndex={0}>
      <svg
        className="chart sankey"
        width={width}
        height={drawn.height + ABOVE + 8}
        role="img"
        aria-label={`${exactCount(answer.sessions)} paths. The list has every link with its number.`}
      >
        <g transform={`translate(0,${ABOVE})`}>
          {drawn.ribbons.map((ribbon) => (
            // biome-ignore lint/a11y/noStaticElementInteractions: the list has the same as buttons
            <path
              key={`${ribbon.link.step} ${ribbon.link.source} ${ribbon.link.target} ${ribbon.link.other}`}
              className="ribbon"
              data-kind={ribbon.target.kind}
              data-pick={open ? "" : undefined}
              d={outline(ribbon, SIZE.nodeWidth)}
              onClick={() => open?.(cellOf(ribbon.link))}
            >
              <title>{`${titleOf(cellOf(ribbon.link), backwards)}: ${exactCount(ribbon.link.sessions)} sessions`}</title>
            </path>
          ))}
          {drawn.nodes.map((node) => (
            <g key={`${node.column} ${node.kind} ${node.label}`} className="node" data-kind={node.kind}>
              <rect x={node.x} y={node.y} width={SIZE.nodeWidth} height={node.height} rx={1} />
              <text x={node.x} y={node.y - 5}>
                {shortened(nameOf(node, backwards))} <tspan className="figure">{count(node.sessions)}</tspan>
                <title>{nameOf(node, backwards)}</title>
              </text>
            </g>
          ))}
        </g>
      </svg>
    </section>
  )
}

function nameOf(node: Node, backwards: boolean): string {
  if (node.kind === "other") return "others"
  if (node.kind === "end") return backwards ? "start of session" : "end of session"
  return node.label
}

function shortened(name: string): string {
  return name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name
}

/** Every link, by step, the most taken first. */
export function LinkList({ question, answer, open }: Shown) {
  const backwards = Boolean(question.end)
  const steps = [...new Set(answer.links.map(({ step }) => step))].sort((a, b) => a - b)
  return (
    <div className="links">
      {steps.map((step) => (
        <table key={step}>
          <caption>{backwards ? `${step} before the end` : `Step ${step} to ${step + 1}`}</caption>
          <thead>
            <tr>
              <th scope="col">From and to</th>
              <th scope="col" className="end">
                Sessions
              </th>
              <th scope="col" className="end">
                Of all paths
              </th>
            </tr>
          </thead>
          <tbody>
            {answer.links
              .filter((link) => link.step === step && link.sessions > 0)
              .map((link) => (
                <tr key={`${link.source} ${link.target} ${link.other}`}>
                  <td className={link.other || link.target === null ? "mute break" : "break"}>
                    {linkName(link, backwards)}
                  </td>
                  <td className="end">
                    <Behind
                      n={link.sessions}
                      cell={cellOf(link)}
                      title={titleOf(cellOf(link), backwards)}
                      open={open}
                    />
                  </td>
                  <td className="end mute">{percent(answer.sessions ? link.sessions / answer.sessions : null)}</td>
                </tr>
              ))}
          </tbody>
        </table>
      ))}
    </div>
  )
}
