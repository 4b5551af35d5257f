/** Where a destination is written. */
import { DESTINATION } from "../kinds.ts"
import { typeOf } from "../words.ts"
import { type FormedDocument, isFormed, newDocument } from "./document.ts"
import { type Edited, EditNew, EditSaved, type FormProps } from "./editing.tsx"
import { Fields, shownBy } from "./fields.tsx"
import { missingField } from "./types.ts"

const EDITED: Edited = {
  kind: DESTINATION,
  newDocument,
  isFormed,
  missing: (document) => missingField(typeOf(document), document)?.label ?? "",
  shownBy,
  Form: (props: FormProps) => <Fields {...props} of={props.of as FormedDocument} />,
  saved: "It is saved, and gets what happens from now on. Make its secret next, and send a test.",
}

export function NewDestination() {
  return <EditNew edited={EDITED} />
}

export function EditDestination({ name }: { name: string }) {
  return <EditSaved edited={EDITED} name={name} />
}
