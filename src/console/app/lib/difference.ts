/** How one text becomes another, line by line: `+ added`, `- removed`, `  the same`; empty if they are the same. */
export function difference(before: string, after: string): string {
  if (before === after) return ""
  const [old, now] = [before.trimEnd().split("\n"), after.trimEnd().split("\n")]
  // common[i][j] is how many lines old from i and now from j have in common, in this order.
  const common = Array.from({ length: old.length + 1 }, () => new Array<number>(now.length + 1).fill(0))
  const at = (i: number, j: number) => common[i]?.[j] ?? 0
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = now.length - 1; j >= 0; j -= 1) {
      const row = common[i]
      if (row) row[j] = old[i] === now[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
    }
  }
  const lines: string[] = []
  let [i, j] = [0, 0]
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) {
      lines.push(`  ${old[i]}`)
      i += 1
      j += 1
    } else if (j >= now.length || (i < old.length && at(i + 1, j) >= at(i, j + 1))) {
      lines.push(`- ${old[i]}`)
      i += 1
    } else {
      lines.push(`+ ${now[j]}`)
      j += 1
    }
  }
  return lines.join("\n")
}
