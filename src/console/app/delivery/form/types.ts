/** What the document of each type of destination has, in the words of docs/reference/destinations.md. */

export interface FieldSpec {
  name: string
  label: string
  hint?: string
  /** variable: the name of one that has the value. lines: texts, one a line. json: a mapping. */
  kind: "text" | "number" | "variable" | "choice" | "tick" | "lines" | "json"
  options?: string[]
  /** What it is if it is left out. */
  usual?: unknown
  placeholder?: string
  /** It may have spaces within. */
  spaced?: boolean
  /** It has to be there. */
  needed?: boolean
}

const URL_: FieldSpec = {
  name: "url",
  label: "URL",
  hint: "Https, on a public address. It gets a POST for each message.",
  kind: "text",
  placeholder: "https://hooks.example.com/tinycdp",
  needed: true,
}

const VARIABLE = "DELIVERY_…"

const BUCKET: FieldSpec[] = [
  { name: "bucket", label: "Bucket", hint: "It has to exist.", kind: "text", needed: true },
  { name: "region", label: "Region", kind: "text", usual: "us-east-1" },
  { name: "endpoint", label: "Endpoint", hint: "Empty: AWS, in this region.", kind: "text", usual: "" },
  { name: "accessKey", label: "Variable with the access key", kind: "variable", placeholder: VARIABLE, needed: true },
  { name: "secretKey", label: "Variable with the secret key", kind: "variable", placeholder: VARIABLE, needed: true },
]

const PASSWORD: FieldSpec = {
  name: "password",
  label: "Variable with the password",
  hint: "Empty: none.",
  kind: "variable",
  placeholder: VARIABLE,
}

const AUTHORITY: FieldSpec = {
  name: "ca",
  label: "Variable with the certificates to trust",
  hint: "In PEM. Empty: those of the system.",
  kind: "variable",
  placeholder: VARIABLE,
}

const RECORD: FieldSpec = {
  name: "mapping",
  label: "Data of a record",
  hint: "A mapping. Empty: what a webhook says.",
  kind: "json",
  placeholder: '{"plan": {"expr": "profile.plan"}}',
}

