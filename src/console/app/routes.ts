/** The addresses of the console. Whatever is looked at is in them, so a link shows the same to another person. */
import { createRouter } from "@tanstack/react-router"
import { access } from "./access/routes.ts"
import { audit } from "./audit/routes.ts"
import { changes } from "./changes/routes.ts"
import { dashboards } from "./dashboards/routes.ts"
import { definitions } from "./definitions/routes.tsx"
import { delivery } from "./delivery/routes.ts"
import { experiments } from "./experiments/routes.ts"
import { flags } from "./flags/routes.ts"
import { groups } from "./groups/routes.ts"
import { identity } from "./identity/routes.ts"
import { insights } from "./insights/routes.ts"
import { live } from "./live/routes.ts"
import { overview } from "./overview/routes.ts"
import { people } from "./people/routes.ts"
import { privacy } from "./privacy/routes.ts"
import { quality } from "./quality/routes.ts"
import { registry } from "./registry/routes.ts"
import { root } from "./root.tsx"
import { settings } from "./settings/routes.ts"
import { transfer } from "./transfer/routes.ts"

export const router = createRouter({
  routeTree: root.addChildren([
    ...overview,
    ...live,
    ...people,
    ...groups,
    ...identity,
    ...privacy,
    ...definitions,
    ...changes,
    ...insights,
    ...experiments,
    ...dashboards,
    ...registry,
    ...quality,
    ...transfer,
    ...delivery,
    ...access,
    ...settings,
    ...audit,
    ...flags,
  ]),
  defaultPreload: false,
  scrollRestoration: true,
  // `?q=12` is the text 12, not a number: what a person typed stays as it is.
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: (search) => {
    const given = Object.entries(search).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, String(value)]],
    )
    const text = new URLSearchParams(given).toString()
    return text && `?${text}`
  },
})
