/** Values that travel as JSON. */
export type Json = string | number | boolean | null | undefined | Json[] | { [key: string]: Json }

/** Properties of an event, or traits of a profile. */
export type Properties = Record<string, unknown>

/**
 * The events of your tracking plan, by name.
 *
 * Empty as delivered: `track` takes any name. `tinycdp codegen ts` fills it, and the compiler then checks names and
 * properties.
 */
// biome-ignore lint/suspicious/noEmptyInterface: it is filled by module augmentation
export interface EventTypes {}

/**
 * The flags of your project, by key, with the type of their values.
 *
 * Empty as delivered: `flag` takes any key. `tinycdp codegen ts` fills it.
 */
// biome-ignore lint/suspicious/noEmptyInterface: it is filled by module augmentation
export interface FlagTypes {}

/** A name that `track` takes. */
export type EventName = [keyof EventTypes] extends [never] ? string : Extract<keyof EventTypes, string>

/** The properties of an event with this name. */
export type PropertiesOf<Name extends string> = Name extends keyof EventTypes ? EventTypes[Name] : Properties

/** A key that `flag` takes. */
export type FlagKey = [keyof FlagTypes] extends [never] ? string : Extract<keyof FlagTypes, string>

/** The type of a flag's value, given the fallback that the caller names. */
export type ValueOf<Key extends string, Fallback> = Key extends keyof FlagTypes ? FlagTypes[Key] : Widened<Fallback>

/** `false` is a boolean and not only `false`. */
export type Widened<T> = T extends boolean ? boolean : T extends string ? string : T extends number ? number : T

/** Something that did not go as it should. It never reaches the page as an exception. */
export interface Problem {
  /**
   * Stable: match on it. The server's own code, such as `INVALID_KEY`, or one of `NETWORK`, `WRONG_ENDPOINT`,
   * `STORAGE`, `QUEUE_FULL`, `EVENT_TOO_LARGE`, `INVALID_EVENT`, `NOT_SENT`, `LISTENER`.
   */
  code: string
  /** What happened, and what to do about it. */
  message: string
}

/** A server that gets events. */
export interface Backend {
  /** The server's address, such as `https://cdp.example.com`, or a path of your own site. */
  endpoint: string
  /** A key with the scope `write`. It may be in a web page. */
  writeKey: string
}

/** Options that all entry points share. */
export interface CoreOptions {
  /** The server's address, such as `https://cdp.example.com`, or a path of your own site, such as `/t`. */
  endpoint: string
  /** A key with the scope `write`: without it no events are sent. It may be in a web page. */
  writeKey?: string
  /** A key with the scope `decide`: without it no flags are asked for. It may be in a web page. */
  readKey?: string
  /** The visitor's id, if your server gave it one; otherwise the SDK makes one and keeps it. */
  anonymousId?: string
  /** Whether the visitor agreed. `false` stores nothing, sends no event, and deletes what is there. Default `true`. */
  consent?: boolean
  /** Treat "do not track" and "global privacy control" of the browser as `consent: false`. Default `false`. */
  respectDoNotTrack?: boolean
  /** A session ends after this long without an event. Default 30 minutes. */
  sessionTimeoutMs?: number
  /** The domain of the cookie that keeps the visitor's id, such as `.example.com`. Default: this host only. */
  cookieDomain?: string
  /** Called with everything that did not go as it should, once for each cause. */
  onError?: (problem: Problem) => void
  /** Write to the console what is sent and answered. Default `false`. */
  debug?: boolean
  /** Replaces `fetch`, for tests and unusual hosts. */
  fetch?: typeof fetch
}

/** Something that calls the tracker by itself, until the signal ends it. It runs in pages only. */
export type Plugin = (tracker: Tracker, ended: AbortSignal) => void

/** Options of sending events. */
export interface TrackOptions extends CoreOptions {
  /** Send when this many messages wait. Default 20. */
  flushAt?: number
  /** Send at the latest after this long. Default 10,000. */
  flushIntervalMs?: number
  /** Further servers that get the same events. */
  backends?: Backend[]
  /** What acts by itself in a page, such as `pageViews()` and `dataAttributes()` of `@tinycdp/sdk/auto`. */
  plugins?: Plugin[]
}

/** What one call may set, beside its own arguments. */
export interface CallOptions {
  /** The user, on a server, where nothing is remembered between calls. */
  userId?: string
  /** The visitor, on a server. */
  anonymousId?: string
  /** When it happened; default now. */
  timestamp?: string | Date
  /** Makes a repeat harmless: an id counts once. Default: a new one. */
  messageId?: string
  /** Added to the context that the SDK finds. */
  context?: Properties
}

