/** How a destination is now, with what it gets and what signs for it. */
import { Link } from "@tanstack/react-router"
import type { Destination, DestinationHealth } from "../lib/api.ts"
import { exactCount } from "../lib/format.ts"
import { written } from "../lib/json.ts"
import { Answered, Panel, When } from "../ui/parts.tsx"
import type { FromVariable } from "./form/document.ts"
import type { useHealth } from "./queries.ts"
import { SecretsPanel } from "./secrets.tsx"
import { Figure, Lag, Why } from "./state.tsx"
import { SyncsOf } from "./syncs/of_destination.tsx"
import { addressOf, BATCHED, conditionOf, KINDS, SYNCED, TYPES, typeOf } from "./words.ts"

export function Now({ of, health }: { of: Destination; health: ReturnType<typeof useHealth> }) {
  return (
    <div className="columns">
      <div className="main-column">
        <Panel title="Delivery">
          <Answered answer={health} lines={8}>
            {(found) => <Health of={found} />}
          </Answered>
        </Panel>
      </div>
      <div className="side-column">
        <Panel title="What it gets">
          <Gets of={of.document} />
        </Panel>
        {SYNCED.includes(typeOf(of.document)) && <SyncsOf destination={of.key} />}
        {typeOf(of.document) === "webhook" && <SecretsPanel of={of} />}
      </div>
    </div>
  )
}

function Health({ of }: { of: DestinationHealth }) {
  const condition = conditionOf(of)
  const trouble = condition === "disabled" || condition === "not answering"
  return (
    <>
      {condition !== "active" && (
        <div className={trouble ? "notice bad" : "notice warn"} role="status">
          <p>
            <Why of={of} />
          </p>
        </div>
      )}
      {of.lapsedAt && (
        <div className="notice warn" role="status">
          <p>
            No worker ran for long: what happened before <When at={of.lapsedAt} /> was lost in part.
          </p>
        </div>
      )}
      <dl className="delivery-figures">
        <Figure title="Behind" note="of what happened, wanted or not">
          <Lag of={of} />
        </Figure>
        <Figure title="Waiting" note="after a failure, or behind one of the same person">
          {exactCount(of.waiting)}
        </Figure>
        <Figure title="Undelivered" note="given up after ten attempts">
          {of.undelivered > 0 ? (
            <Link to="." search={{ tab: "undelivered" } as never}>
              {exactCount(of.undelivered)}
            </Link>
          ) : (
            "0"
          )}
        </Figure>
        <Figure title="Delivered" note="since it exists">
          {exactCount(of.delivered)}
        </Figure>
        <Figure title="Failed attempts" note="since it exists">
          {exactCount(of.failed)}
        </Figure>
      </dl>
      <dl className="pairs">
        <div>
          <dt>Last success</dt>
          <dd>
            <When at={of.lastSuccessAt} none="none yet" />
          </dd>
        </div>
        <div>
          <dt>Last failure</dt>
          <dd>
            <When at={of.lastFailureAt} none="none" />
            {of.lastFailure && <span className="mute"> {of.lastFailure}</span>}
          </dd>
        </div>
        {of.nextAt && of.probeAt === null && (
          <div>
            <dt>Next attempt</dt>
            <dd>
              <When at={of.nextAt} />
            </dd>
          </div>
        )}
      </dl>
    </>
  )
}

/** Fields that have a line of their own, or stand elsewhere on the page. */
const SHOWN = [
  "type",
  "name",
  "description",
  "key",
  "url",
  "events",
  "segments",
  "headers",
  "rate",
  "concurrency",
  "paused",
]

function Gets({ of }: { of: Record<string, unknown> }) {
  const type = typeOf(of)
  const events = textsOf(of.events)
  const segments = textsOf(of.segments)
  const headers = Object.entries((of.headers ?? {}) as Record<string, string | FromVariable>)
  const others = Object.entries(of).filter(([name, value]) => !SHOWN.includes(name) && !isEmpty(value))
  return (
    <dl className="stacked">
      <dt>{KINDS[type] ?? type}</dt>
      <dd className="break">{addressOf(of) || <span className="mute">see its document</span>}</dd>
      <dt>When</dt>
      <dd>
        {events.length === 0 && <span className="mute">nothing but records of syncs</span>}
        <ul className="plain-list">
          {events.map((event) => (
            <li key={event} title={TYPES[event]}>
              <code>{event}</code>
            </li>
          ))}
        </ul>
      </dd>
      {events.some((event) => event.startsWith("segment.")) && (
        <>
          <dt>Of the segments</dt>
          <dd>
            {segments.length === 0
              ? "all"
              : segments.map((segment, index) => (
                  <span key={segment}>
                    {index > 0 && ", "}
                    <Link to="/segments/$name" params={{ name: segment }}>
                      {segment}
                    </Link>
                  </span>
                ))}
          </dd>
        </>
      )}
      {headers.length > 0 && (
        <>
          <dt>Headers</dt>
          <dd>
            <ul className="plain-list">
              {headers.map(([name, value]) => (
                <li key={name} className="break">
                  <code>{name}</code>{" "}
                  <span className="mute">
                    {typeof value === "string" ? value : `${value.prefix ?? ""}from ${value.env}`}
                  </span>
                </li>
              ))}
            </ul>
          </dd>
        </>
      )}
      {others.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            {typeof value === "object" ? (
              // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
              <pre className="code" tabIndex={0}>
                {written(value, 2)}
              </pre>
            ) : (
              <span className="break">{String(value)}</span>
            )}
          </dd>
        </div>
      ))}
      <dt>How fast</dt>
      <dd>{paceOf(of)}</dd>
    </dl>
  )
}

function isEmpty(value: unknown): boolean {
  return value === null || value === "" || (typeof value === "object" && Object.keys(value).length === 0)
}

function textsOf(given: unknown): string[] {
  return Array.isArray(given) ? given.filter((one) => typeof one === "string") : []
}

function paceOf(of: Record<string, unknown>): string {
  if (BATCHED.includes(typeOf(of))) return "in batches, in order"
  const { rate, concurrency } = of
  const most = typeof concurrency === "number" ? concurrency : 8
  const atOnce = most === 1 ? "one at a time" : `up to ${most} at once`
  return typeof rate === "number" && rate > 0 ? `up to ${exactCount(rate)} a second, ${atOnce}` : atOnce
}
