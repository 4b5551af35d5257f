/** What the SDK finds out by itself about where an event happened. */
import { inBrowser } from "./host"
import type { Properties } from "./types"
import { VERSION } from "./version"

const LIBRARY = { name: "@tinycdp/sdk", version: VERSION }

/** The page that is open. */
export function pageNow(): Properties {
  const { href, pathname, search } = location
  const { title, referrer } = document
  return { url: href, path: pathname, search, title, referrer }
}

/** The context of an event that happens now. */
export function contextNow(): Properties {
  if (!inBrowser) return { library: LIBRARY }
  let campaign: Properties | undefined
  for (const [name, value] of new URLSearchParams(location.search)) {
    if (name.startsWith("utm_")) campaign = { ...campaign, [name === "utm_campaign" ? "name" : name.slice(4)]: value }
  }
  return {
    library: LIBRARY,
    page: pageNow(),
    locale: navigator.language,
    timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    userAgent: navigator.userAgent,
    campaign,
  }
}
