/** "What TinyCDP knows": at the right of the shop, a sheet on phones. */
import { type ReactNode, useEffect, useRef } from "react"
import { clock, countdown, exact, shown } from "../format.ts"
import { go, useSecondsUntil, useShop, useShopState } from "../hooks.ts"
import { type Entry, type Kind, type Known, type KnownFlag, membership } from "../knowledge.ts"

/** What the shop moves by itself. All else is folded until it has moved. */
const OF_THE_SHOP = new Set([
  "trait products_seen",
  "trait favourite_category",
  "trait cart_open",
  "trait orders_90d",
  "trait revenue_90d",
  "segment demo_hot",
  "segment newcomers",
  "flag demo_discount",
  "flag members_area",
])
const LIT_MS = 1_600

export function Panel({ open, onToggle }: { open: boolean; onToggle: () => void }) {
  const shop = useShop()
  const { id, known, journal, trouble } = useShopState()
  const hot = known?.segments.find(({ key }) => key === "demo_hot")
  return (
    <aside className="panel" aria-label="What TinyCDP knows" data-open={open || undefined}>
      <button type="button" className="handle" aria-expanded={open} aria-controls="knows" onClick={onToggle}>
        <span>What TinyCDP knows</span>
        <span className="summary">
          {hot?.value === true ? (
            <>
              demo_hot <Until until={hot.until} />
            </>
          ) : (
            `${journal.length} ${journal.length === 1 ? "event" : "events"}`
          )}
        </span>
        <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
          <path d="m3 10 5-5 5 5" fill="none" stroke="currentColor" strokeWidth="1.6" strokeLinecap="round" />
        </svg>
      </button>
      <div className="knows" id="knows">
        <header>
          <div>
            <h2>What TinyCDP knows</h2>
            {/* Both have the same place, so that nothing moves. */}
            <p className="who" role="status" data-trouble={trouble !== "" || undefined}>
              {trouble || (
                <>
                  of <code title={id}>{id.slice(0, 13)}…</code>
                </>
              )}
            </p>
          </div>
          <button
            type="button"
            className="button small"
            onClick={() => {
              shop.startOver()
              go("")
            }}
          >
            Start over
          </button>
        </header>
        <Journal journal={journal} />
        <Section title="Traits" kind="trait" list={known?.traits ?? []} row={TraitRow} />
        <Section title="Segments" kind="segment" list={known?.segments ?? []} row={SegmentRow} />
        <Section title="Flags" kind="flag" list={known?.flags ?? []} row={FlagRow} />
      </div>
    </aside>
  )
}

function Journal({ journal }: { journal: readonly Entry[] }) {
  return (
    <section className="journal" aria-label="Events">
      <h3>Events</h3>
      {/* It scrolls: the keyboard has to reach it. */}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a list that scrolls is reached by the keyboard */}
      <ol tabIndex={0} aria-label="Events, the newest first">
        {journal.map((entry) => (
          <li key={entry.id} data-cause={entry.cause} data-state={entry.state}>
            <time title={exact(entry.at)}>{clock(entry.at)}</time>
            <div>
              <b>{entry.name}</b>
              {entry.state === "waiting" ? <em>waiting</em> : null}
              {entry.detail ? <span className="detail">{entry.detail}</span> : null}
              {entry.moves.length ? (
                <ul className="moves" aria-label="It moved">
                  {entry.moves.map((move) => (
                    <li key={`${move.kind} ${move.key}`} title={`${move.kind} ${move.key}: ${move.from} → ${move.to}`}>
                      {move.key} → <b>{move.to}</b>
                    </li>
                  ))}
                </ul>
              ) : null}
            </div>
          </li>
        ))}
      </ol>
    </section>
  )
}

interface SectionProps<Item extends { key: string }> {
  title: string
  kind: Kind
  list: readonly Item[]
  row: (props: { item: Item }) => ReactNode
}

function Section<Item extends { key: string }>({ title, kind, list, row: Row }: SectionProps<Item>) {
  const { moved } = useShopState()
  const isShown = ({ key }: Item) => OF_THE_SHOP.has(`${kind} ${key}`) || moved.has(`${kind} ${key}`)
  const others = list.filter((item) => !isShown(item))
  return (
    <section aria-label={title} data-kind={kind}>
      <h3>{title}</h3>
      <ul className="rows">
        {list.filter(isShown).map((item) => (
          <Row key={item.key} item={item} />
        ))}
      </ul>
      {others.length ? (
        <details>
          <summary>{others.length} more</summary>
          <ul className="rows">
            {others.map((item) => (
              <Row key={item.key} item={item} />
            ))}
          </ul>
        </details>
      ) : null}
    </section>
  )
}

function TraitRow({ item }: { item: Known }) {
  return (
    <Row name={item.key} value={shown(item.value)} until={item.until} title={item.text} unknown={item.value === null} />
  )
}

function SegmentRow({ item }: { item: Known }) {
  const inside = item.value === true
  return (
    <Row
      name={item.key}
      value={membership(item.value)}
      until={item.until}
      on={inside}
      unknown={item.value === null}
      note={item.text}
    />
  )
}

function FlagRow({ item }: { item: KnownFlag }) {
  return (
    <Row
      name={item.key}
      value={item.variant ?? "—"}
      until={item.until}
      on={!item.isOff}
      unknown={item.variant === null}
      title={`value ${shown(item.value)}`}
      note={`${item.reason}${item.because ? ` · ${item.because}` : ""}`}
    />
  )
}

interface RowProps {
  name: string
  value: string
  until: string | null
  /** Whether the visitor is in it, or it is on; undefined for what is neither. */
  on?: boolean
  unknown?: boolean
  title?: string
  note?: string
}

/** One line of knowledge. It lights up for a moment when its value is another one. */
function Row({ name, value, until, on, unknown, title, note }: RowProps) {
  const place = useRef<HTMLLIElement>(null)
  const last = useRef(value)
  useEffect(() => {
    if (last.current === value) return
    last.current = value
    const row = place.current
    if (!row) return
    row.dataset.lit = ""
    const timer = setTimeout(() => delete row.dataset.lit, LIT_MS)
    return () => clearTimeout(timer)
  }, [value])
  return (
    <li ref={place} data-key={name} data-on={on || undefined} data-unknown={unknown || undefined} title={title}>
      <span className="key">{name}</span>
      <Until until={until} />
      <span className="value">{value}</span>
      {note ? (
        <span className="note" title={note}>
          {note}
        </span>
      ) : null}
    </li>
  )
}

/** A countdown to the next change that comes by itself. */
function Until({ until }: { until: string | null }) {
  const seconds = useSecondsUntil(until)
  if (until === null || seconds === undefined) return null
  return (
    <time className="until" title={`may change at ${exact(until)}`} data-until={until}>
      {countdown(seconds)}
    </time>
  )
}
