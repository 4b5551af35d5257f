/** The parts of a page, one of which is shown: `?tab=` names it. */
import { Link, useSearch } from "@tanstack/react-router"
import "./tabs.css"

/** The tab that the address names, if it is one of these; else the first. */
export function useTab<Tab extends string>(tabs: Record<Tab, string>): Tab {
  const { tab = "" } = useSearch({ strict: false }) as { tab?: string }
  return tab in tabs ? (tab as Tab) : (Object.keys(tabs)[0] as Tab)
}

/** Links to the tabs. The first one is the page without `?tab=`; `kept` are the parameters that all of them keep. */
export function Tabs({ of, kept = [] }: { of: Record<string, string>; kept?: string[] }) {
  const chosen = useTab(of)
  const first = Object.keys(of)[0]
  return (
    <ul className="page-tabs" aria-label="Parts of this page">
      {Object.entries(of).map(([tab, title]) => (
        <li key={tab}>
          <Link
            to="."
            search={(now: Record<string, unknown>) => {
              const stays = Object.fromEntries(kept.map((name) => [name, now[name]]))
              return { ...stays, tab: tab === first ? undefined : tab } as never
            }}
            // Of itself a link is current on every tab: the tab is the whole page.
            activeOptions={{ exact: true, includeSearch: true }}
            aria-current={tab === chosen ? "page" : undefined}
            resetScroll={false}
          >
            {title}
          </Link>
        </li>
      ))}
    </ul>
  )
}
