/** The kinds of definitions that deliver, with their addresses: what all pages of both have needs these alone. */

export interface DeliveryKind {
  kind: "destination" | "sync"
  title: "Destinations" | "Syncs"
  /** Below /v1. */
  path: "destinations" | "syncs"
  list: "/destinations" | "/syncs"
  one: "/destinations/$name" | "/syncs/$name"
}

export const DESTINATION: DeliveryKind = {
  kind: "destination",
  title: "Destinations",
  path: "destinations",
  list: "/destinations",
  one: "/destinations/$name",
}

export const SYNC: DeliveryKind = {
  kind: "sync",
  title: "Syncs",
  path: "syncs",
  list: "/syncs",
  one: "/syncs/$name",
}
