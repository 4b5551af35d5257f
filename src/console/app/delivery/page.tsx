/** A destination: how it is, what it got, what it did not get, a message to try, and how it came to be. */
import { Link } from "@tanstack/react-router"
import { lazy, useState } from "react"
import type { Destination, DestinationHealth } from "../lib/api.ts"
import { count, plural } from "../lib/format.ts"
import { Announcement } from "../ui/announced.tsx"
import { Answered, Page } from "../ui/parts.tsx"
import { Tabs, useTab } from "../ui/tabs.tsx"
import "./delivery.css"
import { KindPage } from "./frames.tsx"
import { DESTINATION } from "./kinds.ts"
import { Log } from "./messages/log.tsx"
import { ReplayDialog } from "./messages/replay.tsx"
import { Tester } from "./messages/tester.tsx"
import { UndeliveredOf } from "./messages/undelivered.tsx"
import { Now } from "./now.tsx"
import { PauseDialog, ResumeButton } from "./pause.tsx"
import { useHealth, useSaved } from "./queries.ts"
import { State } from "./state.tsx"
import { VersionsOf } from "./versions.tsx"

const EditDestination = lazy(async () => ({ default: (await import("./form/edit.tsx")).EditDestination }))

export function DestinationPage() {
  return <KindPage of={DESTINATION} edit={EditDestination} read={ReadDestination} />
}

function ReadDestination({ name, onEdit }: { name: string; onEdit: () => void }) {
  const answer = useSaved<Destination>(DESTINATION, name)
  const health = useHealth(name)
  const of = answer.data
  return (
    <Page
      title={of?.name ?? name}
      above={<Link to="/destinations">Destinations</Link>}
      lead={of?.description}
      aside={
        of && (
          <div className="facts">
            {health.data && <State of={health.data} />}
            <span className="mute">version {of.version}</span>
            {health.data && <Actions of={of} health={health.data} />}
            <button type="button" className="button" onClick={onEdit}>
              Edit <kbd>E</kbd>
            </button>
          </div>
        )
      }
    >
      <Announcement place={`destination ${name}`} />
      <Answered answer={answer} lines={8}>
        {(found) => <Content of={found} health={health} />}
      </Answered>
    </Page>
  )
}

function Actions({ of, health }: { of: Destination; health: DestinationHealth }) {
  const [open, setOpen] = useState<"pause" | "replay">()
  const close = () => setOpen(undefined)
  return (
    <>
      {health.state === "active" ? (
        <button type="button" className="button" onClick={() => setOpen("pause")}>
          Pause…
        </button>
      ) : (
        <ResumeButton of={of} />
      )}
      <button type="button" className="button" onClick={() => setOpen("replay")}>
        Replay…
      </button>
      {open === "pause" && <PauseDialog of={of} onClose={close} />}
      {open === "replay" && <ReplayDialog of={of} undelivered={health.undelivered} onClose={close} />}
    </>
  )
}

function Content({ of, health }: { of: Destination; health: ReturnType<typeof useHealth> }) {
  const undelivered = health.data?.undelivered ?? 0
  const tabs = {
    now: "Now",
    deliveries: "Deliveries",
    undelivered: undelivered > 0 ? `Undelivered (${count(undelivered)})` : "Undelivered",
    test: "Test",
    versions: "Versions",
  }
  const shown = useTab(tabs)
  return (
    <>
      <Tabs of={tabs} />
      {shown === "now" && <Now of={of} health={health} />}
      {shown === "deliveries" && <Log of={of} />}
      {shown === "undelivered" && <UndeliveredOf of={of} />}
      {shown === "test" && <Tester of={of} />}
      {shown === "versions" && (
        <VersionsOf
          kind={DESTINATION}
          of={of}
          kept="Its place in the log, what waits and its secrets stay."
          lost={lostWith(health.data)}
          after="Its versions stay: restoring one brings it back, with a new place in the log."
        />
      )}
    </>
  )
}

/** What is deleted with a destination. */
function lostWith(health: DestinationHealth | undefined): string[] {
  const { behind = 0, waiting = 0, undelivered = 0 } = health ?? {}
  return [
    behind > 0 ? `up to ${plural(behind, "message")} that it has not reached` : "",
    waiting > 0 ? `${plural(waiting, "message")} that ${waiting === 1 ? "waits" : "wait"}` : "",
    undelivered > 0 ? plural(undelivered, "undelivered message") : "",
    "its log of attempts",
    "its secrets",
  ].filter(Boolean)
}
