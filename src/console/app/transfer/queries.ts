import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import type { ImportFiles, ImportMapping, ImportProgress, Imports, InspectedFile } from "../lib/api.ts"
import { address, answered, ask } from "../lib/client.ts"

const IMPORTS = ["admin", "imports"]
const NEWEST = 50
const RUNNING_MS = 1_000
/** Enough for the first 2,000 rows of most files. */
const BEGINNING = 1 << 20

/** A file that is to be imported: of this computer, or in the server's folder. */
export type Source = { name: string; file: File } | { name: string; stored: true }

/** Fields by their columns or values; undefined for what the server guesses. */
export type Mapping = ImportMapping | undefined

export function useImports(enabled: boolean) {
  return useQuery({
    queryKey: IMPORTS,
    queryFn: async ({ signal }) => (await ask<Imports>(address(IMPORTS, { limit: NEWEST }), { signal })).imports,
    refetchInterval: ({ state }) => (state.data?.some(({ status }) => status === "running") ? RUNNING_MS : false),
    enabled,
  })
}

export function useImport(id: string) {
  return useQuery({
    queryKey: [...IMPORTS, id],
    queryFn: ({ signal }) => ask<ImportProgress>(address([...IMPORTS, id]), { signal }),
    refetchInterval: ({ state }) => (state.data?.status === "running" ? RUNNING_MS : false),
  })
}

export function useImportFiles() {
  return useQuery({
    queryKey: [...IMPORTS, "files"],
    queryFn: ({ signal }) => ask<ImportFiles>(address([...IMPORTS, "files"]), { signal }),
  })
}

export interface RejectedRow {
  line: number | null
  code: string
  message: string
}

/** The first rejected rows of an import. */
export function useReport(id: string, rejected: number) {
  return useQuery({
    queryKey: [...IMPORTS, id, "report", rejected],
    queryFn: async ({ signal }): Promise<RejectedRow[]> => firstRows(await answered(reportOf(id), { signal })),
    enabled: rejected > 0,
    placeholderData: keepPreviousData,
    retry: false,
  })
}

export function reportOf(id: string): string {
  return address([...IMPORTS, id, "report"])
}

const MOST_ROWS = 20

/** The first lines of a report, which may be long: the rest is not read. */
async function firstRows(answer: Response): Promise<RejectedRow[]> {
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ""
  while (reader && text.split("\n").length <= MOST_ROWS) {
    const { done, value } = await reader.read()
    if (done) break
    text += value
  }
  reader?.cancel()
  const lines = text.split("\n").filter((line) => line.endsWith("}"))
  return lines.slice(0, MOST_ROWS).map((line) => JSON.parse(line) as RejectedRow)
}

/** What an import of the file would do; nothing is stored. */
export function useInspection(source: Source, mapping: Mapping) {
  return useQuery({
    queryKey: [...IMPORTS, "inspect", identityOf(source), mapping],
    queryFn: ({ signal }) => {
      const whole = "stored" in source || isParquet(source.name) || source.file.size <= BEGINNING
      const query = { ...queryOf(source, mapping), partial: whole ? undefined : "true" }
      const file = "stored" in source ? undefined : whole ? source.file : source.file.slice(0, BEGINNING)
      return ask<InspectedFile>(address([...IMPORTS, "inspect"], query), { method: "POST", file, signal })
    },
    placeholderData: keepPreviousData,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    retry: false,
  })
}

export function useStartImport() {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: ({ source, mapping }: { source: Source; mapping: Mapping }) =>
      ask<ImportProgress>(address(IMPORTS, queryOf(source, mapping)), {
        method: "POST",
        file: "stored" in source ? undefined : source.file,
      }),
    onSuccess: () => queries.invalidateQueries({ queryKey: IMPORTS, exact: true }),
  })
}

export function useStopImport(id: string) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: () => ask<ImportProgress>(address([...IMPORTS, id]), { method: "DELETE" }),
    onSuccess: () => queries.invalidateQueries({ queryKey: IMPORTS }),
  })
}

function queryOf(source: Source, mapping: Mapping) {
  return {
    name: source.name,
    mapping: mapping && JSON.stringify(mapping),
    stored: "stored" in source ? "true" : undefined,
  }
}

/** Two files of one name are two. */
function identityOf(source: Source): string {
  return "stored" in source ? source.name : `${source.name} ${source.file.size} ${source.file.lastModified}`
}

function isParquet(name: string): boolean {
  return name.toLowerCase().endsWith(".parquet")
}
