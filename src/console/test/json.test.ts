import { replaceEqualDeep } from "@tanstack/react-query"
import { describe, expect, test } from "vitest"
import {
  freeId,
  isPlain,
  merged,
  moved,
  newFlag,
  put,
  readDocument,
  renamedVariant,
  retyped,
  splitting,
  textOf,
  typedValue,
  variantsInUse,
  whole,
} from "../app/flags/form/document.ts"
import { joined, type Split, WHOLE, weighted, without } from "../app/flags/split.ts"
import type { FlagBody } from "../app/lib/api.ts"
import { entriesOf, isSameJson, namesOf, parsed, recordOf, written } from "../app/lib/json.ts"

const isWhole = (split: Split) => Object.values(split).reduce((sum, weight) => sum + weight, 0) === WHOLE

describe("JSON", () => {
  const texts = [
    '{"10":1,"9":2,"b":3,"a":{"2":[{"1":null,"0":true}],"1":"x"}}',
    '{"a":"\\"10\\":1","b\\"1":"2: 3","7":"{\\"3\\":4}","1":{}}',
    '[{"1":0.5,"x":-2e-7,"0":"\u2028"}]',
    '{"__proto__":1,"1":2,"0":3,"~":4,"~1":5}',
    '"10"',
    "null",
  ]

  test.each(texts)("comes back as it was: %s", (text) => {
    expect(written(parsed(text))).toBe(text)
    expect(JSON.parse(written(parsed(text), 2))).toEqual(JSON.parse(text))
  })

  test("that is wrong fails as JSON does, at the same place", () => {
    const message = (read: (text: string) => unknown) => {
      try {
        return read('{"10": 1, "9": }')
      } catch (problem) {
        return String(problem)
      }
    }
    expect(message(parsed)).toBe(message(JSON.parse))
  })

  test("leaves out what is not there, and is the same only in the same order", () => {
    expect(written({ a: undefined, b: [undefined] })).toBe('{"b":[null]}')
    expect(isSameJson(parsed('{"2":1,"1":2}'), { "2": 1, "1": 2 })).toBe(false)
    expect(isSameJson(undefined, null)).toBe(false)
  })

  test("keeps its order in what was asked before and is asked again", () => {
    const first = parsed('{"split":{"10":1,"9":2},"n":1}')
    const second = parsed('{"split":{"10":2,"9":1},"n":2}') as { split: object }
    const shared = replaceEqualDeep(first, second) as { split: object }
    expect(namesOf(shared.split)).toEqual(["10", "9"])
    expect(written(shared)).toBe('{"split":{"10":2,"9":1},"n":2}')
  })
})

const NUMBERED = `{
  "type": "integer",
  "variants": {
    "10": 1,
    "9": 2,
    "control": 3
  },
  "offVariant": "control",
  "default": {
    "serve": "control"
  },
  "enabled": true,
  "rules": [
    {
      "id": "all",
      "when": "true",
      "split": {
        "10": 50000,
        "9": 30000,
        "control": 20000
      },
      "later": {
        "2": "a field of another version",
        "1": "is kept"
      }
    }
  ],
  "novelty": {
    "3": 1,
    "2": 1
  }
}
`

function document(text: string): FlagBody {
  const found = readDocument(text)
  if (typeof found === "string") throw new Error(found)
  return found
}

describe("the document of a flag", () => {
  test("comes back as it was, also what the form does not know, also whole", () => {
    expect(textOf(document(NUMBERED))).toBe(NUMBERED)
    expect(textOf(whole(document(NUMBERED)))).toBe(NUMBERED)
  })

  test("keeps the order of variants that are whole numbers in every edit", () => {
    const split = document(NUMBERED).rules?.[0]?.split ?? {}
    const edits = {
      weighted: weighted(split, "9", 10_000),
      joined: joined(split, "1"),
      without: without(split, "control"),
      put: put(split, "9", 5),
      copied: recordOf(entriesOf(split)),
    }
    expect(Object.entries(edits).map(([name, one]) => [name, namesOf(one).join()])).toEqual([
      ["weighted", "10,9,control"],
      ["joined", "10,9,control,1"],
      ["without", "10,9"],
      ["put", "10,9,control"],
      ["copied", "10,9,control"],
    ])
    expect([edits.weighted, edits.joined, edits.without].every(isWhole)).toBe(true)
    const text = textOf(renamedVariant(document(NUMBERED), "control", "0"))
    expect(text).toBe(NUMBERED.replaceAll('"control"', '"0"'))
    expect(namesOf(splitting({ when: "true" }, ["10", "2"]).split ?? {})).toEqual(["10", "2"])
    expect(namesOf(retyped(document(NUMBERED).variants ?? {}, "string"))).toEqual(["10", "9", "control"])
  })

  test("has what is left out as the server adds it", () => {
    const short = whole({ rule: "true" })
    expect(short).toEqual({ ...newFlag(), rules: [{ id: "rule", when: "true", serve: "on" }] })
    expect(isPlain({ rule: "true", description: "words" })).toBe(true)
    expect(isPlain(document(NUMBERED))).toBe(false)
    expect(isPlain({ ...newFlag(), sticky: true })).toBe(false)
    expect(whole({ rules: [{ when: "true" }, { when: "false" }] }).rules?.map(({ id }) => id)).toEqual([
      "rule1",
      "rule2",
    ])
  })

  test.each([
    ["{", /JSON/],
    ["[]", /object/],
    ['{"rules": {}}', /\$\.rules is no list/],
    ['{"rules": [{"when": 1}]}', /\$\.rules\[0\]\.when is no text/],
    ['{"rules": [{"when": "true", "split": [1]}]}', /\$\.rules\[0\]\.split is no object/],
    ['{"variants": []}', /\$\.variants is no object/],
    ['{"schedule": [1]}', /\$\.schedule\[0\] is no object/],
  ])("that the form cannot show says why: %s", (text, why) => {
    expect(readDocument(text)).toMatch(why)
  })

  test("of two people keeps what each changed", () => {
    const base = document(NUMBERED)
    const theirs = { ...base, description: "theirs" }
    const mine = { ...base, enabled: false }
    expect(merged(base, theirs, mine)).toEqual({ document: { ...theirs, enabled: false }, clashes: [] })
    const split = (text: string) => ({ ...base, rules: [{ when: "true", split: parsed(text) as never }] })
    const both = merged(base, split('{"9":1,"10":2}'), split('{"10":2,"9":1}'))
    expect(both.clashes).toEqual(["rules"])
    expect(namesOf(both.document.rules?.[0]?.split ?? {})).toEqual(["10", "9"])
  })

  test("moves rules, names new ones, and knows which variants are named", () => {
    expect(moved(["a", "b", "c"], 2, 0)).toEqual(["c", "a", "b"])
    expect(moved(["a", "b", "c"], 0, 9)).toEqual(["b", "c", "a"])
    expect(freeId([{ id: "rule", when: "" }, { when: "" }])).toBe("rule3")
    expect([...variantsInUse(document(NUMBERED))].sort()).toEqual(["10", "9", "control"])
  })

  test("takes only values of its type", () => {
    expect(typedValue("integer", "1.5")).toBeUndefined()
    expect(typedValue("object", '{"2":1,"1":2}')).toBeDefined()
    expect(typedValue("object", "7")).toBeUndefined()
    expect(typedValue("float", "0.5")).toBe(0.5)
    expect(typedValue("string", "7")).toBe("7")
  })
})
