// Written by tools/api.ts from the server's OpenAPI document.

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

export type BackfillProgress = {
  done: number
  total: number
  ratePerSecond: number | null
  secondsLeft: number | null
}

export type Broken = {
  kind: string
  key: string
  code: string
  message: string
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

export type DefinitionVersions = {
  versions: Array<Version>
}

export type DefinitionWarnings = {
  kind: string
  key: string
  diagnostics: Array<Diagnostic>
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

export type Environments = {
  environments: Array<ListedEnvironment>
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

export type ExclusionBody = {
  group: string
  from: number
  to: number
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

export type Flags = {
  flags: Array<Flag>
  revision: number
}

export type HourCount = {
  hour: string
  keyId: number | null
  key: string | null
  code: string
  messages: number
  repeats: number
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

export type Journey = {
  events: Array<Event>
  next: string | null
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

export type NamedDefinition = {
  kind: string
  key: string
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
  firstSeen: string | null
  lastSeen: string | null
  version: number
  revision: number
  asOf: string
}

export type ProfilePage = {
  profile: Profile
  lifetime: Lifetime
  recentEvents: Array<Event>
  transitions: Array<Transition>
}

export type ProfileSummary = {
  id: string
  identifiers: Array<api_profiles_schemas_IdentifierRef>
  properties: Record<string, unknown>
  firstSeen: string | null
  lastSeen: string | null
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

export type Published = {
  changes: Array<Changed>
  revision: number
  backfilling: boolean
  dryRun: boolean
  warnings: Array<DefinitionWarnings>
}

export type RecentExposures = {
  today: Record<string, number>
  sevenDays: Record<string, number>
}

export type RejectionCounts = {
  counts: Array<HourCount>
}

export type Rejections = {
  rejections: Array<LoggedRejection>
  next: string | null
}

export type Replayed = {
  stored: number
  duplicates: number
  rejected: number
  failed: number
  next: string | null
}

export type Revision = {
  revision: number
  author: string
  note: string
  publishedAt: string
  liveAt: string | null
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
  revisions: Array<Revision>
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

export type Saved = {
  saved: PlanEntry
  breaks: Array<Broken>
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

export type Segments = {
  segments: Array<Segment>
  revision: number
}

export type Share = {
  variant: string
  units: number
  share: number
}

export type SkippedEvents = {
  event: string
  property: string
  events: number
}

export type SourceReads = {
  events: Array<string>
  properties: Array<string>
  group: Array<string>
  context: Array<string>
  definitions: Array<NamedDefinition>
}

export type StepBody = {
  at: string
  set: Record<string, unknown>
}

export type TextEdit = {
  start: number
  end: number
  text: string
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

export type Violations = {
  violations: Array<Violation>
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

export type WholePlan = {
  entries: Array<PlanEntry>
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

export type api_profiles_schemas_IdentifierRef = {
  kind: string
  value: string
}

export type engine_flags_document_IdentifierRef = {
  kind: string
  value: string
}
