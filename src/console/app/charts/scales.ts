/** The arithmetic of charts: where labels go, which ticks have names, which parts of a line are certain. */

/** A bucket of time, as answers have it. */
export interface Span {
  start: string
  end: string
  complete: boolean
}

export type Size = "hour" | "day" | "week" | "month" | "quarter" | "year"

/** Labels at these heights, moved so that none covers another: each at least `gap` from the next, within the bounds. */
export function apart(wanted: number[], gap: number, low: number, high: number): number[] {
  const order = wanted.map((_, index) => index).sort((a, b) => (wanted[a] ?? 0) - (wanted[b] ?? 0))
  const placed = new Array<number>(wanted.length).fill(0)
  let least = low
  for (const index of order) {
    const at = Math.max(wanted[index] ?? 0, least)
    placed[index] = at
    least = at + gap
  }
  let most = high
  for (const index of order.reverse()) {
    const at = Math.min(placed[index] ?? 0, most)
    placed[index] = at
    most = at - gap
  }
  return placed
}

/** A piece of a line between places that have values. */
export interface Run {
  from: number
  to: number
  /** Its last place is not over: it is drawn dashed. */
  open: boolean
}

/**
 * The pieces of a line: what is unknown leaves a gap, and what leads to an unfinished place at the end is open.
 *
 * A first place that the range cuts is not marked so: no line leads to it.
 */
export function runs(values: (number | null)[], complete: boolean[]): Run[] {
  const found: Run[] = []
  let from = -1
  const close = (to: number) => {
    if (from < 0) return
    const openFrom = firstOpen(from, to, complete)
    if (openFrom > to || openFrom - 1 > from) found.push({ from, to: openFrom - 1, open: false })
    if (openFrom <= to) found.push({ from: Math.max(from, openFrom - 1), to, open: true })
    from = -1
  }
  for (const [index, value] of values.entries()) {
    if (value === null) close(index - 1)
    else if (from < 0) from = index
  }
  close(values.length - 1)
  return found
}

function firstOpen(from: number, to: number, complete: boolean[]): number {
  let at = to + 1
  while (at > from + 1 && !complete[at - 1]) at -= 1
  return at > to || complete[at] === false ? at : to + 1
}

/** Which of `n` places have a name under them: evenly, the last one among them, each at least `room` wide. */
export function named(n: number, width: number, room: number): number[] {
  if (n === 0) return []
  const most = Math.max(1, Math.floor(width / room))
  const step = Math.max(1, Math.ceil(n / most))
  const found: number[] = []
  for (let at = n - 1; at >= 0; at -= step) found.unshift(at)
  return found
}

type Parts = Intl.DateTimeFormatOptions

const SHORT: Record<Size, Parts> = {
  hour: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
  day: { day: "numeric", month: "short" },
  week: { day: "numeric", month: "short" },
  month: { month: "short", year: "numeric" },
  quarter: { month: "short", year: "numeric" },
  year: { year: "numeric" },
}
const LONG: Record<Size, Parts> = {
  hour: { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" },
  day: { weekday: "short", day: "numeric", month: "short", year: "numeric" },
  week: { day: "numeric", month: "short", year: "numeric" },
  month: { month: "long", year: "numeric" },
  quarter: { month: "short", year: "numeric" },
  year: { year: "numeric" },
}

/** What a bucket is called under an axis: 23 Nov. */
export function shortName(bucket: Span, size: Size, zone: string): string {
  if (size === "quarter") return quarter(bucket, zone)
  return new Intl.DateTimeFormat("en-GB", { ...SHORT[size], timeZone: zone }).format(Date.parse(bucket.start))
}

/** What a bucket is called where there is room: Mon, 23 Nov 2026; a week says that it is one. */
export function longName(bucket: Span, size: Size, zone: string): string {
  if (size === "quarter") return quarter(bucket, zone)
  const name = new Intl.DateTimeFormat("en-GB", { ...LONG[size], timeZone: zone }).format(Date.parse(bucket.start))
  return size === "week" ? `Week of ${name}` : name
}

function quarter({ start }: Span, zone: string): string {
  const parts = new Intl.DateTimeFormat("en-GB", { month: "numeric", year: "numeric", timeZone: zone })
  const [month = "1", year = ""] = parts.format(Date.parse(start)).split("/")
  return `Q${Math.ceil(Number(month) / 3)} ${year}`
}

/** Where each part of each pile begins and ends; what is below zero hangs down. */
export function stack(series: { values: (number | null)[] }[], buckets: number): [number, number][][] {
  const up = new Array<number>(buckets).fill(0)
  const down = new Array<number>(buckets).fill(0)
  return series.map(({ values }) =>
    Array.from({ length: buckets }, (_, at) => {
      const value = values[at] ?? 0
      const piles = value < 0 ? down : up
      const low = piles[at] ?? 0
      piles[at] = low + value
      return [low, low + value]
    }),
  )
}
