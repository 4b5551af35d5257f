/** A span of days, as the address has it: `?from=2026-11-01&to=2026-11-30`, both included. */
import { useNavigate, useSearch } from "@tanstack/react-router"
import { useZone } from "../lib/me.ts"
import { instantOf } from "../lib/zone.ts"

const DAY_MS = 86_400_000

export type Wanted = Record<string, string | undefined>

/** Parameters of the address, and what changes some of them. */
export function useWanted(): [Wanted, (change: Wanted) => void] {
  const wanted = useSearch({ strict: false }) as Wanted
  const navigate = useNavigate()
  const want = (change: Wanted) =>
    void navigate({
      to: ".",
      search: (now: Record<string, unknown>) => {
        const next = { ...now, ...change }
        return Object.fromEntries(Object.entries(next).filter(([, text]) => text)) as never
      },
      replace: true,
      resetScroll: false,
    })
  return [wanted, want]
}

/** The instants at which the span begins and ends, exclusive, in the zone; empty where it is open. */
export function useSpan({ from = "", to = "" }: Wanted): { from: string; to: string } {
  const zone = useZone()
  return {
    from: isDay(from) ? instantOf(`${from}T00:00`, zone) : "",
    to: isDay(to) ? instantOf(`${dayAfter(to)}T00:00`, zone) : "",
  }
}

function isDay(text: string): boolean {
  return /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text))
}

function dayAfter(day: string): string {
  return new Date(Date.parse(day) + DAY_MS).toISOString().slice(0, 10)
}

export function SpanFields({ wanted, want }: { wanted: Wanted; want: (change: Wanted) => void }) {
  const zone = useZone()
  return (
    <>
      {(["from", "to"] as const).map((end) => (
        <label key={end}>
          <span>{end}</span>
          <input
            className="field"
            type="date"
            title={`In the zone ${zone}`}
            value={wanted[end] ?? ""}
            onChange={(event) => want({ [end]: event.target.value })}
          />
        </label>
      ))}
    </>
  )
}
