/** What the server has against a question, at the field that it concerns. */
import { createContext, type ReactNode, useContext, useEffect, useId, useMemo, useState } from "react"
import type { Notice } from "../../lib/api.ts"
import { RequestFailed } from "../../lib/client.ts"
import { isAt, messageAt } from "./paths.ts"

interface Problems {
  notices: (Notice & { code?: string })[]
  claim: (path: string) => () => void
}

const Context = createContext<Problems>({ notices: [], claim: () => () => {} })

/**
 * Fields below show what is at their path.
 *
 * Laws: what no field shows is given to `children`: nothing that the server says is lost.
 */
export function WithProblems(props: {
  problem: Error | null
  warnings: Notice[]
  children: (rest: { problem: Error | null; warnings: Notice[] }) => ReactNode
}) {
  const { problem, warnings } = props
  const [claims, setClaims] = useState<string[]>([])
  const failed = problem instanceof RequestFailed && problem.path ? problem : null
  const context = useMemo(
    () => ({
      notices: [...(failed ? [{ path: failed.path, message: failed.message, code: failed.code }] : []), ...warnings],
      claim: (path: string) => {
        setClaims((before) => [...before, path])
        return () => setClaims((before) => before.toSpliced(before.indexOf(path), 1))
      },
    }),
    [failed, warnings],
  )
  const shown = (path: string) => claims.some((field) => isAt(path, field))
  const rest = {
    problem: failed && shown(failed.path) ? null : problem,
    warnings: warnings.filter(({ path }) => !shown(path)),
  }
  return <Context.Provider value={context}>{props.children(rest)}</Context.Provider>
}

export interface FieldProps {
  id: string
  "aria-invalid": boolean
  "aria-describedby": string | undefined
}

/** A labelled control, with what the server says about it. */
export function Field(props: {
  label: string
  /** Where the question has it: `series[0].where`. */
  path: string
  quiet?: boolean
  children: (props: FieldProps) => ReactNode
}) {
  const id = useId()
  const { notices, claim } = useContext(Context)
  const { path } = props
  // biome-ignore lint/correctness/useExhaustiveDependencies: what claims a path does not change with what is there
  useEffect(() => claim(path), [path])
  const own = notices.filter((notice) => isAt(notice.path, path))
  const invalid = own.some(({ code }) => code !== undefined)
  return (
    <div className="q-field">
      <label htmlFor={id} className={props.quiet ? "hidden" : undefined}>
        {props.label}
      </label>
      {props.children({ id, "aria-invalid": invalid, "aria-describedby": own.length ? `${id}-note` : undefined })}
      {own.length > 0 && (
        <div id={`${id}-note`} className={invalid ? "q-note bad" : "q-note"} role={invalid ? "alert" : "status"}>
          {own.map((notice) => (
            <p key={notice.message}>
              {messageAt(notice)} {notice.code && <code>{notice.code}</code>}
            </p>
          ))}
        </div>
      )}
    </div>
  )
}