/** The fields of each type, besides those that all have. */
export const FIELDS: Record<string, FieldSpec[]> = {
  webhook: [URL_],
  http: [
    {
      name: "method",
      label: "Method",
      kind: "choice",
      options: ["POST", "PUT", "PATCH", "DELETE", "GET"],
      usual: "POST",
    },
    {
      ...URL_,
      hint: "Https, on a public address. A place such as {email} is filled by a parameter.",
      placeholder: "https://api.example.com/v2/people/{email}",
    },
    {
      name: "parameters",
      label: "Parameters",
      hint: "A mapping for each place of the URL.",
      kind: "json",
      placeholder: '{"email": {"expr": "profile.email", "as": "lower_trim"}}',
    },
    {
      name: "mapping",
      label: "Body",
      hint: "A mapping of JSON. Empty: the body of a webhook.",
      kind: "json",
      placeholder: '{"plan": {"expr": "profile.plan"}}',
    },
    {
      name: "byType",
      label: "Different for one type",
      hint: "For a type of what happens: the method, url, parameters, mapping or success that are different.",
      kind: "json",
      placeholder: '{"segment.exited": {"method": "DELETE", "mapping": null}}',
    },
    {
      name: "success",
      label: "Statuses that mean delivered",
      hint: "Beside 2xx, as a list.",
      kind: "json",
      placeholder: "[404]",
    },
  ],
  smtp: [
    {
      name: "host",
      label: "Host",
      hint: "Of the server that sends it on.",
      kind: "text",
      placeholder: "smtp.example.com",
      needed: true,
    },
    { name: "port", label: "Port", kind: "number", usual: 587 },
    { name: "tls", label: "TLS", kind: "choice", options: ["starttls", "tls", "off"], usual: "starttls" },
    { name: "user", label: "User", kind: "text", usual: "" },
    PASSWORD,
    { name: "from", label: "From", kind: "text", spaced: true, placeholder: "Shop <hello@shop.example>", needed: true },
    {
      name: "mapping",
      label: "Message",
      hint: "A mapping of to, subject and text; perhaps html and replyTo.",
      kind: "json",
      placeholder: '{"to": {"expr": "profile.email"}, "subject": "Welcome", "text": "Hello!"}',
      needed: true,
    },
    AUTHORITY,
  ],
  postgres: [
    { name: "host", label: "Host", kind: "text", placeholder: "db.example.com", needed: true },
    { name: "port", label: "Port", kind: "number", usual: 5432 },
    { name: "database", label: "Database", kind: "text", needed: true },
    { name: "user", label: "User", kind: "text", needed: true },
    PASSWORD,
    { name: "schema", label: "Schema", kind: "text", usual: "public" },
    { name: "table", label: "Table", hint: "Made if it is not there.", kind: "text", usual: "tinycdp_happenings" },
    { name: "tls", label: "TLS", kind: "choice", options: ["verify", "off"], usual: "verify" },
    AUTHORITY,
    RECORD,
  ],
  clickhouse: [
    { ...URL_, hint: "Of its HTTP interface.", placeholder: "https://clickhouse.example.com:8443" },
    { name: "database", label: "Database", kind: "text", usual: "default" },
    { name: "table", label: "Table", hint: "Made if it is not there.", kind: "text", usual: "tinycdp_happenings" },
    { name: "user", label: "User", kind: "text", usual: "default" },
    PASSWORD,
    RECORD,
  ],
  s3: [
    ...BUCKET,
    { name: "prefix", label: "Names begin with", kind: "text", usual: "", placeholder: "tinycdp/vip/" },
    { name: "format", label: "Format", kind: "choice", options: ["parquet", "jsonl"], usual: "parquet" },
    RECORD,
  ],
  delta: [
    ...BUCKET,
    {
      name: "path",
      label: "Path of the table",
      hint: "Made if it is not there.",
      kind: "text",
      placeholder: "lake/happenings",
      needed: true,
    },
    RECORD,
  ],
  kafka: [
    {
      name: "brokers",
      label: "Brokers",
      hint: "One a line, as host:port. The operator names each.",
      kind: "lines",
      needed: true,
    },
    { name: "topic", label: "Topic", kind: "text", needed: true },
    { name: "tls", label: "Encrypted", hint: "By TLS.", kind: "tick", usual: true },
    { name: "user", label: "User", kind: "text", usual: "" },
    PASSWORD,
    {
      name: "mechanism",
      label: "How the user signs in",
      kind: "choice",
      options: ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"],
      usual: "SCRAM-SHA-512",
    },
    AUTHORITY,
    RECORD,
  ],
}

/** Which of what happens is sent. */
export const NARROWED: FieldSpec[] = [
  {
    name: "sample",
    label: "Share of people",
    hint: "From 0 to 1: always the same people.",
    kind: "number",
    usual: 1,
  },
]

/** Which messages are sent, of the type event. */
export const OF_EVENTS: FieldSpec[] = [
  {
    name: "eventNames",
    label: "Only events of these names",
    hint: "One a line. A page is page, a screen screen. Empty: all.",
    kind: "lines",
  },
  {
    name: "consent",
    label: "Purposes",
    hint: "One a line. A message that refuses one of them is left out.",
    kind: "lines",
  },
]

/** Types whose requests may have headers of their own. */
export const HEADED = ["webhook", "http"]

/** Whether a value has the shape that its field shows. */
export function fits({ kind }: FieldSpec, value: unknown): boolean {
  if (value === undefined || value === null) return true
  if (kind === "number") return typeof value === "number"
  if (kind === "tick") return typeof value === "boolean"
  if (kind === "lines") return Array.isArray(value) && value.every((one) => typeof one === "string")
  if (kind === "variable")
    return (
      typeof value === "object" && Object.keys(value).length === 1 && "env" in value && typeof value.env === "string"
    )
  return kind === "json" || typeof value === "string"
}

/** The first field that has to be there and is not; undefined if none is missing. */
export function missingField(type: string, document: Record<string, unknown>): FieldSpec | undefined {
  return FIELDS[type]?.find(({ name, needed }) => {
    const value = document[name]
    return needed && (value === undefined || value === "" || (Array.isArray(value) && value.length === 0))
  })
}