/** Sends events and traits. No method throws. */
export interface Tracker {
  /** Something happened. */
  track<Name extends EventName>(event: Name, properties?: PropertiesOf<Name>, options?: CallOptions): void
  /** Who the visitor is, and what is known of them. With `undefined` as the id, only traits of the visitor. */
  identify(userId: string | undefined, traits?: Properties, options?: CallOptions): void
  /** A page was seen. Address, title and referrer are added. */
  page(name?: string, properties?: Properties, options?: CallOptions): void
  /** A screen of an app was seen. */
  screen(name?: string, properties?: Properties, options?: CallOptions): void
  /** The account that the user belongs to, and its traits. */
  group(groupId: string, traits?: Properties, options?: CallOptions): void
  /** Two ids are one person. Default of the second, in a page: the visitor's id. */
  alias(userId: string, previousId?: string, options?: CallOptions): void
  /** Send what waits. Resolves when everything is stored on the server, or a request has failed. */
  flush(): Promise<void>
  /** Forget user, visitor, group and session, as after a logout. What waits is still sent. */
  reset(): void
  /** Set what the visitor agreed to. `false` deletes what is stored and what waits. */
  setConsent(consent: boolean): void
  /** The visitor's id. */
  anonymousId(): string
  /** The user's id; undefined before `identify`. */
  userId(): string | undefined
  /** Send what waits and end all timers and listeners. On a server, wait for it before the process ends. */
  shutdown(options?: { timeoutMs?: number }): Promise<void>
}

/** One flag's answer for one profile. */
export interface Decision<Value = unknown> {
  /** The flag's key. */
  key: string
  /** The value of the variant; undefined if the flag could not be evaluated. */
  value?: Value
  /** The variant's name. */
  variant?: string
  /** OpenFeature's word: `TARGETING_MATCH`, `SPLIT`, `DEFAULT`, `STATIC`, `DISABLED`, `CACHED`, `STALE` or `ERROR`. */
  reason?: string
  /** The flag's own metadata, and `rule`, the id of the rule that matched. */
  metadata?: Record<string, string | number | boolean>
  /** Why there is no value: OpenFeature's code, such as `FLAG_NOT_FOUND`. */
  errorCode?: string
  /** The same in words. */
  errorDetails?: string
}

/** Answers by key, as `decideAll` gives them and `bootstrap` takes them. */
export type Decisions = Record<string, Decision>

/** Options of deciding. */
export interface FlagOptions extends CoreOptions {
  /** What rules read as `context.…`. */
  context?: Properties
  /** Answers that the server gave while it rendered the page: no flicker. */
  bootstrap?: Decisions
  /** Learn of changes while the page is open. Default `true`. */
  streaming?: boolean
  /** On a server: decide in this process, by `localEvaluation()` of `@tinycdp/sdk/evaluation`. A page ignores it. */
  evaluation?: Evaluation
}

/** The server's answer to `POST /v1/snapshot`. */
export interface SnapshotAnswer {
  /** 200; 304 if the snapshot is still the one in hand; 0 if the server is away. */
  status: number
  /** Names the snapshot. */
  etag: string
  /** The snapshot, or what is wrong. */
  body: unknown
}

/** Fetches a profile's snapshot unless it is still the one with this ETag. */
export type FetchSnapshot = (profile: Properties, etag: string) => Promise<SnapshotAnswer>

/** Decides by itself. What it cannot decide is undefined, and is asked from the server. */
export type Evaluation = (fetchSnapshot: FetchSnapshot) => {
  /** One flag's answer for the profile and the context that `context` has. */
  decide(key: string, context: Properties, minVersion: number): Promise<Decision | undefined>
  /** The answers of all flags, likewise. */
  decideAll(context: Properties, minVersion: number): Promise<Decisions | undefined>
}

/** Whom one question is about, and what the caller knows. */
export interface DecideOptions {
  /** The user, on a server. */
  userId?: string
  /** The visitor, on a server. */
  anonymousId?: string
  /** What rules read as `context.…`, for this question. */
  context?: Properties
  /** The answer is at least as new as this `version` of a tracking answer. */
  minVersion?: number
}

/** Answers flags. No method throws, and no promise is rejected. */
export interface Flags {
  /**
   * The flag's value now, from memory; the fallback without one, or if it has another type. Counts as an exposure,
   * once per flag and variant.
   */
  flag<Key extends FlagKey, Fallback = unknown>(key: Key, fallback: Fallback): ValueOf<Key, Fallback>
  /** The flag's answer now, from memory. Counts as nothing. */
  peek(key: FlagKey): Decision | undefined
  /** The flag's answer, asked for if memory is not up to date with what this client sent. Counts as an exposure. */
  decide(key: FlagKey, options?: DecideOptions): Promise<Decision>
  /** The answers of all flags, likewise; counts as no exposure. */
  decideAll(options?: DecideOptions): Promise<Decisions>
  /** Called with the keys of the flags whose answers changed. Returns a function that ends it. */
  onChange(listener: (keys: string[]) => void): () => unknown
  /** Resolves when there are answers of this visit, or it is known that there will be none for now. */
  ready(): Promise<void>
  /** Replace what rules read as `context.…`. Resolves when there are answers for it. */
  setContext(context: Properties): Promise<void>
  /** Take over answers of a rendering server, unless there are newer ones. Does nothing on a server. */
  hydrate(decisions: Decisions): void
  /** End all timers, listeners and the stream. */
  shutdown(): Promise<void>
}

/** Options of `initTinyCDP`. */
export interface TinyCDPOptions extends TrackOptions, FlagOptions {}

/** Events and flags in one. */
export interface TinyCDP extends Tracker, Flags {
  /** Send what waits and end everything. On a server, wait for it before the process ends. */
  shutdown(options?: { timeoutMs?: number }): Promise<void>
}
