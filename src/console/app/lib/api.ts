// Written by tools/api.ts from the server's OpenAPI document.

export type ActiveAnswer = {
  kind: "active"
  asOf?: string
  computedAt?: string
  zone?: string
  question?: TrendQuestion | ActiveQuestion | StickinessQuestion | FrequencyQuestion | FunnelQuestion | RetentionQuestion | LifecycleQuestion | SessionsQuestion | PathsQuestion | AdoptionQuestion | ImpactQuestion | ExperimentQuestion | null
  approximate?: string
  sampled?: Sampled
  warnings?: Array<Notice>
  buckets: Array<BucketSpan>
  lines: Array<ActiveLine>
}

export type ActiveCell = {
  kind: "active"
  days: number
  bucket?: string
}

export type ActiveLine = {
  days: number
  values: Array<number | null>
}

export type ActivePeople = {
  days: number
  people: number
  asOf: string
  warnings?: Array<Notice>
}

export type ActiveQuestion = {
  kind: "active"
  from?: string
  to?: string
  last?: string
  people?: string
  sample?: number
  approximate?: boolean
  event?: string | DerivedEvent
  where?: string
  bucket?: "hour" | "day" | "week" | "month" | "quarter" | "year"
  days?: Array<number>
}

export type AdoptionAnswer = {
  kind: "adoption"
  asOf?: string
  computedAt?: string
  zone?: string
  question?: TrendQuestion | ActiveQuestion | StickinessQuestion | FrequencyQuestion | FunnelQuestion | RetentionQuestion | LifecycleQuestion | SessionsQuestion | PathsQuestion | AdoptionQuestion | ImpactQuestion | ExperimentQuestion | null
  approximate?: string
  sampled?: Sampled
  warnings?: Array<Notice>
  buckets: Array<BucketSpan>
  rows: Array<AdoptionRow | null>
}

export type AdoptionCell = {
  kind: "adoption"
  bucket: string
  number?: "active" | "users" | "firstTime" | "ever"
}

export type AdoptionQuestion = {
  kind: "adoption"
  from?: string
  to?: string
  last?: string
  people?: string
  sample?: number
  approximate?: boolean
  feature: Matching
  active?: Matching
  bucket?: "hour" | "day" | "week" | "month" | "quarter" | "year"
}

export type AdoptionRow = {
  active: number
  users: number
  firstTime: number
  ever: number
  rate: number | null
}

export type AllowedRule = {
  path: string
  values: Array<string | number | boolean>
  action?: "warn" | "reject"
}

export type Alternative = {
  question: TrendQuestion | ActiveQuestion | StickinessQuestion | FrequencyQuestion | FunnelQuestion | RetentionQuestion | LifecycleQuestion | SessionsQuestion | PathsQuestion | AdoptionQuestion | ImpactQuestion | ExperimentQuestion
  text: string
}

export type Answer = {
  flag: string
  allow: boolean
  variant: string
  value: unknown
  reason: string
  reasons: Array<string>
  userId: string | null
  profileId: string | null
  revision: number
  version: number
  validUntil: string | null
  explanation?: FlagExplanation
}

export type Answers = {
  flags: Record<string, Answer>
  errors: Record<string, string>
  revision: number
}

export type Arm = {
  variant: string
  weight: number
  units: number
  expected: number
}

export type AskedInWords = {
  question: TrendQuestion | ActiveQuestion | StickinessQuestion | FrequencyQuestion | FunnelQuestion | RetentionQuestion | LifecycleQuestion | SessionsQuestion | PathsQuestion | AdoptionQuestion | ImpactQuestion | ExperimentQuestion | null
  text: string
  understood: Array<products_analytics_routes_schemas_Span>
  ignored: Array<products_analytics_routes_schemas_Span>
  assumed: Array<string>
  alternatives: Array<Alternative>
  missing: string
  answer: TrendAnswer | ActiveAnswer | StickinessAnswer | FrequencyAnswer | FunnelAnswer | RetentionAnswer | LifecycleAnswer | SessionsAnswer | PathsAnswer | AdoptionAnswer | ImpactAnswer | ExperimentAnswer | null
}

export type AuditEntry = {
  at: string
  kind: "revision" | "flag" | "analytics" | "destination" | "sync" | "policy" | "plan" | "key" | "merge" | "erasure" | "import" | "export"
  action: string
  id: string
  name: string
  author: string | null
  note: string
}

export type AuditLog = {
  entries: Array<AuditEntry>
  next: string | null
}

export type AvailableExport = {
  downloadUrl: string
  filename: string
  userCount: number
  asOf: string
  name: string
  etag: string
  size?: number | null
}

export type AvailableExports = {
  exports: Array<AvailableExport>
}

export type Backfill = {
  revision: number
  startedAt: string
  finishedAt: string | null
  status: string
  progress: BackfillProgress
}

export type BackfillProgress = {
  done: number
  total: number
  ratePerSecond: number | null
  secondsLeft: number | null
}

export type Backfills = {
  backfills: Array<Backfill>
}

export type BatchLimits = {
  rows?: number | null
  seconds?: number | null
}

export type Before = {
  buckets: Array<BucketSpan>
  values: Array<number | null>
  total: number | null
}

export type Bin = {
  start: unknown
  end: unknown
  profiles: number
}

export type BlockedValue = {
  kind: string
  value: string
  messages: number
  firstAt: string
  lastAt: string
}

export type BlockedValues = {
  blocked: Array<BlockedValue>
}

export type Booleans = {
  true: number
  false: number
}

export type Breakdown = {
  property?: string
  profile?: string
  group?: string
  context?: string
  segment?: string
  at?: "event" | "now"
  bins?: Array<number>
}

export type Broken = {
  kind: string
  key: string
  code: string
  message: string
}

export type BucketSpan = {
  start: string
  end: string
  complete: boolean
}

export type BusinessHours = {
  opens?: number
  closes?: number
  weekdays?: Array<number>
}

export type CellGroup = {
  kind?: "value" | "other" | "unknown"
  values?: Array<unknown>
}

export type Changed = {
  action: string
  kind: string
  key: string
  was: string | null
  version: number
  sameMeaning: boolean
  fields: Array<Field>
  text: string
  before: api_definitions_schemas_SegmentBody | FlagBody | null
  after: api_definitions_schemas_SegmentBody | FlagBody | null
}

export type CheckedSource = {
  valid: boolean
  type: string
  nullable: boolean
  canonical: string | null
  cost: Cost
  diagnostics: Array<Diagnostic>
  terms: Array<Term>
}

export type ClickHouseDocument = {
  type: "clickhouse"
  key?: string
  name?: string
  description?: string
  events?: Array<"segment.entered" | "segment.exited" | "profile.merged" | "profile.unmerged" | "flag.changed" | "event">
  segments?: Array<string>
  where?: string
  eventNames?: Array<string>
  sample?: number
  consent?: Array<string>
  paused?: boolean
  batch?: BatchLimits
  mapping?: Record<string, unknown> | null
  url: string
  database?: string
  table?: string
  user?: string
  password?: SecretVariable | null
}

export type Cohort = {
  bucket: BucketSpan
  people: number
  cells: Array<RetentionCell>
}

export type ConsentRule = {
  categories: Array<string>
  event?: string
}

export type Cost = {
  stateBytes: number
  wakeupsPerDay: number
  nodes: number
}

export type CreatedEnvironment = {
  id: number
  key: string
  zone: string
  adminKey: NewKey
}

export type DashboardDocument = {
  key?: string
  name?: string
  description?: string
  tiles?: Array<Tile>
}

export type DayCount = {
  day: string
  variant: string
  rule: string | null
  units: number
}

export type DayOfType = {
  day: string
  type: string
  n: number
  share: number
}

export type DefaultBody = {
  serve: string
}

export type DefinitionExplanation = {
  kind: string
  key: string
  type: string
  value: unknown
  until: string | null
  backfilling: boolean
  sentence: string
  tree: ExpressionNode
}

export type DefinitionTotal = {
  definitionCount: number
}

export type DefinitionVersions = {
  versions: Array<Version>
}

export type DefinitionWarnings = {
  kind: string
  key: string
  diagnostics: Array<Diagnostic>
}

export type Deleted = {
  key: string
  revision: number
  backfilling: boolean
  dryRun: boolean
}

export type Deliveries = {
  deliveries: Array<Delivery>
  next: number | null
}

