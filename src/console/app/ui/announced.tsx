/** What an action did, on the page that it leads to, until it is dismissed. */
import { type ReactNode, useSyncExternalStore } from "react"

/** The page that says it, and what it says. */
interface Announced {
  place: string
  text: ReactNode
}

let last: Announced | null = null
const listeners = new Set<() => void>()

function become(next: Announced | null): void {
  last = next
  for (const listener of listeners) listener()
}

/** Say what was done on the page of this place. What was said before is gone. */
export function announce(place: string, text: ReactNode): void {
  become({ place, text })
}

/** Say it no more: another person may sit here, or look at another environment. */
export function forgetAnnouncement(): void {
  if (last) become(null)
}

/** What was said for this place. */
export function Announcement({ place }: { place: string }) {
  const said = useSyncExternalStore(
    (changed) => {
      listeners.add(changed)
      return () => listeners.delete(changed)
    },
    () => last,
  )
  if (said?.place !== place) return null
  return (
    <div className="notice" role="status" aria-label="Done">
      <div>{said.text}</div>
      <button type="button" className="link" onClick={() => become(null)}>
        Dismiss
      </button>
    </div>
  )
}
