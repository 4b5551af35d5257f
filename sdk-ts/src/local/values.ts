/** Values of the language: numbers as whole billionths, instants in milliseconds, versions as text that sorts. */

export const SCALE: bigint = 10n ** 9n
const LIMIT = 10n ** 38n

export const isArray: (value: unknown) => value is unknown[] = Array.isArray

/** The number; unknown if it needs more than 38 digits. */
export const bounded = (scaled: bigint): bigint | null => (-LIMIT < scaled && scaled < LIMIT ? scaled : null)

/** a / b, rounded down. b is positive. */
export const floored = (a: bigint, b: bigint): bigint => a / b - (a % b < 0n ? 1n : 0n)

/** a / b, rounded half away from zero; unknown if it needs more than 38 digits. */
export const rounded = (a: bigint, b: bigint): bigint | null =>
  bounded((2n * a + (a < 0n === b < 0n ? b : -b)) / (2n * b))

/** The digits of a decimal as a whole number, and the power of ten that they are multiplied by. */
const decimal = (number: string | number): [digits: bigint, exponent: number] => {
  const [mantissa, exponent = 0] = `${number}`.split("e") as [string, string?]
  const [whole, fraction = ""] = mantissa.split(".")
  return [BigInt(whole + fraction), +exponent - fraction.length]
}

/** The billionths of a decimal, rounded half away from zero; unknown if they need more than 38 digits. */
export const billionths = (number: string | number): bigint | null => {
  const [digits, exponent] = decimal(number)
  const power = 10n ** BigInt(Math.abs(exponent + 9))
  return exponent < -9 ? rounded(digits, power) : bounded(digits * power)
}

const canonicalNumber = (number: string | number): string => {
  let [digits, exponent] = decimal(number)
  for (; digits && !(digits % 10n); exponent++) digits /= 10n
  return digits ? `${digits}e${exponent}` : "0"
}

/** The canonical text of JSON: equal values have equal texts. */
const canonical = (value: unknown): string => {
  if (typeof value === "number") return canonicalNumber(value)
  if (isArray(value)) return `[${value.map(canonical)}]`
  if (!isObject(value)) return JSON.stringify(value)
  const members = Object.keys(value)
    .sort()
    .map((name) => `${canonical(name)}:${canonical(value[name])}`)
  return `{${members}}`
}

/** The same of a value that is read by itself: its number is rounded; null is unknown. */
const json = (value: unknown): string | null => {
  if (typeof value !== "number") return value === null ? null : canonical(value)
  const scaled = billionths(value)
  return scaled === null ? null : canonicalNumber(`${scaled}e-9`)
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !isArray(value)

/** The context as the server would read it: plain JSON, without U+0000 and half surrogate pairs. */
export const plain = (context: unknown): unknown =>
  JSON.parse(
    JSON.stringify(context).replace(/\\(?:\\|u0000|ud[89a-f]..)/g, (found) => (found[1] === "u" ? "\ufffd" : found)),
  )

/** A value of the context at a path, if it is of the type. */
export const read = (context: unknown, [type, ...path]: readonly string[]): unknown => {
  let value = context
  for (const name of path) value = isObject(value) && Object.hasOwn(value, name) ? value[name] : null
  if (type === "json" || (type === "list" && isArray(value))) return json(value)
  if (typeof value !== ({ bool: "boolean", instant: "string" }[type as string] ?? type)) return null
  return type === "number" ? billionths(value as number) : type === "instant" ? instant(value as string) : value
}

/** The milliseconds of an RFC 3339 instant; unknown for any other text. */
export const instant = (text: string): bigint | null => {
  const [, day, clock, seconds = "00", fraction = "", sign, hours = 0, minutes = 0] =
    /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:[0-5]\d)(?::([0-5]\d)(?:[.,](\d{1,9}))?)?(?:[Zz]|([+-])(\d\d)(?::?([0-5]\d))?)$/.exec(
      text,
    ) ?? []
  const at = new Date(`${day}T${clock}:${seconds}Z`)
  // Some days and hours that do not exist are read as those of the next day or month, others are no date at all.
  if (!((day as string) >= "0001") || +hours > 23 || at.toJSON()?.slice(0, 10) !== day) return null
  const offset = (+hours * 60 + +minutes) * 60_000
  return BigInt(+at + +fraction.slice(0, 3).padEnd(3, "0") + (sign === "-" ? offset : -offset))
}

/** A text that sorts as SemVer 2.0.0 orders versions; unknown for any other text. */
export const version = (text: string): string | null => {
  const [, major, minor, patch, labels] =
    /^[vV]?(0|[1-9]\d{0,17})(?:\.(0|[1-9]\d{0,17}))?(?:\.(0|[1-9]\d{0,17}))?(?:-((?:0|[1-9]\d{0,17}|\d*[A-Za-z-][\dA-Za-z-]*)(?:\.(?:0|[1-9]\d{0,17}|\d*[A-Za-z-][\dA-Za-z-]*))*))?(?:\+[\dA-Za-z-]+(?:\.[\dA-Za-z-]+)*)?$/.exec(
      text,
    ) ?? []
  if (!major || text.length > 256) return null
  const padded = (digits = "0"): string => digits.padStart(18, "0")
  // A release sorts after its pre-releases, a word after a number, and more labels after fewer.
  const sortable = labels?.replace(/\.?([^.]+)/g, (_, label) =>
    /\D/.test(label) ? ` 1${label}` : ` 0${padded(label)}`,
  )
  return padded(major) + padded(minor) + padded(patch) + (sortable ?? "~")
}
