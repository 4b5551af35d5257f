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

export type BackfillProgress = {
  done: number
  total: number
  ratePerSecond: number | null
  secondsLeft: number | null
}

export type Cost = {
  stateBytes: number
  wakeupsPerDay: number
  nodes: number
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

export type Diagnostic = {
  code: string
  severity: "error" | "warning"
  span: api_definitions_schemas_Span
  message: string
  fixes: Array<Fix>
  path?: string
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

export type EventRead = {
  event: string | null
  properties: Array<string>
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

export type Flags = {
  flags: Array<Flag>
  revision: number
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

export type Journey = {
  events: Array<Event>
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

export type RecentExposures = {
  today: Record<string, number>
  sevenDays: Record<string, number>
}

export type RolloutPosition = {
  bucket: number
  from?: number
  below?: number | null
  variant?: string | null
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

export type Warned = {
  code: string
  path: string
  message: string
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

export type api_profiles_schemas_IdentifierRef = {
  kind: string
  value: string
}

export type engine_flags_document_IdentifierRef = {
  kind: string
  value: string
}
