/** The live feed of a page, for as long as it is shown. */
import { useEffect, useReducer, useState } from "react"
import type { Message } from "../lib/message.ts"
import { useSession } from "../lib/session.ts"
import { type Connection, type Wanted, watchMessages } from "../lib/stream.ts"
import { arrived, EMPTY, type Feed, goOn, hold, show } from "./feed.ts"

type Step = { arrived: Message[] } | "hold" | "show" | "go on" | "empty"

function after(feed: Feed, step: Step): Feed {
  if (step === "empty") return { ...EMPTY, nextId: feed.nextId }
  if (step === "hold") return hold(feed)
  if (step === "show") return show(feed)
  if (step === "go on") return goOn(feed)
  return arrived(feed, step.arrived)
}

export interface Missed {
  from: string
  to: string
  /** Whether all that were stored meanwhile are shown. */
  all: boolean
}

export function useFeed({ event, user, kind, status }: Wanted) {
  const { key } = useSession()
  const [feed, step] = useReducer(after, EMPTY)
  const [connection, setConnection] = useState<Connection>("connecting")
  const [sample, setSample] = useState<{ matched: number; shown: number }>()
  const [missed, setMissed] = useState<Missed>()
  useEffect(() => {
    if (!key) return
    step("empty")
    setSample(undefined)
    setMissed(undefined)
    return watchMessages(
      { event, user, kind, status },
      {
        messages: (found) => step({ arrived: found }),
        connection: setConnection,
        sample: setSample,
        missed: setMissed,
      },
    )
  }, [key, event, user, kind, status])
  return { feed, step, connection, sample, missed }
}
