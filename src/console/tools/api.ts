/**
 * Writes the types of the console's requests and answers: `node tools/api.ts openapi.json > app/lib/api.ts`.
 *
 * A type is written if it is named here, or if one that is written names it. tests/e2e/console/test_console.py compares the
 * file with the server's document.
 */
import { readFile } from "node:fs/promises"

const NEEDED = [
  "Me",
  "Traits",
  "Segments",
  "Flags",
  "DefinitionVersions",
  "Impact",
  "Members",
  "ExplainedSource",
  "Search",
  "Journey",
  "Answers",
  "ProfilePage",
  "PeopleBody",
  "SavedReports",
  "Schedules",
  "Problem",
  "ActivePeople",
  "Backfills",
  "Figures",
  "FiguresHistory",
  "PolicyVersion",
  "PolicyVersions",
  "StaleFlags",
  "CreatedEnvironment",
  "Dictionary",
  "Discarded",
  "Environments",
  "EventPage",
  "Events",
  "ExportBody",
  "ExportLink",
  "ExportList",
  "Keys",
  "Letters",
  "NewKey",
  "PlanVersions",
  "PropertyPage",
  "Published",
  "RejectionCounts",
  "Rejections",
  "Replayed",
  "RevisionDetail",
  "Revisions",
  "RotatedKey",
  "Saved",
  "Sdks",
  "Explained",
  "FlagExposures",
  "Kills",
  "WholeLetter",
  "Differences",
  "Names",
  "PeopleBehind",
  "SavedSegment",
  "ReportDocument",
  "SavedVersions",
  "SegmentHistory",
  "SegmentTransitions",
  "Distribution",
  "AskedInWords",
  "ExportRequest",
  "Deleted",
  "Formatted",
  "Hover",
  "CheckedSource",
  "Preview",
  "Proposals",
  "Replay",
  "ProfileHistory",
  "IdentityGraph",
  "Merges",
  "MergeResult",
  "UnmergeResult",
  "RejectedClaims",
  "BlockedValues",
  "Erasures",
  "ErasureCheck",
  "Suppressions",
  "SuppressionChange",
  "Groups",
  "GroupMembers",
  "PolicyVersion",
  "IdentityPolicy",
  "AuditLog",
  "AvailableExports",
  "DownloadAddress",
  "EventCount",
  "ImportFiles",
  "Imports",
  "InspectedFile",
  "Deliveries",
  "DeliveryHealth",
  "Destinations",
  "DestinationVersions",
  "MadeMessage",
  "ReplayedDeliveries",
  "Secret",
  "Secrets",
  "Tested",
  "ReleasedRemovals",
  "SyncHealth",
  "SyncPreview",
  "SyncRecords",
  "SyncRemovals",
  "Syncs",
  "SyncVersions",
  "UndeliveredPage",
]

interface Schema {
  $ref?: string
  type?: string | string[]
  enum?: unknown[]
  const?: unknown
  oneOf?: Schema[]
  anyOf?: Schema[]
  allOf?: Schema[]
  items?: Schema
  prefixItems?: Schema[]
  properties?: Record<string, Schema>
  additionalProperties?: Schema | boolean
  required?: string[]
  description?: string
}

const document = JSON.parse(await readFile(process.argv[2] ?? "", "utf8")) as {
  components: { schemas: Record<string, Schema> }
}
const schemas = document.components.schemas
const written = new Map<string, string>()

function typeOf(schema: Schema): string {
  if (schema.$ref) return named(schema.$ref.split("/").at(-1) ?? "")
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ")
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  const choices = schema.oneOf ?? schema.anyOf
  if (choices) return [...new Set(choices.map(typeOf))].join(" | ")
  if (schema.allOf) return schema.allOf.map(typeOf).join(" & ")
  if (Array.isArray(schema.type)) return schema.type.map((type) => typeOf({ ...schema, type })).join(" | ")
  if (schema.prefixItems) return `[${schema.prefixItems.map(typeOf).join(", ")}]`
  if (schema.type === "array") return `Array<${typeOf(schema.items ?? {})}>`
  if (schema.type === "object" || schema.properties) return objectOf(schema)
  if (schema.type === "integer" || schema.type === "number") return "number"
  if (schema.type === "string" || schema.type === "boolean" || schema.type === "null") return schema.type
  return "unknown"
}

function objectOf(schema: Schema): string {
  if (!schema.properties) {
    const values = typeof schema.additionalProperties === "object" ? typeOf(schema.additionalProperties) : "unknown"
    return `Record<string, ${values}>`
  }
  const required = new Set(schema.required)
  const fields = Object.entries(schema.properties).map(([name, field]) => {
    const key = /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name)
    return `  ${key}${required.has(name) ? "" : "?"}: ${typeOf(field)}`
  })
  return `{\n${fields.join("\n")}\n}`
}

function named(name: string): string {
  const schema = schemas[name]
  if (!schema) throw new Error(`The server's document has no schema ${name}`)
  if (!written.has(name)) {
    written.set(name, "") // it may name itself
    written.set(name, `export type ${name} = ${typeOf(schema)}`)
  }
  return name
}

for (const name of NEEDED) named(name)
const types = [...written.keys()].sort().map((name) => written.get(name))
process.stdout.write(`// Written by tools/api.ts from the server's OpenAPI document.\n\n${types.join("\n\n")}\n`)
