/** Exports as jobs, and their schedules. */
import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import type {
  ExportBody,
  ExportJob,
  ExportLink,
  ExportList,
  Schedule,
  ScheduleDocument,
  Schedules,
} from "../lib/api.ts"
import { address, ask } from "../lib/client.ts"
import { plural } from "../lib/format.ts"

const JOBS = ["exports"]
const SCHEDULES = ["exports", "schedules"]
const NEWEST = 50
const RUNNING_MS = 1_000
const RESTED_MS = 30_000

export function isGoing(job: ExportJob): boolean {
  return job.status === "waiting" || job.status === "running"
}

export function useExportJobs(before: number | undefined) {
  return useQuery({
    queryKey: [...JOBS, "list", before],
    queryFn: ({ signal }) => ask<ExportList>(address(JOBS, { limit: NEWEST, before }), { signal }),
    refetchInterval: ({ state }) => (state.data?.exports.some(isGoing) ? RUNNING_MS : RESTED_MS),
    placeholderData: keepPreviousData,
  })
}

export function useStartExport() {
  return useChange((body: ExportBody) => ask<ExportJob>(address(JOBS), { method: "POST", body }))
}

/** Cancels an export, or removes its file. */
export function useEndExport() {
  return useChange((id: number) => ask<ExportJob>(address([...JOBS, String(id)]), { method: "DELETE" }))
}

export function useLink() {
  return useMutation({
    mutationFn: ({ id, hours }: { id: number; hours: number }) =>
      ask<ExportLink>(address([...JOBS, String(id), "link"]), { method: "POST", body: { hours } }),
  })
}

export function fileOf(job: ExportJob): string {
  return address([...JOBS, String(job.id), "file"])
}

export function useSchedules() {
  return useQuery({
    queryKey: SCHEDULES,
    queryFn: async ({ signal }) => (await ask<Schedules>(address(SCHEDULES), { signal })).schedules,
    refetchInterval: RESTED_MS,
  })
}

/** Saves a schedule. `version`: the one that is replaced, 0 for a new one */
export function useSaveSchedule() {
  return useChange(({ key, version, document }: { key: string; version: number; document: object }) =>
    ask<Schedule>(address([...SCHEDULES, key]), {
      method: "PUT",
      body: document,
      headers: { "If-Match": `"${version}"` },
    }),
  )
}

export function useDeleteSchedule() {
  return useChange((key: string) => ask(address([...SCHEDULES, key]), { method: "DELETE" }))
}

function useChange<Given, Answer>(change: (given: Given) => Promise<Answer>) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: change,
    onSuccess: () => queries.invalidateQueries({ queryKey: JOBS }),
  })
}

/** What is exported, in words. */
export function contentOf(request: ExportBody | ScheduleDocument): string {
  switch (request.what) {
    case "segment":
      return request.segment ?? ""
    case "profiles":
      return "All profiles"
    case "events": {
      const names = request.events ?? []
      const which =
        names.length === 0 ? "All events" : names.length > 3 ? plural(names.length, "event") : names.join(", ")
      if (request.last) return `${which}, last ${request.last}`
      const { from, to } = "cron" in request ? {} : request
      return which + (from ? ` from ${from}` : "") + (to ? ` to ${to}` : "")
    }
  }
}

const UNITS = ["bytes", "kB", "MB", "GB", "TB"]

/** A size in bytes, as people say it. */
export function sizeInWords(bytes: number): string {
  let [n, unit] = [bytes, 0]
  while (n >= 1000 && unit < UNITS.length - 1) [n, unit] = [n / 1000, unit + 1]
  return `${unit > 0 && n < 10 ? n.toFixed(1) : Math.round(n)} ${UNITS[unit]}`
}