export type Delivery = {
  id: number
  webhookId: string | null
  seq: number | null
  type: string | null
  profileId: string | null
  attempt: number
  at: string
  durationMs: number
  status: number | null
  error: string
  answer: string
  records: number | null
}

export type DeliveryHealth = {
  destinations: Array<DestinationHealth>
}

export type DeltaDocument = {
  type: "delta"
  key?: string
  name?: string
  description?: string
  events?: Array<"segment.entered" | "segment.exited" | "profile.merged" | "profile.unmerged" | "flag.changed" | "event">
  segments?: Array<string>
  where?: string
  eventNames?: Array<string>
  sample?: number
  consent?: Array<string>
  paused?: boolean
  batch?: BatchLimits
  mapping?: Record<string, unknown> | null
  bucket: string
  region?: string
  endpoint?: string
  accessKey: SecretVariable
  secretKey: SecretVariable
  path: string
}

export type Dependent = {
  kind: string
  key: string
}

export type DerivedEvent = {
  any?: Array<Matching>
  derived?: string
}

export type Destination = {
  key: string
  version: number
  name: string
  description: string
  document: WebhookDocument | HttpDocument | SmtpDocument | PostgresDocument | ClickHouseDocument | S3Document | DeltaDocument | KafkaDocument
  savedAt: string
  savedBy: string
  note: string
}

export type DestinationHealth = {
  key: string
  state: string
  reason: string
  behind: number
  lagSeconds: number
  waiting: number
  nextAt: string | null
  undelivered: number
  delivered: number
  failed: number
  probeAt: string | null
  failingSince: string | null
  lastSuccessAt: string | null
  lastFailureAt: string | null
  lastFailure: string
  lapsedAt: string | null
  timestamp: string
}

export type DestinationVersion = {
  version: number
  key: string
  document: WebhookDocument | HttpDocument | SmtpDocument | PostgresDocument | ClickHouseDocument | S3Document | DeltaDocument | KafkaDocument | null
  savedAt: string
  savedBy: string
  note: string
}

export type DestinationVersions = {
  versions: Array<DestinationVersion>
}

export type Destinations = {
  destinations: Array<Destination>
}

export type Diagnostic = {
  code: string
  severity: "error" | "warning"
  span: api_definitions_schemas_Span
  message: string
  fixes: Array<Fix>
  path?: string
}

export type Dictionary = {
  properties: Array<DictionaryEntry>
  next: string | null
}

export type DictionaryEntry = {
  name: string
  type: string | null
  types: Array<TypeCount>
  example: unknown
  planned: boolean
  events: number
  uses: Array<PropertyUse>
  conflicts: Array<TypeConflict>
  firstSeen: string | null
  lastSeen: string | null
}

export type Differences = {
  from: number
  to: number
  changes: Array<Changed>
}

export type Discarded = {
  discarded: number
  dryRun: boolean
}

export type Distribution = {
  trait: string
  type: string
  asOf: string
  revision: number
  backfilling: boolean
  lookedAt: number
  profiles: number
  sampled: boolean
  unknown: number
  kinds: Record<string, number>
  spreads: Array<Spread>
  booleans: Booleans | null
  texts: Texts | null
}

export type DownloadAddress = {
  url: string
  until: string
}

export type Draft = {
  kind: string
  key: string
  diagnostics: Array<Diagnostic>
  cost: Cost
}

export type EnrichmentPolicy = {
  userAgent?: boolean
  country?: boolean
  city?: boolean
  campaign?: boolean
  referrer?: boolean
  localTime?: boolean
  businessHours?: BusinessHours | null
  storeIp?: boolean
}

export type Environments = {
  environments: Array<ListedEnvironment>
}

export type Erasure = {
  id: string | null
  profiles: number
  identifiers: number
  counts: Record<string, number>
  digests: Array<string>
  profileIds: Array<string>
  note: string
  erasedAt: string
  erasedBy: string
  dryRun?: boolean
  kind?: "erasure" | "anonymization"
}

export type ErasureCheck = {
  clean: boolean
  found: Array<ErasureTrace>
}

export type ErasureTrace = {
  table: string
  rows: number
}

export type Erasures = {
  erasures: Array<Erasure>
  next: string | null
}

export type Event = {
  id: string
  type: string
  event: string
  messageId: string
  timestamp: string
  receivedAt: string
  properties: Record<string, unknown>
  context: Record<string, unknown>
  target: string | null
  future: boolean
  by: api_profiles_schemas_IdentifierRef
  profileId: string
  warnings: Array<Warned>
}

export type EventCount = {
  count: number
  people: number
  asOf: string
  warnings?: Array<Notice>
}

export type EventDocument = {
  key?: string
  name?: string
  description?: string
  any: Array<Matching>
}

export type EventPage = {
  event: EventSummary
  versions: Array<EventVersion>
  hours: Array<Volume>
  days: Array<Volume>
  properties: Array<PropertySummary>
  sdks: Array<Sdk>
  plan: PlanEntry | null
  violations: Array<Violation>
  overflow: number
}

export type EventRead = {
  event: string | null
  properties: Array<string>
}

export type EventSummary = {
  name: string
  versionOf: string | null
  version: number | null
  state: "active" | "silent" | "planned" | "experimental" | "deprecated" | "blocked"
  planned: boolean
  description: string
  owner: string
  visible: boolean
  firstSeen: string | null
  lastSeen: string | null
  total: number
  today: number
  lately: number
  properties: number
  likelyMisspellingOf: string | null
  remedy: string | null
}

export type EventVersion = {
  name: string
  version: number | null
  planned: boolean
  total: number
  lately: number
  firstSeen: string | null
  lastSeen: string | null
  sdks: Array<VersionSdk>
  added: Array<string>
  removed: Array<string>
  changed: Array<TypeChange>
}

export type Events = {
  events: Array<EventSummary>
  overflow: number
}

export type Example = {
  profileId: string
  identifiers: Array<api_profiles_schemas_IdentifierRef>
  why?: string | null
}

export type Exclusion = {
  event: string | DerivedEvent
  where?: string
  after?: Array<number>
}

export type ExclusionBody = {
  group: string
  from: number
  to: number
}

export type ExperimentAnswer = {
  kind: "experiment"
  asOf?: string
  computedAt?: string
  zone?: string
  question?: TrendQuestion | ActiveQuestion | StickinessQuestion | FrequencyQuestion | FunnelQuestion | RetentionQuestion | LifecycleQuestion | SessionsQuestion | PathsQuestion | AdoptionQuestion | ImpactQuestion | ExperimentQuestion | null
  approximate?: string
  sampled?: Sampled
  warnings?: Array<Notice>
  flag: string
  control: string
  sampleRatio: products_analytics_answers_schemas_SampleRatio
  variants: Array<VariantUnits>
  metrics: Array<MetricResult>
}

export type ExperimentCell = {
  kind: "experiment"
  variant: string
  metric?: number | null
  number?: "units" | "crossovers" | "open" | "conversions"
}

export type ExperimentMetric = {
  event?: string | DerivedEvent
  where?: string
  measure?: "conversion" | "count" | "sum"
  property?: string
  within?: string
  metric?: string
  name?: string
}

export type ExperimentQuestion = {
  kind: "experiment"
  from?: string
  to?: string
  last?: string
  people?: string
  sample?: number
  approximate?: boolean
  flag: string
  metrics: Array<ExperimentMetric>
  control?: string
}

export type Explained = {
  sentence: string
  definition: DefinitionExplanation | null
  flag: FlagExplanation | null
  profileId: string | null
  version: number
  revision: number
  stale: boolean
  zone: string
  asOf: string
  tense: "past" | "now" | "future"
  draft: boolean
  skipped: Array<SkippedEvents> | null
}

export type ExplainedPart = {
  from: number
  to: number
  text: string
  parts?: Array<ExplainedPart>
  path?: string | null
}

export type ExplainedSource = {
  valid: boolean
  text: string | null
  tree: Array<ExplainedPart>
  reads: SourceReads
  changes: Array<string>
  unknown: Array<string>
  cost: Cost
  diagnostics: Array<Diagnostic>
}

export type ExportBody = {
  what: "segment" | "profiles" | "events"
  segment?: string
  columns?: Array<string> | null
  traits?: Array<string>
  events?: Array<string>
  from?: string | null
  to?: string | null
  last?: string | null
  format?: "csv" | "json" | "jsonl" | "xlsx" | "parquet"
  raw?: boolean
}

