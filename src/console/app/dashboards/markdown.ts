/** The Markdown of text tiles: headings, lists, code and paragraphs; bold, italics, code and links within. */

export type Inline =
  | { kind: "text" | "bold" | "italic" | "code"; text: string }
  | { kind: "link"; text: string; href: string }

export type Block =
  | { kind: "heading"; level: number; of: Inline[] }
  | { kind: "paragraph"; of: Inline[] }
  | { kind: "list"; ordered: boolean; items: Inline[][] }
  | { kind: "code"; text: string }

const PARTS =
  /\*\*(?<bold>[^*]+)\*\*|(?<![\w*])[*_](?<italic>[^*_\s](?:[^*_]*[^*_\s])?)[*_](?![\w*])|`(?<code>[^`]+)`|\[(?<text>[^\]]+)\]\((?<href>[^)\s]+)\)/g

/** Laws: a link goes to http or https, or to this server; any other address is text. */
export function inline(source: string): Inline[] {
  const found: Inline[] = []
  let end = 0
  for (const match of source.matchAll(PARTS)) {
    const { bold, italic, code, text, href } = match.groups ?? {}
    if (match.index > end) found.push({ kind: "text", text: source.slice(end, match.index) })
    end = match.index + match[0].length
    if (bold !== undefined) found.push({ kind: "bold", text: bold })
    else if (italic !== undefined) found.push({ kind: "italic", text: italic })
    else if (code !== undefined) found.push({ kind: "code", text: code })
    else if (text !== undefined && href !== undefined && isSafe(href)) found.push({ kind: "link", text, href })
    else found.push({ kind: "text", text: match[0] })
  }
  if (end < source.length) found.push({ kind: "text", text: source.slice(end) })
  return found
}

function isSafe(href: string): boolean {
  return /^https?:\/\//i.test(href) || /^\/(?![/\\])/.test(href)
}

export function blocks(source: string): Block[] {
  const found: Block[] = []
  /** Where the next line goes on with what the last one began; nothing after an empty line. */
  let open: Block | undefined
  let fenced: string[] | undefined

  function begin(block: Block): void {
    found.push(block)
    open = block
  }

  for (const line of source.split(/\r?\n/)) {
    if (/^\s*```/.test(line)) {
      if (fenced) found.push({ kind: "code", text: fenced.join("\n") })
      fenced = fenced ? undefined : []
      open = undefined
      continue
    }
    if (fenced) {
      fenced.push(line)
      continue
    }
    const heading = /^(#{1,6})\s+(.*?)\s*#*$/.exec(line)
    const item = /^\s*(?:[-*+]|(\d+)[.)])\s+(.*)$/.exec(line)
    if (line.trim() === "") open = undefined
    else if (heading) {
      found.push({ kind: "heading", level: heading[1]?.length ?? 1, of: inline(heading[2] ?? "") })
      open = undefined
    } else if (item) {
      const ordered = item[1] !== undefined
      if (open?.kind !== "list" || open.ordered !== ordered) begin({ kind: "list", ordered, items: [] })
      if (open?.kind === "list") open.items.push(inline(item[2] ?? ""))
    } else if (open?.kind === "paragraph") open.of.push({ kind: "text", text: " " }, ...inline(line.trim()))
    else begin({ kind: "paragraph", of: inline(line.trim()) })
  }
  if (fenced) found.push({ kind: "code", text: fenced.join("\n") })
  return found
}
