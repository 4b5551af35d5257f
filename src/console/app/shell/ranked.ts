/** The order in which the palette offers what has the words that were typed. */

/**
 * Those titles that have all the words: first those that begin with the text, then those with a word that begins so.
 *
 * What fits as well as another stays behind it.
 */
export function ranked<One extends { title: string }>(all: One[], text: string): One[] {
  const wanted = text.trim().toLowerCase()
  if (wanted === "") return all
  const words = wanted.split(/\s+/)
  return all
    .filter(({ title }) => words.every((word) => title.toLowerCase().includes(word)))
    .map((one) => ({ one, rank: rankOf(one.title.toLowerCase(), wanted) }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ one }) => one)
}

function rankOf(title: string, wanted: string): number {
  if (title.startsWith(wanted)) return 0
  return title.split(/[\s_:.-]+/).some((word) => word.startsWith(wanted)) ? 1 : 2
}
