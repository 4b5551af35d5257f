import { OpenFeature as OnServers, ProviderEvents, type Provider as ServersProvider } from "@openfeature/server-sdk"
import {
  OpenFeature as InPages,
  ProviderEvents as PageEvents,
  type Provider as PagesProvider,
} from "@openfeature/web-sdk"
import { afterEach, expect, test } from "vitest"
import { ServerProvider, WebProvider } from "../src/openfeature.js"
import type { DecideOptions, Decision, Flags } from "../src/types.js"

const ANSWERS: Record<string, Decision> = {
  premium: { key: "premium", value: true, variant: "on", reason: "TARGETING_MATCH", metadata: { rule: "pros" } },
  price: { key: "price", value: "7.99", variant: "lower", reason: "SPLIT" },
  retries: { key: "retries", value: 7, variant: "seven", reason: "STATIC" },
  layout: { key: "layout", value: { columns: 2 }, variant: "wide", reason: "CACHED" },
  half: { key: "half", reason: "ERROR", errorCode: "TARGETING_KEY_MISSING", errorDetails: "name someone" },
}

class Client {
  context: unknown
  asked: [string, DecideOptions | undefined][] = []
  used: string[] = []
  listener: (keys: string[]) => void = () => {}
  peek = (key: string) => ANSWERS[key]
  flag = (key: string) => void this.used.push(key)
  decide = async (key: string, options?: DecideOptions) => {
    this.asked.push([key, options])
    return ANSWERS[key] ?? { key, reason: "ERROR", errorCode: "FLAG_NOT_FOUND" }
  }
  ready = async () => {}
  setContext = async (context: unknown) => {
    this.context = context
  }
  onChange = (listener: (keys: string[]) => void) => {
    this.listener = listener
    return () => {
      this.listener = () => {}
    }
  }
  get asClient(): Flags {
    return this as unknown as Flags
  }
}

afterEach(async () => {
  await InPages.close()
  await OnServers.close()
})

test("in a page, OpenFeature's client answers from memory", async () => {
  const client = new Client()
  const provider: PagesProvider = new WebProvider(client.asClient)
  await InPages.setProviderAndWait(provider, { targetingKey: "ada", plan: "pro" })
  expect(client.context).toEqual({ userId: "ada", plan: "pro" })
  const flags = InPages.getClient()
  expect(flags.getBooleanDetails("premium", false)).toMatchObject({
    value: true,
    variant: "on",
    reason: "TARGETING_MATCH",
    flagMetadata: { rule: "pros" },
  })
  expect(flags.getStringValue("price", "")).toBe("7.99")
  expect(flags.getNumberValue("retries", 0)).toBe(7)
  expect(flags.getObjectValue("layout", {})).toEqual({ columns: 2 })
  expect(flags.getNumberDetails("price", 1)).toMatchObject({ value: 1, errorCode: "TYPE_MISMATCH", reason: "ERROR" })
  expect(flags.getStringDetails("nope", "x")).toMatchObject({ value: "x", errorCode: "FLAG_NOT_FOUND" })
  expect(flags.getStringDetails("half", "x")).toMatchObject({
    value: "x",
    errorCode: "TARGETING_KEY_MISSING",
    errorMessage: "name someone",
  })
  expect(client.used).toContain("price")
  await InPages.setContext({ plan: "free" })
  expect(client.context).toEqual({ plan: "free" })
})

test("in a page, changes are events of the provider", async () => {
  const client = new Client()
  await InPages.setProviderAndWait(new WebProvider(client.asClient))
  const heard: unknown[] = []
  InPages.getClient().addHandler(PageEvents.ConfigurationChanged, (details) => void heard.push(details?.flagsChanged))
  client.listener(["price"])
  expect(heard).toEqual([["price"]])
  await InPages.close()
  client.listener(["price"])
  expect(heard).toHaveLength(1)
})

test("on a server, each evaluation asks with its context", async () => {
  const client = new Client()
  const provider: ServersProvider = new ServerProvider(client.asClient)
  await OnServers.setProviderAndWait(provider)
  const flags = OnServers.getClient()
  expect(await flags.getBooleanValue("premium", false, { targetingKey: "ada", plan: "pro" })).toBe(true)
  expect(client.asked).toEqual([["premium", { context: { targetingKey: "ada", plan: "pro" } }]])
  expect(await flags.getStringValue("price", "")).toBe("7.99")
  expect(await flags.getNumberDetails("price", 1)).toMatchObject({ value: 1, errorCode: "TYPE_MISMATCH" })
  expect(await flags.getObjectValue("layout", {})).toEqual({ columns: 2 })
  expect(await flags.getStringDetails("nope", "x")).toMatchObject({ value: "x", errorCode: "FLAG_NOT_FOUND" })
  expect(ProviderEvents.Ready).toBe("PROVIDER_READY")
})