export type ExportFault = {
  code: string
  message: string
}

export type ExportJob = {
  id: number
  status: "waiting" | "running" | "done" | "failed" | "canceled" | "removed"
  name: string
  format: "csv" | "json" | "jsonl" | "xlsx" | "parquet"
  request: ExportBody
  rows: number
  total: number | null
  share: number
  size: number | null
  asOf: string | null
  author: string
  schedule: string | null
  createdAt: string
  startedAt: string | null
  finishedAt: string | null
  expiresAt: string | null
  note: string
  error: ExportFault | null
}

export type ExportLink = {
  url: string
  until: string
}

export type ExportList = {
  exports: Array<ExportJob>
  next: number | null
}

export type ExportRequest = {
  question: TrendQuestion | ActiveQuestion | StickinessQuestion | FrequencyQuestion | FunnelQuestion | RetentionQuestion | LifecycleQuestion | SessionsQuestion | PathsQuestion | AdoptionQuestion | ImpactQuestion | ExperimentQuestion
  format?: "csv" | "json" | "xlsx" | "parquet" | "png"
  id?: string
}

export type ExpressionNode = {
  kind: string
  text: string
  start: number
  end: number
  type: string
  value: unknown
  until: string | null
  backfilling?: boolean
  decides?: boolean | null
  window?: WindowContents | null
  inside?: DefinitionExplanation | null
  parts?: Array<ExpressionNode>
}

export type Field = {
  path: string
  before: unknown
  after: unknown
}

export type Figure = {
  value: number
  exact: boolean
}

export type Figures = {
  profiles: Figure
  events: Figure
  memberships: Figure
  eventsPerSecond: number
  rejected: Record<string, number>
  merges: number
  rejectedClaims: number
  overdueWakeups: number
  lagMs: number
  ingestQueue: number
  cachedProfiles: number
  databaseAway: boolean
  revision: number
  headRevision: number
  backfill: BackfillProgress | null
  asOf: string
  metrics: Totals
  timestamp: string
}

export type FiguresHistory = {
  minutes: Array<MinuteFigures>
  asOf: string
}

export type Fix = {
  title: string
  edits: Array<TextEdit>
}

export type Flag = {
  key: string
  description: string
  version: number
  status: string
  type: string
  usedBy: Array<NamedDefinition>
  updatedAt: string
  updatedBy: string
  progress?: BackfillProgress | null
  diagnostics?: Array<Diagnostic>
  cost?: Cost
  revision?: number
  backfilling?: boolean
  enabled: boolean
  archived: boolean
  killed: boolean
  rule: string | null
  document: FlagBody
  exposures?: RecentExposures | null
}

export type FlagBody = {
  key?: string
  rule?: string
  type?: string
  variants?: Record<string, unknown>
  offVariant?: string
  default?: DefaultBody | null
  enabled?: boolean
  prerequisites?: Array<PrerequisiteBody>
  holdouts?: Array<string>
  overrides?: Array<OverrideBody>
  rules?: Array<RuleBody>
  schedule?: Array<StepBody>
  schema?: Record<string, unknown>
  stickyFor?: string
  sticky?: boolean
  evaluation?: "server" | "client"
  archived?: boolean
  metadata?: Record<string, unknown>
  description?: string
  salt?: string
}

export type FlagExplanation = {
  flag: string
  sentence: string
  enabled: boolean
  killed: string | null
  variant: string
  reason: string
  unit: string | null
  prerequisites: Array<PrerequisiteExplanation>
  holdouts: Array<PrerequisiteExplanation>
  overrides: Array<Override>
  rules: Array<RuleExplanation>
  default: string
  revision: number
  until: string | null
  changesAt: string | null
  skipped: Array<SkippedEvents> | null
}

export type FlagExposures = {
  flag: string
  from: string
  to: string
  units: number
  crossovers: number
  variants: Array<Share>
  days: Array<DayCount>
  sampleRatio: Array<api_exposures_schemas_SampleRatio>
  asOf: string
}

export type FlagPreview = {
  key: string | null
  was: string | null
  moves: Array<VariantMove>
}

export type Flags = {
  flags: Array<Flag>
  revision: number
}

export type Formatted = {
  formatted: string | null
  diagnostics: Array<Diagnostic>
}

export type FrequencyAnswer = {
  kind: "frequency"
  asOf?: string
  computedAt?: string
  zone?: string
  question?: TrendQuestion | ActiveQuestion | StickinessQuestion | FrequencyQuestion | FunnelQuestion | RetentionQuestion | LifecycleQuestion | SessionsQuestion | PathsQuestion | AdoptionQuestion | ImpactQuestion | ExperimentQuestion | null
  approximate?: string
  sampled?: Sampled
  warnings?: Array<Notice>
  people: number
  rows: Array<FrequencyRow>
}

export type FrequencyCell = {
  kind: "frequency"
  least?: number | null
}

export type FrequencyQuestion = {
  kind: "frequency"
  from?: string
  to?: string
  last?: string
  people?: string
  sample?: number
  approximate?: boolean
  event: string | DerivedEvent
  where?: string
  edges?: Array<number>
}

export type FrequencyRow = {
  least: number
  most: number | null
  people: number
}

export type FromVariable = {
  env: string
  prefix?: string
}

export type FunnelAnswer = {
  kind: "funnel"
  asOf?: string
  computedAt?: string
  zone?: string
  question?: TrendQuestion | ActiveQuestion | StickinessQuestion | FrequencyQuestion | FunnelQuestion | RetentionQuestion | LifecycleQuestion | SessionsQuestion | PathsQuestion | AdoptionQuestion | ImpactQuestion | ExperimentQuestion | null
  approximate?: string
  sampled?: Sampled
  warnings?: Array<Notice>
  groups: Array<FunnelGroup>
  trend?: Array<FunnelTrend>
}

export type FunnelCell = {
  kind: "funnel"
  group?: CellGroup | null
  bucket?: string
  step?: number | null
  status?: "reached" | "converted" | "in_progress" | "excluded" | "dropped"
  leastMs?: number | null
}

export type FunnelGroup = {
  group: products_analytics_answers_schemas_Group | null
  reached: number
  converted: number
  inProgress: number
  excluded: number
  dropped: number
  rate: number | null
  medianMs: number | null
  steps: Array<FunnelStep>
  times?: Array<HistogramBin>
}

export type FunnelQuestion = {
  kind: "funnel"
  from?: string
  to?: string
  last?: string
  people?: string
  sample?: number
  approximate?: boolean
  steps: Array<Step>
  within?: string
  order?: "ordered" | "strict" | "any"
  exclude?: Array<Exclusion>
  hold?: Array<string>
  breakdown?: Breakdown | Array<Breakdown>
  attribution?: string
  top?: number
  bucket?: "hour" | "day" | "week" | "month" | "quarter" | "year" | ""
}

export type FunnelStep = {
  name: string
  reached: number
  inProgress: number
  excluded: number
  dropped: number
  rate: number | null
  fromPrevious: number | null
  medianMs: number | null
  times?: Array<HistogramBin>
}

export type FunnelTrend = {
  bucket: BucketSpan
  groups: Array<FunnelGroup>
}

export type GraphEdge = {
  from: string
  to: string
  kind: "claim" | "join"
  state: "holds" | "beaten" | "apart"
  saidAt: string
  messageId: string | null
  linkedAt: string
  apartAt: string | null
}

export type GraphNode = {
  id: string
  kind: string
  value: string
  profileId: string
  firstSeen: string
  outside?: boolean
}

export type GroupMembers = {
  members: Array<ProfileSummary>
  next: string | null
}

export type Groups = {
  groups: Array<api_profiles_schemas_Group>
  next: string | null
}

export type HistogramBin = {
  leastMs: number
  belowMs: number
  people: number
}

export type HistoryChange = {
  at: string
  kind: string
  key: string
  before: unknown
  after: unknown
  cause: string
  messages: Array<HistoryMessage>
}

export type HistoryMessage = {
  messageId: string
  type: string
  event: string
}

export type HourCount = {
  hour: string
  keyId: number | null
  key: string | null
  code: string
  messages: number
  repeats: number
}

export type Hover = {
  from: number
  to: number
  markdown: string | null
  type: string | null
}

