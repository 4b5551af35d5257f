import { expect, test } from "vitest"
import { blockedRows, withBlocked, withoutBlocked } from "../app/identity/policy.ts"
import type { GraphEdge, GraphNode } from "../app/lib/api.ts"
import { type Branch, branchesOf, relationOf } from "../app/people/graph.ts"
import { linesOf, namedIdentifier } from "../app/privacy/lines.ts"

const node = (id: string, outside = false): GraphNode => ({
  id,
  kind: "userId",
  value: id,
  profileId: outside ? "2" : "1",
  firstSeen: "2026-01-01T00:00:00.000Z",
  outside,
})

const edge = (from: string, to: string, more: Partial<GraphEdge> = {}): GraphEdge => ({
  from,
  to,
  kind: "claim",
  state: "holds",
  saidAt: "2026-01-01T00:00:00.000Z",
  messageId: "m",
  linkedAt: "2026-01-01T00:00:00.000Z",
  apartAt: null,
  ...more,
})

const outline = (branches: Branch[]): unknown => branches.map(({ node, claims }) => [node.id, outline(claims)])

test("identifiers stand below the one that claims them, each once", () => {
  const nodes = ["web", "ada", "phone", "device"].map((id) => node(id))
  const edges = [
    edge("ada", "web"),
    edge("ada", "phone"),
    edge("phone", "device"),
    edge("web", "device", { state: "beaten" }),
  ]
  expect(outline(branchesOf({ nodes, edges }))).toEqual([
    [
      "ada",
      [
        ["web", []],
        ["phone", [["device", []]]],
      ],
    ],
  ])
})

test("identifiers that claim each other in a circle are all there", () => {
  const nodes = [node("a"), node("b")]
  expect(outline(branchesOf({ nodes, edges: [edge("a", "b"), edge("b", "a")] }))).toEqual([["a", [["b", []]]]])
})

test("a link to another person is told at the own end, and what it says", () => {
  const nodes = [node("web"), node("ada"), node("eve", true)]
  const edges = [
    edge("ada", "web"),
    edge("eve", "web", { state: "beaten" }),
    edge("ada", "eve", { kind: "join", messageId: null, state: "apart", apartAt: "2026-02-01T00:00:00.000Z" }),
  ]
  const [ada] = branchesOf({ nodes, edges })
  const told = (branch?: Branch) => branch?.others.map((link) => `${relationOf(link)} ${link.other.value}`)
  expect(told(ada)).toEqual(["kept apart from eve"])
  expect(told(ada?.claims[0])).toEqual(["claimed too late by eve"])
})

test("a joined pair of one person is told once", () => {
  const nodes = [node("one"), node("two")]
  const edges = [edge("one", "two", { kind: "join", messageId: null })]
  const told = branchesOf({ nodes, edges }).flatMap(({ others }) => others.map(relationOf))
  expect(told).toEqual(["joined by hand with"])
})

test("blocked values are those that arrived, then those of the policy that did not", () => {
  const policy = { kinds: [{ kind: "userId", blocked: ["guest", "test"] }, { kind: "deviceId" }] }
  const at = "2026-01-01T00:00:00.000Z"
  const arrived = [
    { kind: "userId", value: "Guest", messages: 3, firstAt: at, lastAt: at },
    { kind: "userId", value: "null", messages: 1, firstAt: at, lastAt: at },
  ]
  expect(blockedRows(policy, arrived).map(({ value, messages, byPolicy }) => [value, messages, byPolicy])).toEqual([
    ["Guest", 3, true],
    ["null", 1, false],
    ["test", 0, true],
  ])
  expect(withoutBlocked(policy, { kind: "userId", value: "Guest" }).kinds[0]?.blocked).toEqual(["test"])
  expect(withBlocked(policy, { kind: "deviceId", value: "0000" }).kinds[1]?.blocked).toEqual(["0000"])
})

test("lines of a file are identifiers, each once; a value may have colons", () => {
  expect(linesOf(" userId:ada \r\n\nuserId:ada\nbob")).toEqual(["userId:ada", "bob"])
  expect(namedIdentifier("externalId:a:b")).toEqual({ kind: "externalId", value: "a:b" })
  expect(["bob", ":x", "userId:"].map(namedIdentifier)).toEqual([null, null, null])
})
