/** What the SDK finds out by itself about where an event happened. */
import { attempt, inBrowser } from "./core"
import type { Properties } from "./types"
import { VERSION } from "./version"

const LIBRARY = { name: "@tinycdp/sdk", version: VERSION }

/** The page that is open. */
export function pageNow(): Properties {
  const { href, pathname, search } = location
  return { url: href, path: pathname, search, title: document.title, referrer: document.referrer }
}

/** The context of an event that happens now. */
export function contextNow(): Properties {
  if (!inBrowser) return { library: LIBRARY }
  const campaign: Properties = {}
  for (const [name, value] of new URLSearchParams(location.search)) {
    if (name.startsWith("utm_")) campaign[name === "utm_campaign" ? "name" : name.slice(4)] = value
  }
  return {
    library: LIBRARY,
    page: pageNow(),
    locale: navigator.language,
    timezone: attempt(() => Intl.DateTimeFormat().resolvedOptions().timeZone),
    userAgent: navigator.userAgent,
    ...(Object.keys(campaign)[0] && { campaign }),
  }
}
