/** How a sync is now, and what it sends. */
import { Link } from "@tanstack/react-router"
import { type ReactNode, useState } from "react"
import type { Sync, SyncHealth } from "../../lib/api.ts"
import { exactCount, plural } from "../../lib/format.ts"
import { written } from "../../lib/json.ts"
import { Answered, Code, Panel, When } from "../../ui/parts.tsx"
import { Coming, Figure } from "../state.tsx"
import type { useSyncHealth } from "./queries.ts"
import { ReleaseDialog } from "./release.tsx"
import { LEAVING, leavingOf, MODES } from "./words.ts"

export function Now({ of, health }: { of: Sync; health: ReturnType<typeof useSyncHealth> }) {
  return (
    <div className="columns">
      <div className="main-column">
        <Panel title="Records">
          <Answered answer={health} lines={8}>
            {(found) => <Health of={found} sync={of} />}
          </Answered>
        </Panel>
      </div>
      <div className="side-column">
        <Panel title="What it sends">
          <Sends of={of.document} />
        </Panel>
      </div>
    </div>
  )
}

function Health({ of, sync }: { of: SyncHealth; sync: Sync }) {
  const [releasing, setReleasing] = useState(false)
  const { counts } = of
  const failed = counts.failed + counts.failedRemovals
  const records = (n: number, state?: string) =>
    n > 0 ? (
      <Link to="." search={{ tab: "records", state } as never}>
        {exactCount(n)}
      </Link>
    ) : (
      "0"
    )
  return (
    <>
      {of.state === "braked" && (
        <div className="notice bad sync-brake" role="status">
          <p>
            The brake holds removals back: {of.reason} Other records go on. If the segment is wrong, mend it: the next
            run takes the removals back.
          </p>
          <button type="button" className="button" onClick={() => setReleasing(true)}>
            Release the brake…
          </button>
        </div>
      )}
      {of.state === "paused" && (
        <div className="notice warn" role="status">
          <p>{of.reason} What changes meanwhile waits.</p>
          <PausedBy sync={sync} />
        </div>
      )}
      {of.state !== "paused" && of.problem && (
        <div className="notice warn" role="status">
          <p>The last run ended early: {of.problem}</p>
        </div>
      )}
      {of.scan && (
        <div className="notice" role="status">
          <p>Everybody is compared: {plural(of.scanned, "person", "people")} so far.</p>
        </div>
      )}
      <dl className="delivery-figures">
        <Figure title="At the receiver" note="acknowledged">
          {exactCount(counts.sent)}
        </Figure>
        <Figure title="Failed" note="each run tries again">
          {records(failed, counts.failedRemovals > 0 ? undefined : "failed")}
        </Figure>
        <Figure title="Waiting" note="another person has the key">
          {records(counts.waiting, "waiting")}
        </Figure>
        <Figure title="Unmatched" note="a match field is missing">
          {records(counts.unmatched, "unmatched")}
        </Figure>
        <Figure title="To remove" note="keys that have to leave">
          {records(counts.removals)}
        </Figure>
      </dl>
      <dl className="pairs">
        <Fact title="Last run">
          <When at={of.ranAt} none="none yet" />
          {of.nextRunAt && of.state !== "paused" && (
            <span className="mute">
              , the next one <Coming at={of.nextRunAt} />
            </span>
          )}
        </Fact>
        <Fact title="Last success">
          <When at={of.lastSuccessAt} none="none yet" />
          <span className="mute">
            , {plural(of.sent, "record")} and {plural(of.removed, "removal")} in all
          </span>
        </Fact>
        <Fact title="Last failure">
          <When at={of.lastFailureAt} none="none" />
          {of.lastFailure && <span className="mute"> {of.lastFailure}</span>}
        </Fact>
        <Fact title="All compared">
          <When at={of.provedAt} none="not yet" />
          {of.provedAt && (
            <span className="mute">
              , {plural(of.proofProfiles, "person", "people")}, of whom {exactCount(of.proofDifferences)} differed
            </span>
          )}
          {of.nextProofAt && (
            <span className="mute">
              {of.provedAt ? ";" : ","} the next time <Coming at={of.nextProofAt} />
            </span>
          )}
        </Fact>
      </dl>
      {releasing && <ReleaseDialog of={sync} onClose={() => setReleasing(false)} />}
    </>
  )
}

function PausedBy({ sync }: { sync: Sync }) {
  const { paused, destination } = sync.document
  if (paused) {
    return (
      <Link className="button" to="." search={{ edit: "yes" } as never}>
        Edit its document
      </Link>
    )
  }
  return (
    <Link className="button" to="/destinations/$name" params={{ name: destination }} search={{}}>
      To the destination
    </Link>
  )
}

function Fact({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div>
      <dt>{title}</dt>
      <dd>{children}</dd>
    </div>
  )
}

function Sends({ of }: { of: Sync["document"] }) {
  const { destination, segment, filter, mode = "upsert", mapping, match, clear = [], requests = {} } = of
  const { brake = 0.2, everySeconds = 60, nightly = "03:00" } = of
  const leaving = leavingOf(of)
  return (
    <dl className="stacked">
      <dt>To</dt>
      <dd>
        <Link to="/destinations/$name" params={{ name: destination }} search={{}}>
          {destination}
        </Link>
      </dd>
      <dt>Whose records</dt>
      <dd>
        {segment ? (
          <>
            members of{" "}
            <Link to="/segments/$name" params={{ name: segment }}>
              {segment}
            </Link>
          </>
        ) : (
          "all people"
        )}
        {filter && (
          <>
            {" "}
            where <Code source={filter} inline />
          </>
        )}
      </dd>
      <dt>Mode</dt>
      <dd>
        {mode} <span className="mute">{MODES[mode]}</span>
      </dd>
      <dt>When a person leaves</dt>
      <dd>
        {leaving} <span className="mute">{LEAVING[leaving]}</span>
        {clear.length > 0 && <span className="mute">: {clear.join(", ")}</span>}
      </dd>
      <dt>Known by</dt>
      <dd>
        {match.map((field, index) => (
          <span key={field}>
            {index > 0 && ", "}
            <code>{field}</code>
          </span>
        ))}
      </dd>
      <dt>Record</dt>
      <dd>
        <Json of={mapping} />
      </dd>
      {Object.keys(requests).length > 0 && (
        <>
          <dt>Requests</dt>
          <dd>
            <Json of={requests} />
          </dd>
        </>
      )}
      <dt>Brake</dt>
      <dd>
        {brake >= 1
          ? "off"
          : `at more than ${Math.round(brake * 100_000) / 1_000} % of the records, and at least 10, removed by a run`}
      </dd>
      <dt>When</dt>
      <dd>
        every {plural(everySeconds, "second")}; everybody is compared at {nightly}
      </dd>
    </dl>
  )
}

function Json({ of }: { of: unknown }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
    <pre className="code" tabIndex={0}>
      {written(of, 2)}
    </pre>
  )
}
