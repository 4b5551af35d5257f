/**
 * Flags and events in React: `@tinycdp/sdk/react`.
 *
 * @packageDocumentation
 */
import {
  createContext,
  createElement,
  type ReactElement,
  type ReactNode,
  useContext,
  useEffect,
  useSyncExternalStore,
} from "react"
import type { Decision, Decisions, FlagKey, TinyCDP, Tracker, ValueOf } from "./types"

/** What a provider hands down. */
interface Given {
  client: TinyCDP
  bootstrap?: Decisions | undefined
}

const Context = createContext<Given | undefined>(undefined)

/**
 * Makes a client known to the components inside.
 *
 * Make the client outside of React, once: rendering has no effects. `bootstrap` has the answers that the server gave
 * while it rendered the page: the first paint has them, and hydration finds what the server wrote.
 */
export function TinyCDPProvider({ client, bootstrap, children }: Given & { children?: ReactNode }): ReactElement {
  if (bootstrap) client.hydrate(bootstrap)
  return createElement(Context.Provider, { value: { client, bootstrap } }, children)
}

function useGiven(): Given {
  const given = useContext(Context)
  if (!given) throw new Error("Put <TinyCDPProvider client={…}> around this component.")
  return given
}

/** The client of the provider. */
export function useTinyCDP(): TinyCDP {
  return useGiven().client
}

/** The function that tracks an event. */
export function useTrack(): Tracker["track"] {
  return useGiven().client.track
}

/**
 * A flag's value, and each new value while the component is mounted; the fallback without one, or if it has another
 * type. Counts as an exposure when it is shown.
 */
export function useFlag<Key extends FlagKey, Fallback = unknown>(key: Key, fallback: Fallback): ValueOf<Key, Fallback> {
  const { client, bootstrap } = useGiven()
  const shown = (decision?: Decision) => {
    const value = decision?.value ?? fallback
    return fallback != null && typeof value !== typeof fallback ? fallback : value
  }
  const value = useSyncExternalStore(
    client.onChange as (listener: () => void) => () => void,
    () => shown(client.peek(key)),
    () => shown(bootstrap?.[key]),
  )
  // biome-ignore lint/correctness/useExhaustiveDependencies: another value is another exposure
  useEffect(() => void client.flag(key, null), [client, key, value])
  return value as ValueOf<Key, Fallback>
}
