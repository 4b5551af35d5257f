/** The live feed of a page, for as long as it is shown. */
import { useEffect, useReducer, useState } from "react"
import type { RequestFailed } from "../lib/client.ts"
import type { Wanted } from "../lib/message.ts"
import { useSession } from "../lib/session.ts"
import { type Connection, type Missed, type Sample, watchMessages } from "../lib/stream.ts"
import { arrived, EMPTY, type Feed, goOn, hold, type Line, show } from "./feed.ts"

type Step = { arrived: Line[] } | "hold" | "show" | "go on" | "empty"

function after(feed: Feed, step: Step): Feed {
  if (step === "empty") return { ...EMPTY, nextId: feed.nextId }
  if (step === "hold") return hold(feed)
  if (step === "show") return show(feed)
  if (step === "go on") return goOn(feed)
  return arrived(feed, step.arrived)
}

export function useFeed({ event, user, kind, status, segment, profileId }: Wanted) {
  const { key } = useSession()
  const [feed, step] = useReducer(after, EMPTY)
  const [connection, setConnection] = useState<Connection>("connecting")
  const [sample, setSample] = useState<Sample>()
  const [missed, setMissed] = useState<Missed>()
  const [refused, setRefused] = useState<RequestFailed>()
  useEffect(() => {
    if (!key) return
    step("empty")
    setSample(undefined)
    setMissed(undefined)
    setRefused(undefined)
    return watchMessages(
      { event, user, kind, status, segment, profileId },
      {
        messages: (found) => step({ arrived: found }),
        transition: (found) => step({ arrived: [found] }),
        connection: setConnection,
        sample: setSample,
        missed: setMissed,
        refused: setRefused,
      },
    )
  }, [key, event, user, kind, status, segment, profileId])
  return { feed, step, connection, sample, missed, refused }
}
