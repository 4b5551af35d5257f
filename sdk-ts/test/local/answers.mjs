/**
 * Answers the questions of a test in another language: a JSON array a line, `[snapshot | null, flag, context, now, unit?]`.
 * null is the snapshot of the line before. It uses what is built.
 */
import { readFileSync } from "node:fs"
import { evaluate } from "../../dist/local.js"

let snapshot
const answers = []
for (const line of readFileSync(process.argv[2], "utf8").trim().split("\n")) {
  const [given, flag, context, now, unit] = JSON.parse(line)
  snapshot = given ?? snapshot
  answers.push(JSON.stringify(evaluate(snapshot, flag, context, now, unit)))
}
console.log(answers.join("\n"))
