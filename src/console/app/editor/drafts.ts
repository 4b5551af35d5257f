/**
 * What a person has written and not published: it outlives a reload, a sign-out and a closed tab.
 *
 * Kept in this browser, for each environment and definition, with the version that it began from. Texts only: no key.
 *
 * Laws: what equals the definition is no draft. A storage that is full or forbidden loses nothing while the page is open.
 */
import { useCallback, useMemo, useState, useSyncExternalStore } from "react"
import { useMe } from "../lib/me.ts"

const PREFIX = "tinycdp-draft"

/** The definition that a draft is of; without a name it is a new one. */
export interface DraftOf {
  environment: string
  kind: string
  name: string
}

export interface Draft<Fields> {
  /** The version that it began from, 0 for a new definition. */
  base: number
  /** When it was changed last, in milliseconds. */
  at: number
  fields: Fields
}

const listeners = new Set<() => void>()
/** What the storage did not take. */
const held = new Map<string, string>()
let changes = 0

function placeOf({ environment, kind, name }: DraftOf): string {
  return [PREFIX, environment, kind, name].map(encodeURIComponent).join("/")
}

function draftOf(place: string): DraftOf | undefined {
  const [prefix, environment, kind, name] = place.split("/").map(decodeURIComponent)
  return prefix === PREFIX && environment && kind && name !== undefined ? { environment, kind, name } : undefined
}

function read(place: string): string | null {
  const kept = held.get(place)
  if (kept !== undefined) return kept
  try {
    return localStorage.getItem(place)
  } catch {
    return null
  }
}

function write(place: string, text: string | null): void {
  held.delete(place)
  try {
    if (text === null) localStorage.removeItem(place)
    else localStorage.setItem(place, text)
  } catch {
    if (text !== null) held.set(place, text)
  }
  tell()
}

function tell(): void {
  changes += 1
  for (const listener of listeners) listener()
}

function subscribe(listener: () => void): () => void {
  if (listeners.size === 0) addEventListener("storage", tell) // another tab wrote
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
    if (listeners.size === 0) removeEventListener("storage", tell)
  }
}

function parsed<Fields>(text: string | null): Draft<Fields> | undefined {
  if (text === null) return undefined
  try {
    const draft = JSON.parse(text) as Draft<Fields>
    return typeof draft.base === "number" && typeof draft.fields === "object" ? draft : undefined
  } catch {
    return undefined // another program wrote here
  }
}

export function readDraft<Fields>(of: DraftOf): Draft<Fields> | undefined {
  return parsed<Fields>(read(placeOf(of)))
}

export function keepDraft<Fields>(of: DraftOf, draft: Draft<Fields>): void {
  write(placeOf(of), JSON.stringify(draft))
}

export function discardDraft(of: DraftOf): void {
  write(placeOf(of), null)
}

/**
 * Take the draft along when its definition gets another name, and with it another version.
 *
 * A draft of an older version stays one: what was published after it is still to be looked at.
 */
export function moveDraft(from: DraftOf, name: string, version?: { before: number; after: number }): void {
  const draft = readDraft<{ name?: string }>(from)
  if (!draft || name === from.name) return
  const { base, at, fields } = draft
  keepDraft(
    { ...from, name },
    {
      base: base === version?.before ? version.after : base,
      at,
      fields: fields.name === from.name ? { ...fields, name } : fields,
    },
  )
  discardDraft(from)
}

/** The definitions of a kind that have a draft, by their names; "" is a new one. */
export function draftsOf(environment: string, kind: string): string[] {
  const places = new Set(held.keys())
  try {
    for (let index = 0; index < localStorage.length; index += 1) places.add(localStorage.key(index) ?? "")
  } catch {
    // then only this page knows of any
  }
  return [...places]
    .map(draftOf)
    .filter((of) => of?.environment === environment && of.kind === kind)
    .flatMap((of) => (of ? [of.name] : []))
    .sort()
}

/** As `draftsOf` for the key's environment, kept up to date. */
export function useDraftsOf(kind: string): string[] {
  const environment = useMe()?.environment.key
  const at = useSyncExternalStore(subscribe, () => changes)
  // biome-ignore lint/correctness/useExhaustiveDependencies: they are read again after each change
  return useMemo(() => (environment === undefined ? [] : draftsOf(environment, kind)), [environment, kind, at])
}

export interface Drafting<Fields> {
  fields: Fields
  /** The version that the fields began from. */
  base: number
  /** Whether they differ from what is published. */
  drafted: boolean
  change: (part: Partial<Fields>) => void
  /** Give the draft up: the fields are the published ones again. */
  discard: () => void
  /** Go on with these fields, as a change of another version. */
  rebase: (base: number, fields: Fields) => void
  /** Whether `discard` or `rebase` took other fields away, which this page still has. */
  replaced: boolean
  /** Those fields again. What is replaced by them can be brought back in turn. */
  bringBack: () => void
  /** It is published: there is no draft any more, and nothing to bring back. */
  finish: () => void
}

/** The fields of a definition as a person edits them. `published` is what they are without a draft. */
export function useDraft<Fields extends object>(of: DraftOf, version: number, published: Fields): Drafting<Fields> {
  const place = placeOf(of)
  const text = useSyncExternalStore(subscribe, () => read(place))
  const draft = useMemo(() => parsed<Fields>(text), [text])
  const [former, setFormer] = useState<{ place: string; text: string }>()
  const keep = useCallback(
    (base: number, fields: Fields) => {
      const same = base === version && JSON.stringify(fields) === JSON.stringify(published)
      write(place, same ? null : JSON.stringify({ base, at: Date.now(), fields }))
    },
    [place, version, published],
  )
  const fields = draft ? { ...published, ...draft.fields } : published
  const base = draft?.base ?? version
  const remember = () => setFormer(text === null ? undefined : { place, text })
  return {
    fields,
    base,
    drafted: draft !== undefined,
    change: (part) => keep(base, { ...fields, ...part }),
    discard: () => {
      if (draft) remember()
      write(place, null)
    },
    rebase: (base, next) => {
      if (draft && JSON.stringify(fields) !== JSON.stringify(next)) remember()
      keep(base, next)
    },
    replaced: former?.place === place,
    bringBack: () => {
      if (former?.place !== place) return
      remember()
      write(place, former.text)
    },
    finish: () => {
      setFormer(undefined)
      write(place, null)
    },
  }
}
