/** The policies that the server has, in the words of docs/reference/policies.md. */

interface Field {
  name: string
  means: string
}

interface Policy {
  name: string
  title: string
  about: string
  fields: Field[]
}

export const POLICIES: Policy[] = [
  {
    name: "enrichment",
    title: "Enrichment",
    about: "What is added to events: browser, country, campaign, referrer, local time.",
    fields: [
      { name: "userAgent", means: "adds browser, system and device" },
      { name: "country", means: "adds the country of the address" },
      { name: "city", means: "adds region and city, if the server has a file of cities" },
      { name: "campaign", means: "adds the utm parameters of the page" },
      { name: "referrer", means: "adds the referrer and its host" },
      { name: "localTime", means: "adds hour and weekday of the visitor" },
      { name: "businessHours", means: 'null, or {"opens": 9, "closes": 17, "weekdays": [1, 2, 3, 4, 5]}' },
      { name: "storeIp", means: "keeps the address in context.ip" },
    ],
  },
  {
    name: "identity",
    title: "Identity",
    about: "Which identifiers are strong, which may claim which, and which values identify no profile.",
    fields: [
      {
        name: "kinds",
        means:
          '{"kind", "limit", "claims", "blocked"}, the strongest first: how many a profile may have, which weaker kinds it may claim, and values that identify no profile',
      },
    ],
  },
  {
    name: "naming",
    title: "Naming",
    about: "How names should be written, and which are brought to another spelling on arrival.",
    fields: [
      { name: "events", means: "the style of events that are tracked; any by default" },
      { name: "properties", means: "the style of properties; any by default" },
      { name: "unplanned", means: "whether events that are not in the tracking plan get a warning" },
      { name: "rewrite", means: "whether names of events are brought to their style on arrival" },
      { name: "aliases", means: 'names that are stored under another one: {"signpu": "signup"}' },
    ],
  },
  {
    name: "limits",
    title: "Limits",
    about: "How much may be sent, and of which events only a sample is kept.",
    fields: [
      { name: "requests", means: 'tracking requests of each key: {"perSecond": 50, "burst": 200}' },
      { name: "events", means: "the same for events" },
      { name: "keys", means: 'what a key may send instead: {"key": 7, "events": {"perSecond": 20}}' },
      { name: "profileEventsPerMinute", means: "events of one profile, in each process" },
      { name: "sampling", means: 'what is kept of an event: {"event": "mouse_moved", "percent": 10}' },
    ],
  },
  {
    name: "privacy",
    title: "Privacy",
    about: "What is dropped, hashed or masked before it is stored, and what needs consent.",
    fields: [
      { name: "rules", means: '{"path", "action", "event"}: drop, hash or mask values before they are stored' },
      { name: "consent", means: '{"categories", "event"}: what has to be granted' },
      { name: "unmentioned", means: "granted or denied: what a category counts as that a message does not mention" },
    ],
  },
  {
    name: "validation",
    title: "Validation",
    about: "What a message has to have. What breaks a rule is noted or refused.",
    fields: [
      { name: "uuids", means: '{"path", "action"}: the value there is a UUID' },
      { name: "required", means: '{"path", "calls", "event", "action"}: there is a value' },
      { name: "allowed", means: '{"path", "values", "action"}: the value is one of these' },
    ],
  },
]