export type HttpDocument = {
  type: "http"
  key?: string
  name?: string
  description?: string
  events?: Array<"segment.entered" | "segment.exited" | "profile.merged" | "profile.unmerged" | "flag.changed" | "event">
  segments?: Array<string>
  where?: string
  eventNames?: Array<string>
  sample?: number
  consent?: Array<string>
  paused?: boolean
  rate?: number
  concurrency?: number
  method?: "POST" | "PUT" | "PATCH" | "DELETE" | "GET"
  url: string
  parameters?: Record<string, unknown>
  headers?: Record<string, string | FromVariable>
  mapping?: unknown
  success?: Array<number>
  byType?: Record<string, HttpVariant>
}

export type HttpVariant = {
  method?: "POST" | "PUT" | "PATCH" | "DELETE" | "GET"
  url?: string
  parameters?: Record<string, unknown>
  mapping?: unknown
  success?: Array<number>
}

export type IdentifierPair = {
  one: api_profiles_schemas_IdentifierRef
  other: api_profiles_schemas_IdentifierRef
}

export type IdentityGraph = {
  profileId: string
  bucketingKey: string
  nodes: Array<GraphNode>
  edges: Array<GraphEdge>
  merges: Array<Merge>
  splits: Array<Split>
  rejectedClaims: Array<RejectedClaim>
}

export type IdentityPolicy = {
  kinds?: Array<KindPolicy>
}

export type Impact = {
  kind: string
  key: string
  usedBy: Array<NamedDefinition>
  reaches: Array<NamedDefinition>
  uses: Array<NamedDefinition>
  needs: Array<NamedDefinition>
  events: Array<EventRead>
  properties: Array<string>
  revision: number
}

export type ImpactAnswer = {
  kind: "impact"
  asOf?: string
  computedAt?: string
  zone?: string
  question?: TrendQuestion | ActiveQuestion | StickinessQuestion | FrequencyQuestion | FunnelQuestion | RetentionQuestion | LifecycleQuestion | SessionsQuestion | PathsQuestion | AdoptionQuestion | ImpactQuestion | ExperimentQuestion | null
  approximate?: string
  sampled?: Sampled
  warnings?: Array<Notice>
  users: ImpactSide
  others: ImpactSide
  unfinished: number
  difference: number | null
  interval: [number | null, number | null]
}

export type ImpactCell = {
  kind: "impact"
  number?: "users" | "others" | "unfinished"
}

export type ImpactQuestion = {
  kind: "impact"
  from?: string
  to?: string
  last?: string
  people?: string
  sample?: number
  approximate?: boolean
  feature: Matching
  outcome: Matching
  measure?: "count" | "sum"
  property?: string
  within?: string
}

export type ImpactSide = {
  people: number
  before: number | null
  after: number | null
}

export type ImportColumn = {
  name: string
  field: string | null
}

export type ImportFileInfo = {
  name: string
  form: "jsonl" | "csv" | "parquet" | null
  size: number
  modifiedAt: string
}

export type ImportFiles = {
  folder: string
  files: Array<ImportFileInfo>
}

export type ImportMapping = {
  columns: Record<string, string>
  fixed: Record<string, string>
  text: Array<string>
}

export type ImportProgress = {
  id: string
  name: string
  form: string
  status: "running" | "interrupted" | "failed" | "done"
  rows: number
  share: number
  accepted: number
  duplicates: number
  rejected: number
  author: string
  startedAt: string
  advancedAt: string
  finishedAt: string | null
  error: string | null
  rate?: number | null
}

export type Imports = {
  imports: Array<ImportProgress>
}

export type InspectedFile = {
  form: "jsonl" | "csv" | "parquet"
  columns: Array<ImportColumn>
  mapping: ImportMapping
  fields: Array<string>
  problem: string | null
  rows: Array<InspectedRow>
  read: number
  rejected: number
  rejectedRows: Array<InspectedRow>
  complete: boolean
}

export type InspectedRow = {
  line: number
  cells: Record<string, string | null> | null
  text: string | null
  message: Record<string, unknown> | null
  code: string | null
  why: string | null
}

export type Journey = {
  events: Array<Event>
  next: string | null
}

export type KafkaDocument = {
  type: "kafka"
  key?: string
  name?: string
  description?: string
  events?: Array<"segment.entered" | "segment.exited" | "profile.merged" | "profile.unmerged" | "flag.changed" | "event">
  segments?: Array<string>
  where?: string
  eventNames?: Array<string>
  sample?: number
  consent?: Array<string>
  paused?: boolean
  batch?: BatchLimits
  mapping?: Record<string, unknown> | null
  brokers: Array<string>
  topic: string
  tls?: boolean
  user?: string
  password?: SecretVariable | null
  mechanism?: "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512"
  ca?: SecretVariable | null
}

export type KeyLimits = {
  key: number
  requests?: Rate | null
  events?: Rate | null
}

export type Keys = {
  keys: Array<ListedKey>
}

export type Kill = {
  killedAt: string
  killedBy: string
  note: string
  revivedAt: string | null
  revivedBy: string | null
}

export type Kills = {
  key: string
  killed: boolean
  kills: Array<Kill>
}

export type KindPolicy = {
  kind: string
  limit?: number | null
  newLimit?: number | null
  newSeconds?: number
  claims?: Array<string> | null
  blocked?: Array<string>
}

export type Labelled = {
  label: string | null
  sessions: number
}

export type Letter = {
  id: string
  code: string
  error: string
  type: string | null
  event: string | null
  messageId: string | null
  key: string | null
  attempts: number
  firstFailedAt: string
  lastFailedAt: string
}

export type Letters = {
  deadLetters: Array<Letter>
  next: string | null
}

export type LifecycleAnswer = {
  kind: "lifecycle"
  asOf?: string
  computedAt?: string
  zone?: string
  question?: TrendQuestion | ActiveQuestion | StickinessQuestion | FrequencyQuestion | FunnelQuestion | RetentionQuestion | LifecycleQuestion | SessionsQuestion | PathsQuestion | AdoptionQuestion | ImpactQuestion | ExperimentQuestion | null
  approximate?: string
  sampled?: Sampled
  warnings?: Array<Notice>
  buckets: Array<BucketSpan>
  rows: Array<LifecycleRow>
}

export type LifecycleCell = {
  kind: "lifecycle"
  bucket: string
  number: "new" | "returning" | "resurrecting" | "dormant"
}

export type LifecycleQuestion = {
  kind: "lifecycle"
  from?: string
  to?: string
  last?: string
  people?: string
  sample?: number
  approximate?: boolean
  event?: string | DerivedEvent
  where?: string
  bucket?: "hour" | "day" | "week" | "month" | "quarter" | "year"
}

export type LifecycleRow = {
  new: number | null
  returning: number | null
  resurrecting: number | null
  dormant: number | null
}

export type Lifetime = {
  firstSeen: string | null
  lastSeen: string | null
  firstEvent: string | null
  lastEvent: string | null
  events: number
  activeDays: number
  sessions: number
  revenue: number | null
}

export type Limits = {
  requests?: Rate | null
  events?: Rate | null
  keys?: Array<KeyLimits>
  profileEventsPerMinute?: number | null
  sampling?: Array<Sampling>
}

export type Line = {
  series: string
  name: string
  group: products_analytics_answers_schemas_Group | null
  values: Array<number | null>
  total: number | null
  before?: Before | null
}

export type ListedEnvironment = {
  id: number
  key: string
  zone: string
  revision: number | null
  current: boolean
}

export type ListedKey = {
  id: number
  name: string
  prefix: string
  scopes: Array<string>
  origins: Array<string>
  createdAt: string
  expiresAt: string | null
  lastUsedAt: string | null
  replacedBy: number | null
  revokedAt: string | null
}

export type ListedRevision = {
  revision: number
  author: string
  note: string
  publishedAt: string
  liveAt: string | null
  changed: Array<NamedChange>
  more: number
}

export type LoggedRejection = {
  id: string
  code: string
  message: string
  path: string
  payload: string
  key: string | null
  receivedAt: string
  times: number
  lastReceivedAt: string
}

export type MadeMessage = {
  webhookId: string
  type: string
  method: string
  url: string
  headers: Record<string, string>
  body: unknown
}

export type Matching = {
  event: string | DerivedEvent
  where?: string
}

export type Me = {
  key: OwnKey
  environment: OwnEnvironment
  abilities: Array<string>
  version?: string
}

export type Member = {
  id: string
  identifiers: Array<api_profiles_schemas_IdentifierRef>
  properties: Record<string, unknown>
  firstSeen: string | null
  lastSeen: string | null
  enteredAt: string
}

