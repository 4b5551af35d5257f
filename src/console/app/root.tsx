/** The root of all addresses; each folder of pages hangs its own under it. */
import { createRootRoute } from "@tanstack/react-router"
import { NotFound, Shell } from "./shell/shell.tsx"

export const root = createRootRoute({ component: Shell, notFoundComponent: NotFound })

/** What follows `?` in an address, as texts. */
export type Search = Record<string, unknown>

/** Those of the named parameters that are given, as texts: an empty one counts as absent. */
export function only<Name extends string>(...names: Name[]): (search: Search) => { [name in Name]?: string } {
  return (search) => {
    const found: { [name in Name]?: string } = {}
    for (const name of names) if (search[name] !== undefined && search[name] !== "") found[name] = String(search[name])
    return found
  }
}
