/** Divides an expression into what is coloured, and what is not. It judges nothing: the server checks. */

export type TokenKind = "text" | "number" | "word" | "name" | "event" | "comment" | "other"

export interface Token {
  kind: TokenKind
  text: string
}

const PATTERN =
  /(?<comment>\/\/[^\n]*)|(?<text>"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?)|(?<number>\b\d+(?:\.\d+)?[a-z]*\b)|(?<event>\b(?:events|segments|traits|profile|context|group|segment|trait)\b)|(?<word>\b(?:true|false|null|in|and|or|not)\b)|(?<name>[A-Za-z_]\w*)/g

/** Laws: the texts of the tokens, joined, are the source. */
export function tokens(source: string): Token[] {
  const found: Token[] = []
  let end = 0
  for (const match of source.matchAll(PATTERN)) {
    if (match.index > end) found.push({ kind: "other", text: source.slice(end, match.index) })
    const [kind] = Object.entries(match.groups ?? {}).find(([, text]) => text !== undefined) ?? ["other"]
    found.push({ kind: kind as TokenKind, text: match[0] })
    end = match.index + match[0].length
  }
  if (end < source.length) found.push({ kind: "other", text: source.slice(end) })
  return found
}