export type Members = {
  members: Array<Member>
  next: string | null
  asOf: string
  total: number | null
}

export type Membership = {
  key: string
  since: string | null
  until: string | null
}

export type Merge = {
  id: string
  survivor: string
  absorbed: string
  cause: string
  by: Array<api_profiles_schemas_IdentifierRef>
  messageId: string | null
  mergedAt: string
  author: string | null
  note: string
  moved: Array<api_profiles_schemas_IdentifierRef>
  undoneAt: string | null
  undoneBy: string | null
  undoNote: string
}

export type MergeResult = {
  survivor: string
  merges: Array<string>
  moved: Array<api_profiles_schemas_IdentifierRef>
  conflicts: Array<PropertyConflict>
  before: Array<ProfileState>
  after: ProfileState
  dryRun: boolean
}

export type Merges = {
  merges: Array<Merge>
  next: string | null
}

export type MetricDocument = {
  key?: string
  name?: string
  description?: string
  event: string | DerivedEvent
  where?: string
  measure?: string | PerPerson
  property?: string
  within?: string
}

export type MetricResult = {
  name: string
  measure: string
  variants: Array<VariantResult>
}

export type MinuteFigures = {
  at: string
  accepted: number
  duplicates: number
  rejected: number
  decisions: number
  ingestP50Ms: number | null
  ingestP99Ms: number | null
  lagMs: number | null
}

export type NamedChange = {
  kind: string
  key: string
  action: string
}

export type NamedDefinition = {
  kind: string
  key: string
}

export type Names = {
  events: Record<string, Array<string>>
  profile: Array<string>
  group: Array<string>
}

export type Naming = {
  events?: "any" | "snake_case" | "camelCase" | "PascalCase" | "kebab-case" | "dot.separated" | "Title Case" | "Sentence case"
  properties?: "any" | "snake_case" | "camelCase" | "PascalCase" | "kebab-case" | "dot.separated" | "Title Case" | "Sentence case"
  unplanned?: boolean
  rewrite?: boolean
  aliases?: Record<string, string>
}

export type NewKey = {
  id: number
  key: string
  prefix: string
  name: string
  scopes: Array<string>
  origins: Array<string>
  expiresAt: string | null
}

export type Notice = {
  path: string
  message: string
}

export type Override = {
  serve: string
  profile?: string | null
  identifier?: engine_flags_document_IdentifierRef | null
  segment?: string | null
}

export type OverrideBody = {
  serve: string
  profile?: string
  identifier?: api_profiles_schemas_IdentifierRef | null
  segment?: string
}

export type OwnEnvironment = {
  id: number
  key: string
  zone: string
  revision: number
}

export type OwnKey = {
  id: number
  name: string
  prefix: string
  scopes: Array<string>
  expiresAt: string | null
}

export type PathLink = {
  step: number
  source: string
  target: string | null
  sessions: number
  other?: boolean
}

export type PathsAnswer = {
  kind: "paths"
  asOf?: string
  computedAt?: string
  zone?: string
  question?: TrendQuestion | ActiveQuestion | StickinessQuestion | FrequencyQuestion | FunnelQuestion | RetentionQuestion | LifecycleQuestion | SessionsQuestion | PathsQuestion | AdoptionQuestion | ImpactQuestion | ExperimentQuestion | null
  approximate?: string
  sampled?: Sampled
  warnings?: Array<Notice>
  sessions: number
  links: Array<PathLink>
}

export type PathsCell = {
  kind: "paths"
  step?: number | null
  source?: string
  target?: string | null
  other?: boolean
}

export type PathsQuestion = {
  kind: "paths"
  from?: string
  to?: string
  last?: string
  people?: string
  sample?: number
  approximate?: boolean
  start?: string
  end?: string
  label?: string
  group?: Array<string>
  without?: Array<string>
  depth?: number
  gap?: string
  top?: number
}

export type PeopleBehind = {
  asOf: string
  total: number
  people: Array<ProfileSummary>
  next: number | null
}

export type PeopleBody = {
  question: TrendQuestion | ActiveQuestion | StickinessQuestion | FrequencyQuestion | FunnelQuestion | RetentionQuestion | LifecycleQuestion | SessionsQuestion | PathsQuestion | AdoptionQuestion | ImpactQuestion | ExperimentQuestion
  cell: TrendCell | ActiveCell | StickinessCell | FrequencyCell | FunnelCell | RetentionCellOf | LifecycleCell | SessionsCell | PathsCell | AdoptionCell | ImpactCell | ExperimentCell
  limit?: number
  after?: number
}

export type PerPerson = {
  perPerson: string
  then: string
}

export type PlanEntry = {
  event: string
  version: number
  entry: PlannedEvent | null
  changedAt: string
  changedBy: string
}

export type PlanVersions = {
  event: string
  versions: Array<PlanEntry>
}

export type PlannedEvent = {
  description?: string
  owner?: string
  status?: "active" | "experimental" | "deprecated" | "blocked"
  enforce?: "warn" | "reject"
  additional?: boolean
  visible?: boolean
  properties?: Record<string, PlannedProperty>
}

export type PlannedProperty = {
  type?: "string" | "number" | "integer" | "boolean" | "datetime" | "list" | "object" | null
  required?: boolean
  description?: string
  values?: Array<unknown> | null
  minimum?: number | null
  maximum?: number | null
  maxLength?: number | null
  revenue?: boolean
}

export type PolicyVersion = {
  version: number
  document: EnrichmentPolicy | IdentityPolicy | Limits | Naming | PrivacyPolicy | ValidationPolicy
  changedAt?: string | null
  changedBy?: string | null
}

export type PolicyVersions = {
  name: string
  versions: Array<PolicyVersion>
}

export type PostgresDocument = {
  type: "postgres"
  key?: string
  name?: string
  description?: string
  events?: Array<"segment.entered" | "segment.exited" | "profile.merged" | "profile.unmerged" | "flag.changed" | "event">
  segments?: Array<string>
  where?: string
  eventNames?: Array<string>
  sample?: number
  consent?: Array<string>
  paused?: boolean
  batch?: BatchLimits
  mapping?: Record<string, unknown> | null
  host: string
  port?: number
  database: string
  user: string
  password?: SecretVariable | null
  schema?: string
  table?: string
  tls?: "verify" | "off"
  ca?: SecretVariable | null
}

export type PrerequisiteBody = {
  flag: string
  variants: Array<string>
}

export type PrerequisiteExplanation = {
  flag: string
  serves: string
  needs: Array<string>
  met: boolean
}

export type Preview = {
  asOf: string
  revision: number
  lookedAt: number
  profiles: number
  sampled: boolean
  backfilling: boolean
  changes: Array<Changed>
  drafts: Array<Draft>
  segments: Array<SegmentPreview>
  flags: Array<FlagPreview>
  traits: Array<TraitPreview>
}

export type PreviewedRecord = {
  change: string
  operation: string
  profileId: string
  key: Record<string, unknown>
  record: unknown
}

export type PrivacyPolicy = {
  rules?: Array<PrivacyRule>
  consent?: Array<ConsentRule>
  unmentioned?: "granted" | "denied"
}

export type PrivacyRule = {
  path: string
  action: "drop" | "hash" | "mask"
  event?: string
}

export type Problem = {
  success: false
  code: string
  message: string
  error: string
}

export type Profile = {
  id: string
  bucketingKey: string
  identifiers: Array<api_profiles_schemas_IdentifierRef>
  properties: Record<string, unknown>
  traits: Record<string, TraitValue>
  segments: Array<Membership>
  group: ProfileGroup | null
  firstSeen: string | null
  lastSeen: string | null
  version: number
  revision: number
  asOf: string
}

export type ProfileGroup = {
  id: string
  since: string
}

export type ProfileHistory = {
  profileId: string
  revision: number
  changes: Array<HistoryChange>
  truncated: boolean
  next: string | null
}

export type ProfilePage = {
  profile: Profile
  lifetime: Lifetime
  recentEvents: Array<Event>
  transitions: Array<Transition>
}

export type ProfileState = {
  id: string
  bucketingKey: string
  identifiers: Array<api_profiles_schemas_IdentifierRef>
  properties: Record<string, unknown>
  segments: Array<SegmentEntry>
}

