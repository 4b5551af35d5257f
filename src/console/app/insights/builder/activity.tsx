/** The question of kinds that look at one event, bucket by bucket. */
import type { Bucket, Question } from "../query/question.ts"
import { BucketField, ConditionField, EventField, PeopleField, RangeField } from "./fields.tsx"

type Activity = Question<"lifecycle"> | Question<"stickiness">

export function ActivityBuilder<Q extends Activity>(props: { question: Q; bucket: Bucket; ask: (next: Q) => void }) {
  const { question, ask } = props
  const event = question.event ?? "*"
  return (
    <>
      <EventField label="People with" path="event" value={event} onChange={(event) => ask({ ...question, event })} />
      <ConditionField
        label="Only events where"
        path="where"
        event={event}
        value={question.where ?? ""}
        onChange={(where) => ask({ ...question, where })}
      />
      <RangeField value={question} onChange={(range) => ask({ ...question, ...range })} />
      <BucketField value={props.bucket} onChange={(bucket) => ask({ ...question, bucket })} />
      <PeopleField value={question} onChange={(whom) => ask({ ...question, ...whom })} />
    </>
  )
}
