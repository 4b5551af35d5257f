/** The two versions that a conflict is about. */
import type { ReactNode } from "react"
import type { Kind } from "../definitions/kinds.ts"
import { useVersions } from "../definitions/queries.ts"
import type { Version } from "../lib/api.ts"
import { Answered, Waiting } from "../ui/parts.tsx"

/** `base` is nothing if it is not kept any more. */
export function Versions(props: {
  kind: Kind
  name: string
  base: number
  version: number
  children: (base: Version | undefined, theirs: Version) => ReactNode
}) {
  const answer = useVersions(props.kind, props.name)
  return (
    <Answered answer={answer} lines={4}>
      {({ versions }) => {
        const of = (version: number) => versions.find((one) => one.version === version)
        const theirs = of(props.version)
        return theirs ? props.children(of(props.base), theirs) : <Waiting lines={4} />
      }}
    </Answered>
  )
}