export type ProfileSummary = {
  id: string
  identifiers: Array<api_profiles_schemas_IdentifierRef>
  properties: Record<string, unknown>
  firstSeen: string | null
  lastSeen: string | null
}

export type PropertyConflict = {
  property: string
  winner: string
  values: Record<string, unknown>
  writtenAt: Record<string, string>
}

export type PropertyPage = {
  event: string
  property: PropertySummary
  days: Array<DayOfType>
  sdks: Array<Sdk>
}

export type PropertySummary = {
  name: string
  type: string | null
  types: Array<Typed>
  state: "active" | "deprecated" | "type_changed" | "unstable" | "planned"
  why: string
  share: number | null
  firstSeen: string | null
  lastSeen: string | null
  example: unknown
  declared: PlannedProperty | null
  likelyMisspellingOf: string | null
  remedy: string | null
}

export type PropertyUse = {
  event: string
  type: string | null
  declared: boolean
  n: number
  lastSeen: string | null
}

export type Proposal = {
  label: string
  insert: string
  kind: string
  detail: string
  score: number
}

export type Proposals = {
  from: number
  to: number
  items: Array<Proposal>
}

export type Published = {
  changes: Array<Changed>
  revision: number
  backfilling: boolean
  dryRun: boolean
  warnings: Array<DefinitionWarnings>
}

export type Rate = {
  perSecond: number
  burst?: number | null
}

export type RecentExposures = {
  today: Record<string, number>
  sevenDays: Record<string, number>
}

export type RejectedClaim = {
  id: string
  reason: string
  identifier: api_profiles_schemas_IdentifierRef
  kept: api_profiles_schemas_IdentifierRef
  other: api_profiles_schemas_IdentifierRef
  profileId: string
  otherProfileId: string
  messageId: string
  rejectedAt: string
}

export type RejectedClaims = {
  rejectedClaims: Array<RejectedClaim>
  next: string | null
}

export type RejectionCounts = {
  counts: Array<HourCount>
}

export type Rejections = {
  rejections: Array<LoggedRejection>
  next: string | null
}

export type ReleasedRemovals = {
  removals: number
  dryRun: boolean
}

export type Replay = {
  flags: Record<string, Answer>
  errors: Record<string, string>
  revision: number
  asOf: string
}

export type Replayed = {
  stored: number
  duplicates: number
  rejected: number
  failed: number
  next: string | null
}

export type ReplayedDeliveries = {
  messages: number
  dryRun: boolean
}

export type ReportDocument = {
  key?: string
  name?: string
  description?: string
  question: TrendQuestion | ActiveQuestion | StickinessQuestion | FrequencyQuestion | FunnelQuestion | RetentionQuestion | LifecycleQuestion | SessionsQuestion | PathsQuestion | AdoptionQuestion | ImpactQuestion | ExperimentQuestion
}

export type RequiredRule = {
  path: string
  calls?: Array<"track" | "page" | "screen" | "identify" | "group" | "alias">
  event?: string | null
  action?: "warn" | "reject"
}

export type RetentionAnswer = {
  kind: "retention"
  asOf?: string
  computedAt?: string
  zone?: string
  question?: TrendQuestion | ActiveQuestion | StickinessQuestion | FrequencyQuestion | FunnelQuestion | RetentionQuestion | LifecycleQuestion | SessionsQuestion | PathsQuestion | AdoptionQuestion | ImpactQuestion | ExperimentQuestion | null
  approximate?: string
  sampled?: Sampled
  warnings?: Array<Notice>
  periods: Array<[number, number]>
  groups: Array<RetentionGroup>
}

export type RetentionCell = {
  people: number
  share: number | null
  complete: boolean
}

export type RetentionCellOf = {
  kind: "retention"
  group?: CellGroup | null
  bucket?: string
  period?: number | null
}

export type RetentionGroup = {
  group: products_analytics_answers_schemas_Group | null
  people: number
  cohorts: Array<Cohort>
  average: Array<number | null>
}

export type RetentionQuestion = {
  kind: "retention"
  from?: string
  to?: string
  last?: string
  people?: string
  sample?: number
  approximate?: boolean
  start: Matching
  returns: Matching
  bucket?: "day" | "week" | "month"
  cohort?: "recurring" | "first_time"
  window?: "calendar" | "elapsed"
  mode?: "on" | "on_or_after"
  periods?: number
  brackets?: Array<[number, number]>
  breakdown?: Breakdown | Array<Breakdown>
  top?: number
}

export type RevisionDetail = {
  revision: number
  author: string
  note: string
  publishedAt: string
  liveAt: string | null
  changes: Array<Changed>
}

export type Revisions = {
  revisions: Array<ListedRevision>
  next: number | null
}

export type RolloutPosition = {
  bucket: number
  from?: number
  below?: number | null
  variant?: string | null
}

export type RotatedKey = {
  id: number
  key: string
  prefix: string
  name: string
  scopes: Array<string>
  origins: Array<string>
  expiresAt: string | null
  replaces: ListedKey
}

export type RuleBody = {
  when: string
  id?: string
  serve?: string
  split?: Record<string, number>
  rollout?: number
  exposure?: number
  exclusion?: ExclusionBody | null
}

export type RuleExplanation = {
  id: string
  outcome: string
  sentence: string
  rollout: RolloutPosition | null
  exposure: RolloutPosition | null
  exclusion: RolloutPosition | null
  split: RolloutPosition | null
  condition: ExpressionNode
}

export type S3Document = {
  type: "s3"
  key?: string
  name?: string
  description?: string
  events?: Array<"segment.entered" | "segment.exited" | "profile.merged" | "profile.unmerged" | "flag.changed" | "event">
  segments?: Array<string>
  where?: string
  eventNames?: Array<string>
  sample?: number
  consent?: Array<string>
  paused?: boolean
  batch?: BatchLimits
  mapping?: Record<string, unknown> | null
  bucket: string
  region?: string
  endpoint?: string
  accessKey: SecretVariable
  secretKey: SecretVariable
  prefix?: string
  format?: "parquet" | "jsonl"
}

export type Sampled = {
  share: number
  factor: number
}

export type Sampling = {
  event: string
  percent: number
  by?: "profile" | "message"
}

export type Saved = {
  saved: PlanEntry
  breaks: Array<Broken>
}

export type SavedDefinition = {
  key: string
  version: number
  name: string
  description: string
  document: ReportDocument | MetricDocument | EventDocument | DashboardDocument
  savedAt: string
  savedBy: string
  note: string
  usedBy: Array<NamedDefinition>
  warnings?: Array<SavedWarning>
}

export type SavedReports = {
  reports: Array<SavedDefinition>
}

export type SavedSegment = {
  key: string
  rule: string
  profiles: number | null
  asOf: string
  revision: number
  backfilling: boolean
  dryRun: boolean
}

export type SavedVersion = {
  version: number
  key: string
  document: ReportDocument | MetricDocument | EventDocument | DashboardDocument | null
  savedAt: string
  savedBy: string
  note: string
}

export type SavedVersions = {
  versions: Array<SavedVersion>
}

export type SavedWarning = {
  path: string
  message: string
}

export type Schedule = {
  key: string
  version: number
  name: string
  description: string
  document: ScheduleDocument
  savedAt: string
  savedBy: string
  note: string
  zone: string
  nextAt: string | null
  last: ExportJob | null
}

export type ScheduleDocument = {
  key?: string
  name?: string
  description?: string
  cron: string
  what: "segment" | "profiles" | "events"
  segment?: string
  columns?: Array<string> | null
  traits?: Array<string>
  events?: Array<string>
  last?: string | null
  format?: "csv" | "json" | "jsonl" | "xlsx" | "parquet"
  raw?: boolean
  paused?: boolean
}

export type Schedules = {
  schedules: Array<Schedule>
}

export type Sdk = {
  sdk: string
  type: string | null
  n: number
  firstDay: string
  lastDay: string
}

export type SdkSummary = {
  library: string
  version: string
  platform: string
  total: number
  firstSeen: string
  lastSeen: string
}

export type Sdks = {
  sdks: Array<SdkSummary>
  overflow: number
}

export type Search = {
  profiles: Array<ProfileSummary>
  next: string | null
}

export type Secret = {
  algorithm: "v1" | "v1a"
  secret: string
  oldUntil: string | null
}

export type SecretVariable = {
  env: string
}

export type Secrets = {
  secrets: Array<ShownSecret>
}

