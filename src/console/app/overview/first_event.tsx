import { useQueryClient } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { useEffect, useState } from "react"
import { ask } from "../lib/client.ts"
import { useMay } from "../lib/me.ts"
import type { Message } from "../lib/message.ts"
import { useSession } from "../lib/session.ts"
import { watchMessages } from "../lib/stream.ts"
import { titleOf, whoOf } from "../live/message.ts"
import { Copyable, Failed, Page } from "../ui/parts.tsx"

/** What an environment without an event shows: how to send the first one, which lights up when it arrives. */
export function FirstEvent({ go }: { go: () => void }) {
  const { key } = useSession()
  const [arrived, setArrived] = useState<Message>()
  const [refused, setRefused] = useState<Message>()
  const queries = useQueryClient()
  useEffect(() => {
    if (!key) return
    return watchMessages(
      {},
      {
        messages: (found) => {
          setArrived((first) => first ?? found.find(({ status }) => status !== "rejected"))
          setRefused(found.findLast(({ status }) => status === "rejected"))
        },
        connection: () => {},
        sample: () => {},
        missed: () => {},
      },
    )
  }, [key])

  function show(): void {
    queries.invalidateQueries({ queryKey: ["overview"] })
    go()
  }

  return (
    <Page title="Overview" lead="This environment has no events yet. Send the first one.">
      <ol className="first-steps">
        <li>
          <h2>From a terminal</h2>
          <Copyable
            text={`curl '${location.origin}/v1/track' -H "Authorization: Bearer $WRITE_KEY" \\\n     -H 'Content-Type: application/json' -d '{"userId":"ada","event":"app_open"}'`}
          />
        </li>
        <li>
          <h2>From a page or Node</h2>
          <Copyable
            text={`import { initTinyCDP } from "@tinycdp/sdk"\n\nconst tinycdp = initTinyCDP({\n  endpoint: "${location.origin}",\n  writeKey: WRITE_KEY,\n  readKey: READ_KEY,\n})\ntinycdp.identify("ada")\ntinycdp.track("app_open")`}
          />
        </li>
        <SendOne />
      </ol>
      <div role="status" className="first-arrival" data-arrived={arrived ? "" : undefined}>
        {arrived ? (
          <>
            <h2>It arrived</h2>
            <p>
              <b>{titleOf(arrived)}</b> of{" "}
              <Link to="/users/$id" params={{ id: arrived.profileId ?? "" }} search={{ by: "profileId" }}>
                {whoOf(arrived)}
              </Link>{" "}
              is stored. All that follow are under <Link to="/live">Live</Link>.
            </p>
            <button type="button" className="button primary" onClick={show}>
              Show the overview
            </button>
          </>
        ) : (
          <>
            <h2>Waiting for the first event…</h2>
            {refused?.rejection ? (
              <p>
                One was refused: {refused.rejection.message} <code>{refused.rejection.code}</code>
              </p>
            ) : (
              <p className="mute">It is shown here as soon as it arrives.</p>
            )}
          </>
        )}
      </div>
    </Page>
  )
}

function SendOne() {
  const may = useMay("write")
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Error>()
  if (!may) return null

  async function send(): Promise<void> {
    setBusy(true)
    setProblem(undefined)
    try {
      await ask("/v1/track", { method: "POST", body: { userId: "ada", event: "app_open" } })
    } catch (failed) {
      setProblem(failed as Error)
    }
    setBusy(false)
  }

  return (
    <li>
      <h2>From here</h2>
      <p className="mute">
        One event, <code>app_open</code> of <code>ada</code>, with the key of this tab.
      </p>
      <button type="button" className="button" disabled={busy} onClick={send}>
        Send a test event
      </button>
      {problem && <Failed problem={problem} />}
    </li>
  )
}
