/** What all pages of insights share: the question at the left, its answer at the right, and what can be done with it. */
import { Link } from "@tanstack/react-router"
import { type ReactNode, useRef } from "react"
import { RequestFailed } from "../lib/client.ts"
import { Copyable, Empty, Failed, Page, Waiting } from "../ui/parts.tsx"
import { AsOf } from "./as_of.tsx"
import { AskInWords } from "./ask.tsx"
import "./insights.css"
import "../charts/charts.css"
import { useEvents } from "./builder/registry.ts"
import { Downloads, useDownload } from "./downloads.tsx"
import { PeopleDialog } from "./people/behind.tsx"
import { useAnswer } from "./query/answer.ts"
import type { Asked } from "./query/asked.ts"
import { WithProblems } from "./query/problems.tsx"
import type { Answer, Cell, Kind } from "./query/question.ts"
import { SaveReport } from "./saved/save.tsx"
import { TABS } from "./tabs.ts"

/** On a phone not all tabs have room: the current one is scrolled into sight. */
function showCurrent(tabs: HTMLElement | null): void {
  const current = tabs?.querySelector<HTMLElement>("[aria-current]")
  if (tabs && current) tabs.scrollLeft = current.offsetLeft + current.offsetWidth - tabs.clientWidth
}

/** The title and the tabs of all pages of insights. */
export function InsightsPage({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Page title={title} above="Insights">
      <nav className="kinds" aria-label="Kinds of insights" ref={showCurrent}>
        {TABS.map((tab) => (
          <Link key={tab.path} to={tab.path} activeOptions={{ includeSearch: false }}>
            {tab.title}
          </Link>
        ))}
        <Link to="/insights/saved">Saved</Link>
      </nav>
      {children}
    </Page>
  )
}

/**
 * A page that asks questions of one kind.
 *
 * `ready` is false while the question lacks something that only the person can say; `missing` says what.
 * `titleOf` says which number the dialog of people is about.
 */
export function Workbench<K extends Kind>(props: {
  title: string
  asked: Asked<K> | undefined
  ready: boolean
  missing: string
  builder: ReactNode
  titleOf: (cell: Cell<K>, answer: Answer<K>) => string
  children: (answer: Answer<K>) => ReactNode
}) {
  const { asked } = props
  return (
    <InsightsPage title={props.title}>
      {asked ? <Bench {...props} asked={asked} above={<AskInWords />} /> : <Waiting lines={10} />}
    </InsightsPage>
  )
}

/** The question and its answer, without the title and the tabs of insights. */
export function Bench<K extends Kind>(
  props: Parameters<typeof Workbench<K>>[0] & { asked: Asked<K>; above?: ReactNode },
) {
  const { asked, ready } = props
  const events = useEvents()
  const answer = useAnswer<K>(asked.question, ready)
  const download = useDownload()
  const place = useRef<HTMLElement>(null)
  const data = answer.data
  if (isAway(answer.error)) return <Away problem={answer.error} />
  if (events.data?.events.length === 0) return <NoEvents />
  return (
    <>
      {props.above}
      <WithProblems problem={ready ? answer.error : null} warnings={data?.warnings ?? []}>
        {(rest) => (
          <div className="workbench">
            <section className="builder" aria-label="Question">
              {props.builder}
            </section>
            <section
              className="result"
              aria-label="Answer"
              ref={place}
              aria-busy={(answer.isFetching && !data) || undefined}
            >
              <header className="result-head">
                <AsOf answer={data} fetching={answer.isFetching} stale={answer.isPlaceholderData} />
                <div className="result-actions">
                  <SaveReport asked={asked} disabled={!ready || Boolean(answer.error)} />
                  <Downloads question={asked.question} title={props.title} place={place} download={download} />
                </div>
              </header>
              {download.error && <Failed problem={download.error} />}
              {rest.problem && <Failed problem={rest.problem} retry={() => answer.refetch()} />}
              {rest.warnings.map((warning) => (
                <p key={warning.path + warning.message} className="notice warn" role="status">
                  {warning.message}
                </p>
              ))}
              {!ready && <p className="notice">{props.missing}</p>}
              {data ? (
                <div
                  className="answer"
                  data-stale={answer.error || answer.isPlaceholderData || !ready ? "" : undefined}
                >
                  {props.children(data)}
                </div>
              ) : (
                ready && !answer.error && <Waiting lines={12} />
              )}
            </section>
          </div>
        )}
      </WithProblems>
      {asked.cell && data && (
        <PeopleDialog
          question={asked.question}
          cell={asked.cell}
          title={props.titleOf(asked.cell, data)}
          onClose={() => asked.show(undefined)}
        />
      )}
    </>
  )
}

function isAway(problem: Error | null): problem is RequestFailed {
  return (
    problem instanceof RequestFailed &&
    ["ANALYTICS_MISSING", "ANALYTICS_AWAY", "ANALYTICS_FILLING"].includes(problem.code)
  )
}

/** Without ClickHouse there are no answers; everything else of TinyCDP works. */
export function Away({ problem }: { problem: RequestFailed }) {
  const filling = problem.code === "ANALYTICS_FILLING"
  return (
    <div className="empty" role="status">
      <h2>{filling ? "The events are being copied for analytics" : "Analytics is away"}</h2>
      <p>
        {problem.message} <code>{problem.code}</code>
      </p>
      {problem.code === "ANALYTICS_MISSING" && (
        <>
          <p className="mute">It needs packages of its own. Install them, and start the server again:</p>
          <Copyable text="pip install 'tinycdp[analytics]'" />
        </>
      )}
      {filling && <p className="mute">The answer appears here by itself.</p>}
    </div>
  )
}

function NoEvents() {
  return (
    <Empty
      title="No events yet"
      command={`curl '${location.origin}/v1/track' -H "Authorization: Bearer $WRITE_KEY" -H 'Content-Type: application/json' \\\n     -d '{"userId":"ada","event":"app_open"}'`}
    >
      <p>Insights are answers about events. This sends the first one:</p>
    </Empty>
  )
}
