/**
 * Providers for OpenFeature: `@tinycdp/sdk/openfeature`. `WebProvider` is for `@openfeature/web-sdk`, `ServerProvider`
 * for `@openfeature/server-sdk`. Neither package is needed to load this one.
 *
 * @packageDocumentation
 */
import type { Decision, Flags, Properties } from "./types"

/** OpenFeature's context: an object that may have a `targetingKey`. */
// biome-ignore lint/suspicious/noExplicitAny: OpenFeature's own type has Dates and nested values
type EvaluationContext = { targetingKey?: string } & Record<string, any>

/** OpenFeature's answer. */
export interface Resolution<Value> {
  value: Value
  variant?: string
  reason?: string
  flagMetadata?: Record<string, string | number | boolean>
  // biome-ignore lint/suspicious/noExplicitAny: an enum of OpenFeature's, whose values are these texts
  errorCode?: any
  errorMessage?: string
}

/** The decision as OpenFeature has it; the fallback if there is no value, or one of another type. */
function resolved<Value>(decision: Decision | undefined, fallback: Value, type: string): Resolution<Value> {
  const { value, variant, reason, metadata, errorCode, errorDetails } = decision ?? { errorCode: "FLAG_NOT_FOUND" }
  if (value === undefined) {
    const message = errorDetails ? { errorMessage: errorDetails } : {}
    return { value: fallback, reason: "ERROR", errorCode: errorCode ?? "GENERAL", ...message }
  }
  if (typeof value !== type) {
    const errorMessage = `The flag's value is of type ${typeof value}, not ${type}.`
    return { value: fallback, reason: "ERROR", errorCode: "TYPE_MISMATCH", errorMessage }
  }
  return {
    value: value as Value,
    ...(variant !== undefined && { variant }),
    ...(reason !== undefined && { reason }),
    ...(metadata && { flagMetadata: metadata }),
  }
}

/** What OpenFeature listens to. */
class Events {
  // biome-ignore lint/suspicious/noExplicitAny: OpenFeature's handlers take details of several types
  private readonly handlers = new Map<string, Set<(details?: any) => any>>()

  // biome-ignore lint/suspicious/noExplicitAny: as above
  addHandler(event: string, handler: (details?: any) => any): void {
    this.handlers.set(event, (this.handlers.get(event) ?? new Set()).add(handler))
  }

  // biome-ignore lint/suspicious/noExplicitAny: as above
  removeHandler(event: string, handler: (details?: any) => any): void {
    this.handlers.get(event)?.delete(handler)
  }

  removeAllHandlers(event?: string): void {
    if (event) this.handlers.delete(event)
    else this.handlers.clear()
  }

  // biome-ignore lint/suspicious/noExplicitAny: as above
  getHandlers(event: string): any[] {
    return [...(this.handlers.get(event) ?? [])]
  }

  emit(event: string, details?: Properties): void {
    for (const handler of this.getHandlers(event)) handler(details)
  }

  setLogger(): this {
    return this
  }
}

/**
 * Flags in a page. Give it a client of `initTinyCDP` or `createFlags`.
 *
 * The context's `targetingKey` is the user's id; without it, the user and the visitor are those of the client.
 */
export class WebProvider {
  readonly metadata: { name: string } = { name: "tinycdp" }
  readonly runsOn = "client" as const
  readonly events: Events = new Events()
  private end: () => unknown = () => {}

  constructor(private readonly client: Flags) {}

  async initialize(context: EvaluationContext = {}): Promise<void> {
    this.end = this.client.onChange((flagsChanged) =>
      this.events.emit("PROVIDER_CONFIGURATION_CHANGED", { flagsChanged }),
    )
    await (Object.keys(context)[0] ? this.onContextChange({}, context) : this.client.ready())
  }

  onContextChange(_before: EvaluationContext, { targetingKey, ...context }: EvaluationContext): Promise<void> {
    return this.client.setContext({ ...context, ...(targetingKey && { userId: targetingKey }) })
  }

  async onClose(): Promise<void> {
    this.end()
  }

  resolveBooleanEvaluation(flagKey: string, fallback: boolean): Resolution<boolean> {
    return this.answer(flagKey, fallback, "boolean")
  }

  resolveStringEvaluation(flagKey: string, fallback: string): Resolution<string> {
    return this.answer(flagKey, fallback, "string")
  }

  resolveNumberEvaluation(flagKey: string, fallback: number): Resolution<number> {
    return this.answer(flagKey, fallback, "number")
  }

  resolveObjectEvaluation<T>(flagKey: string, fallback: T): Resolution<T> {
    return this.answer(flagKey, fallback, "object")
  }

  private answer<T>(flagKey: string, fallback: T, type: string): Resolution<T> {
    this.client.flag(flagKey as never, fallback) // an exposure
    return resolved(this.client.peek(flagKey as never), fallback, type)
  }
}

/** Flags on a server: each evaluation is one request. Give it a client of `initTinyCDP` or `createFlags`. */
export class ServerProvider {
  readonly metadata: { name: string } = { name: "tinycdp" }
  readonly runsOn = "server" as const

  constructor(private readonly client: Flags) {}

  resolveBooleanEvaluation(
    flagKey: string,
    fallback: boolean,
    context: EvaluationContext,
  ): Promise<Resolution<boolean>> {
    return this.answer(flagKey, fallback, context, "boolean")
  }

  resolveStringEvaluation(flagKey: string, fallback: string, context: EvaluationContext): Promise<Resolution<string>> {
    return this.answer(flagKey, fallback, context, "string")
  }

  resolveNumberEvaluation(flagKey: string, fallback: number, context: EvaluationContext): Promise<Resolution<number>> {
    return this.answer(flagKey, fallback, context, "number")
  }

  resolveObjectEvaluation<T>(flagKey: string, fallback: T, context: EvaluationContext): Promise<Resolution<T>> {
    return this.answer(flagKey, fallback, context, "object")
  }

  private async answer<T>(
    flagKey: string,
    fallback: T,
    context: EvaluationContext,
    type: string,
  ): Promise<Resolution<T>> {
    return resolved(await this.client.decide(flagKey as never, { context }), fallback, type)
  }
}