export type Segment = {
  key: string
  description: string
  version: number
  status: string
  type: string
  usedBy: Array<NamedDefinition>
  updatedAt: string
  updatedBy: string
  progress?: BackfillProgress | null
  diagnostics?: Array<Diagnostic>
  cost?: Cost
  revision?: number
  backfilling?: boolean
  rule: string
  canonical: string
  static: boolean
  members: number | null
  listed: number | null
  asOf: string
}

export type SegmentBucket = {
  start: string
  end: string
  entered: number
  left: number
  moved: number
  members: number
}

export type SegmentCounts = {
  membersBefore?: number
  members?: number
  enters?: number
  leaves?: number
  unknownBefore?: number
  unknown?: number
}

export type SegmentEntry = {
  key: string
  since: string
}

export type SegmentHistory = {
  segment: string
  bucket: "hour" | "day" | "week"
  zone: string
  buckets: Array<SegmentBucket>
  asOf: string
}

export type SegmentPreview = {
  key: string | null
  was: string | null
  counts: SegmentCounts
  estimate: SegmentCounts | null
  examples: Record<string, Array<Example>>
}

export type SegmentTransition = {
  profileId: string
  identifiers: Array<api_profiles_schemas_IdentifierRef>
  entered: boolean
  at: string
  recordedAt: string
  cause: string | null
}

export type SegmentTransitions = {
  transitions: Array<SegmentTransition>
  next: string | null
  asOf: string
}

export type Segments = {
  segments: Array<Segment>
  revision: number
}

export type Series = {
  event?: string | DerivedEvent
  where?: string
  measure?: string | PerPerson
  property?: string
  metric?: string
  name?: string
}

export type SessionFigures = {
  sessions: number
  people: number
  bounces: number
  averageMs: number | null
  medianMs: number | null
  events: number | null
}

export type SessionsAnswer = {
  kind: "sessions"
  asOf?: string
  computedAt?: string
  zone?: string
  question?: TrendQuestion | ActiveQuestion | StickinessQuestion | FrequencyQuestion | FunnelQuestion | RetentionQuestion | LifecycleQuestion | SessionsQuestion | PathsQuestion | AdoptionQuestion | ImpactQuestion | ExperimentQuestion | null
  approximate?: string
  sampled?: Sampled
  warnings?: Array<Notice>
  buckets: Array<BucketSpan>
  rows: Array<SessionFigures | null>
  total: SessionFigures
  entries: Array<Labelled>
  exits: Array<Labelled>
}

export type SessionsCell = {
  kind: "sessions"
  bucket?: string
  number?: "people" | "bounces" | "entries" | "exits"
  label?: string | null
}

export type SessionsQuestion = {
  kind: "sessions"
  from?: string
  to?: string
  last?: string
  people?: string
  sample?: number
  approximate?: boolean
  gap?: string
  bucket?: "hour" | "day" | "week" | "month" | "quarter" | "year"
  label?: string
  top?: number
}

export type Share = {
  variant: string
  units: number
  share: number
}

export type ShownSecret = {
  algorithm: "v1" | "v1a"
  createdAt: string
  until: string | null
}

export type SkippedEvents = {
  event: string
  property: string
  events: number
}

export type SmtpDocument = {
  type: "smtp"
  key?: string
  name?: string
  description?: string
  events?: Array<"segment.entered" | "segment.exited" | "profile.merged" | "profile.unmerged" | "flag.changed" | "event">
  segments?: Array<string>
  where?: string
  eventNames?: Array<string>
  sample?: number
  consent?: Array<string>
  paused?: boolean
  rate?: number
  concurrency?: number
  host: string
  port?: number
  tls?: "starttls" | "tls" | "off"
  user?: string
  password?: SecretVariable | null
  ca?: SecretVariable | null
  from: string
  mapping: unknown
}

export type SourceReads = {
  events: Array<string>
  properties: Array<string>
  group: Array<string>
  context: Array<string>
  definitions: Array<NamedDefinition>
}

export type Split = {
  id: string
  identifiers: Array<api_profiles_schemas_IdentifierRef>
  author: string
  note: string
  splitAt: string
}

export type Spread = {
  kind: "number" | "datetime" | "duration"
  min: unknown
  p5: unknown
  p25: unknown
  median: unknown
  p75: unknown
  p95: unknown
  max: unknown
  bins: Array<Bin>
}

export type StaleFlag = {
  flag: string
  reasons: Array<StaleReason>
  usedBy: Array<Dependent>
  lastAsked: string | null
}

export type StaleFlags = {
  flags: Array<StaleFlag>
  days: number
  recordedSince: string
  asOf: string
}

export type StaleReason = {
  code: "ONE_VARIANT" | "OFF" | "KILLED" | "NOT_ASKED" | "RULES_NOT_REACHED"
  since: string
  text: string
  advice: string
  rules?: Array<string>
}

export type Step = {
  event: string | DerivedEvent
  where?: string
  within?: string
  name?: string
}

export type StepBody = {
  at: string
  set: Record<string, unknown>
}

export type StickinessAnswer = {
  kind: "stickiness"
  asOf?: string
  computedAt?: string
  zone?: string
  question?: TrendQuestion | ActiveQuestion | StickinessQuestion | FrequencyQuestion | FunnelQuestion | RetentionQuestion | LifecycleQuestion | SessionsQuestion | PathsQuestion | AdoptionQuestion | ImpactQuestion | ExperimentQuestion | null
  approximate?: string
  sampled?: Sampled
  warnings?: Array<Notice>
  people: number
  rows: Array<StickinessRow>
}

export type StickinessCell = {
  kind: "stickiness"
  buckets?: number | null
  number?: "exactly" | "atLeast"
}

export type StickinessQuestion = {
  kind: "stickiness"
  from?: string
  to?: string
  last?: string
  people?: string
  sample?: number
  approximate?: boolean
  event?: string | DerivedEvent
  where?: string
  bucket?: "hour" | "day" | "week" | "month" | "quarter" | "year"
}

export type StickinessRow = {
  buckets: number
  exactly: number
  atLeast: number
}

export type SuppressedIdentifier = {
  id: string
  digest: string
  kind: string
  note: string
  createdAt: string
  createdBy: string
}

export type SuppressionChange = {
  changed: number
  dryRun: boolean
}

export type Suppressions = {
  suppressions: Array<SuppressedIdentifier>
  next: string | null
}

export type Sync = {
  key: string
  version: number
  name: string
  description: string
  document: SyncDocument
  savedAt: string
  savedBy: string
  note: string
}

export type SyncCounts = {
  sent: number
  failed: number
  waiting: number
  unmatched: number
  left: number
  removals: number
  failedRemovals: number
}

export type SyncDocument = {
  key?: string
  name?: string
  description?: string
  destination: string
  segment?: string
  filter?: string
  mapping: Record<string, unknown>
  match: Array<string>
  mode?: "upsert" | "mirror" | "audience"
  onLeave?: "nothing" | "clear" | "remove" | "delete" | null
  clear?: Array<string>
  requests?: Record<string, HttpVariant>
  brake?: number
  everySeconds?: number
  nightly?: string
  paused?: boolean
}

export type SyncHealth = {
  key: string
  state: string
  reason: string
  problem: string
  isRequested: boolean
  nextRunAt: string | null
  ranAt: string | null
  scan: string
  scanned: number
  counts: SyncCounts
  sent: number
  removed: number
  lastSuccessAt: string | null
  lastFailureAt: string | null
  lastFailure: string
  nextProofAt: string | null
  provedAt: string | null
  proofProfiles: number
  proofDifferences: number
  differences: number
  timestamp: string
}

export type SyncPreview = {
  profiles: number
  of: number
  isComplete: boolean
  added: number
  changed: number
  unchanged: number
  removed: number
  unmatched: number
  whyUnmatched: string
  wouldBrake: boolean
  examples: Array<PreviewedRecord>
}

export type SyncRecord = {
  profileId: string
  state: "sent" | "sending" | "failed" | "waiting" | "unmatched" | "left" | "out"
  key: Record<string, unknown> | null
  nextChangeAt: string | null
  attempts: number
  reason: string
}

export type SyncRecords = {
  records: Array<SyncRecord>
  next: number | null
}

export type SyncRemoval = {
  profileId: string
  key: Record<string, unknown>
  isBraked: boolean
  attempts: number
  reason: string
}

export type SyncRemovals = {
  removals: Array<SyncRemoval>
  next: string | null
}

