/** What concerns every page: the database is away, or the server is another than this page was loaded from. */
import { useQuery } from "@tanstack/react-query"
import { useRef } from "react"
import { ask, RequestFailed } from "../lib/client.ts"

const READY_EVERY_MS = 15_000
const VERSION_EVERY_MS = 60_000

export function Banner() {
  const readiness = useQuery({
    queryKey: ["readiness"],
    queryFn: ({ signal }) => ask("/readyz", { signal }),
    refetchInterval: READY_EVERY_MS,
    retry: false,
  })
  const health = useQuery({
    queryKey: ["version"],
    queryFn: ({ signal }) => ask<{ version: string }>("/healthz", { signal }),
    refetchInterval: VERSION_EVERY_MS,
    retry: false,
  })
  const version = health.data?.version
  const loaded = useRef(version)
  loaded.current ??= version
  const away = readiness.error instanceof RequestFailed && readiness.error.code === "DATABASE_AWAY"
  return (
    <div className="banners" role="status">
      {away && (
        <p className="banner">
          <b>The database is away.</b> Flags are decided from memory, marked <code>STALE</code>. Pages show what they
          have until it is back.
        </p>
      )}
      {loaded.current !== version && (
        <p className="banner">
          The server is now version {version}, and this page is of {loaded.current}.
          <button type="button" className="link" onClick={() => location.reload()}>
            Reload
          </button>
        </p>
      )}
    </div>
  )
}
