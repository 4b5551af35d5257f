import { NumberField, PeopleField, RangeField, SelectField, TextField } from "../builder/fields.tsx"
import { useEvents } from "../builder/registry.ts"
import { useAsked } from "../query/asked.ts"
import { type Question, questionOf } from "../query/question.ts"
import { Workbench } from "../workbench.tsx"
import "../journeys.css"
import { LabelField, LabelledByField } from "./labels.tsx"
import { listed, textOf } from "./lists.ts"
import "./paths.css"
import { titleOf } from "./shape.ts"
import { LinkList, PathsView } from "./view.tsx"

type Paths = Question<"paths">

const FIRST: Paths = { kind: "paths", last: "14d", depth: 4, top: 8 }

const WAYS = [
  { value: "session", title: "From the start of a session" },
  { value: "start", title: "From an event on" },
  { value: "end", title: "Up to an event" },
] as const

export function PathsPage() {
  const asked = useAsked("paths", FIRST)
  const backwards = Boolean(asked?.question.end)
  return (
    <Workbench
      title="Paths"
      asked={asked}
      ready={asked !== undefined}
      missing=""
      builder={asked && <Builder question={asked.question} ask={asked.ask} />}
      titleOf={(cell) => titleOf(cell, backwards)}
    >
      {(answer) => {
        if (!asked) return null
        const question = questionOf<"paths">(answer, asked.question)
        return (
          <>
            <PathsView question={question} answer={answer} open={asked.show} />
            {answer.links.length > 0 && <LinkList question={question} answer={answer} open={asked.show} />}
          </>
        )
      }}
    </Workbench>
  )
}

function Builder({ question, ask }: { question: Paths; ask: (next: Paths) => void }) {
  const events = useEvents()
  const [busiest = "*"] = (events.data?.events ?? []).map(({ name }) => name)
  const way = question.end ? "end" : question.start ? "start" : "session"
  function go(next: (typeof WAYS)[number]["value"]): void {
    const label = question.start || question.end || busiest
    ask({ ...question, start: next === "start" ? label : undefined, end: next === "end" ? label : undefined })
  }
  return (
    <>
      <SelectField label="Paths" path="" value={way} options={WAYS} onChange={go} />
      {way !== "session" && (
        <LabelField
          label={way === "start" ? "From" : "Up to"}
          path={way}
          by={question.label ?? ""}
          value={(way === "start" ? question.start : question.end) ?? ""}
          onChange={(label) => ask({ ...question, [way]: label })}
        />
      )}
      <div className="q-pair">
        <NumberField
          label="Steps"
          path="depth"
          value={question.depth ?? 5}
          min={2}
          max={20}
          onChange={(depth) => ask({ ...question, depth })}
        />
        <NumberField
          label="Links a step"
          path="top"
          value={question.top ?? 20}
          min={1}
          max={1000}
          onChange={(top) => ask({ ...question, top })}
        />
      </div>
      <RangeField value={question} onChange={(range) => ask({ ...question, ...range })} />
      <LabelledByField
        value={question.label ?? ""}
        onChange={(label) => ask({ ...question, label: label || undefined, start: undefined, end: undefined })}
      />
      <TextField
        label="Leave out"
        path="without"
        mono
        placeholder="page, screen"
        value={textOf(question.without)}
        onChange={(text) => ask({ ...question, without: listed(text) })}
      />
      <TextField
        label="Take as one"
        path="group"
        mono
        placeholder="/product/*, /help/*"
        value={textOf(question.group)}
        onChange={(text) => ask({ ...question, group: listed(text) })}
      />
      <TextField
        label="A pause that ends a session"
        path="gap"
        placeholder="30m"
        value={question.gap ?? "30m"}
        onChange={(gap) => ask({ ...question, gap: gap || undefined })}
      />
      <PeopleField value={question} onChange={(whom) => ask({ ...question, ...whom })} />
    </>
  )
}