export type SyncVersion = {
  version: number
  key: string
  document: SyncDocument | null
  savedAt: string
  savedBy: string
  note: string
}

export type SyncVersions = {
  versions: Array<SyncVersion>
}

export type Syncs = {
  syncs: Array<Sync>
}

export type Term = {
  from: number
  to: number
  join: "and" | "or" | null
  negated: boolean
  shape: TermShape | null
  path?: string
}

export type TermComparison = {
  from: number
  to: number
  op: string
}

export type TermMeasure = {
  from: number
  to: number
  function: string
  property: TermText | null
  quantile: string | null
}

export type TermShape = {
  subject: TermSubject
  where: TermText | null
  measure: TermMeasure | null
  window: TermText | null
  comparison: TermComparison | null
  value: TermValue | null
}

export type TermSubject = {
  from: number
  to: number
  kind: "event" | "any" | "trait" | "segment" | "flag" | "property" | "group" | "context" | "seen"
  name: string | null
}

export type TermText = {
  from: number
  to: number
  text: string
}

export type TermValue = {
  from: number
  to: number
  type: string
  value: unknown
}

export type Tested = {
  method: string
  url: string
  body: unknown
  headers: Record<string, string>
  delivered: boolean | null
  status: number | null
  error: string
  answer: string
  durationMs: number | null
}

export type TextCount = {
  value: string
  profiles: number
}

export type TextEdit = {
  start: number
  end: number
  text: string
}

export type Texts = {
  top: Array<TextCount>
  rest: number
  restProfiles: number
}

export type Tile = {
  title?: string
  report?: string
  question?: TrendQuestion | ActiveQuestion | StickinessQuestion | FrequencyQuestion | FunnelQuestion | RetentionQuestion | LifecycleQuestion | SessionsQuestion | PathsQuestion | AdoptionQuestion | ImpactQuestion | ExperimentQuestion | null
  text?: string
  width?: number
  height?: number
}

export type Total = {
  total: number
}

export type Totals = {
  users: Total
  events: Total
  traits: DefinitionTotal
  segments: DefinitionTotal
  flags: DefinitionTotal
}

export type Trait = {
  key: string
  description: string
  version: number
  status: string
  type: string
  usedBy: Array<NamedDefinition>
  updatedAt: string
  updatedBy: string
  progress?: BackfillProgress | null
  diagnostics?: Array<Diagnostic>
  cost?: Cost
  revision?: number
  backfilling?: boolean
  expression: string
  canonical: string
  nullable: boolean
}

export type TraitPreview = {
  key: string | null
  was: string | null
  differs: number
  unknownBefore: number
  unknown: number
  estimate: number | null
  examples: Array<ValueExample>
}

export type TraitValue = {
  value: unknown
  type: string
  until: string | null
  backfilling?: boolean
}

export type Traits = {
  traits: Array<Trait>
  revision: number
}

export type Transition = {
  segment: string | null
  entered: boolean
  at: string
  cause: string | null
}

export type TrendAnswer = {
  kind: "trend"
  asOf?: string
  computedAt?: string
  zone?: string
  question?: TrendQuestion | ActiveQuestion | StickinessQuestion | FrequencyQuestion | FunnelQuestion | RetentionQuestion | LifecycleQuestion | SessionsQuestion | PathsQuestion | AdoptionQuestion | ImpactQuestion | ExperimentQuestion | null
  approximate?: string
  sampled?: Sampled
  warnings?: Array<Notice>
  buckets: Array<BucketSpan>
  lines: Array<Line>
}

export type TrendCell = {
  kind: "trend"
  group?: CellGroup | null
  bucket?: string
  series?: string
}

export type TrendQuestion = {
  kind: "trend"
  from?: string
  to?: string
  last?: string
  people?: string
  sample?: number
  approximate?: boolean
  series: Array<Series>
  bucket?: "hour" | "day" | "week" | "month" | "quarter" | "year"
  formula?: string
  unit?: "person" | "group" | "session"
  breakdown?: Breakdown | Array<Breakdown>
  top?: number
  cumulative?: boolean
  rolling?: number
  compare?: "" | "previous" | "week" | "year"
}

export type TypeChange = {
  name: string
  before: string
  after: string
}

export type TypeConflict = {
  type: string
  events: Array<string>
}

export type TypeCount = {
  type: string
  n: number
}

export type Typed = {
  type: string
  n: number
  firstSeen: string
  lastSeen: string
}

export type Undelivered = {
  seq: number
  webhookId: string | null
  type: string | null
  profileId: string | null
  happenedAt: string | null
  attempts: number
  reason: string
  status: number | null
  answer: string
  givenUpAt: string
}

export type UndeliveredPage = {
  undelivered: Array<Undelivered>
  next: number | null
}

export type UnmergeResult = {
  keptApart: Array<IdentifierPair>
  before: Array<ProfileState>
  after: Array<ProfileState>
  dryRun: boolean
}

export type UuidRule = {
  path: string
  action?: "warn" | "reject"
}

export type ValidationPolicy = {
  uuids?: Array<UuidRule>
  required?: Array<RequiredRule>
  allowed?: Array<AllowedRule>
}

export type ValueExample = {
  profileId: string
  identifiers: Array<api_profiles_schemas_IdentifierRef>
  why?: string | null
  before?: unknown
  after?: unknown
}

export type VariantMove = {
  before: string | null
  after: string | null
  profiles: number
  estimate: number | null
  examples: Array<Example>
}

export type VariantResult = {
  variant: string
  units: number
  open: number
  conversions: number | null
  value: number | null
  difference: number | null
  interval: [number | null, number | null] | null
  alwaysValid: [number | null, number | null] | null
  p: number | null
  chanceToWin: number | null
}

export type VariantUnits = {
  variant: string
  units: number
  crossovers: number
}

export type Version = {
  version: number
  key: string
  revision: number
  until: number | null
  author: string
  note: string
  publishedAt: string
  liveAt: string | null
  document: api_definitions_schemas_SegmentBody | FlagBody
}

export type VersionSdk = {
  sdk: string
  n: number
  firstDay: string
  lastDay: string
}

export type Violation = {
  event: string
  day: string
  code: string
  path: string
  rejected: boolean
  n: number
  firstAt: string
  lastAt: string
}

export type Volume = {
  at: string
  n: number
}

export type Warned = {
  code: string
  path: string
  message: string
}

export type WebhookDocument = {
  type: "webhook"
  key?: string
  name?: string
  description?: string
  events?: Array<"segment.entered" | "segment.exited" | "profile.merged" | "profile.unmerged" | "flag.changed" | "event">
  segments?: Array<string>
  where?: string
  eventNames?: Array<string>
  sample?: number
  consent?: Array<string>
  paused?: boolean
  rate?: number
  concurrency?: number
  url: string
  headers?: Record<string, string | FromVariable>
}

export type WholeLetter = {
  id: string
  code: string
  error: string
  type: string | null
  event: string | null
  messageId: string | null
  key: string | null
  attempts: number
  firstFailedAt: string
  lastFailedAt: string
  payload: string
}

export type WindowContents = {
  events: number | null
  oldestAt: string | null
  newestAt: string | null
  leavesAt: string | null
  exact: boolean
  days: Array<string>
}

export type api_definitions_schemas_SegmentBody = {
  key?: string
  expression?: string
  rule?: string
  description?: string
  static?: boolean
}

export type api_definitions_schemas_Span = {
  start: number
  end: number
  line: number
  col: number
}

export type api_exposures_schemas_SampleRatio = {
  rule: string
  since: string
  version: number
  units: number
  arms: Array<Arm>
  chiSquare: number | null
  p: number | null
  mismatch: boolean
  crossovers: number
  sentence: string
}

export type api_profiles_schemas_Group = {
  key: string
  traits: Record<string, unknown>
  createdAt: string
  changedAt: string
  members?: number
}

export type api_profiles_schemas_IdentifierRef = {
  kind: string
  value: string
}

export type engine_flags_document_IdentifierRef = {
  kind: string
  value: string
}

export type products_analytics_answers_schemas_Group = {
  kind: "value" | "other" | "unknown"
  values?: Array<unknown>
}

export type products_analytics_answers_schemas_SampleRatio = {
  expected: Record<string, number>
  p: number | null
  mismatch: boolean
}

export type products_analytics_routes_schemas_Span = {
  start: number
  end: number
  text: string
  meaning: string
}
