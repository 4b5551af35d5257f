/** Where in a question something is, as the server says it: `series[0].where`. */
import type { Notice } from "../../lib/api.ts"

/** Whether what stands at `path` is of the field `field`, or of a part of it. */
export function isAt(path: string, field: string): boolean {
  const plain = path.replace(/^\$\.?/, "")
  return plain === field || (plain.startsWith(field) && /^[.[]/.test(plain.slice(field.length)))
}

/** The message without its path, which the place says. */
export function messageAt({ path, message }: Notice): string {
  const plain = message.startsWith(path) ? message.slice(path.length).replace(/^(, |: )/, "") : message
  return plain.charAt(0).toUpperCase() + plain.slice(1)
}
