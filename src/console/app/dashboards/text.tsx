import { type Block, blocks, type Inline } from "./markdown.ts"

export function Text({ source }: { source: string }) {
  return (
    <div className="tile-text">
      {blocks(source).map((block, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a text that is written anew has no other places
        <BlockOf key={index} block={block} />
      ))}
    </div>
  )
}

function BlockOf({ block }: { block: Block }) {
  if (block.kind === "code") return <pre className="code">{block.text}</pre>
  if (block.kind === "paragraph") {
    return (
      <p>
        <Parts of={block.of} />
      </p>
    )
  }
  if (block.kind === "heading") {
    const Heading = block.level === 1 ? "h2" : "h3"
    return (
      <Heading>
        <Parts of={block.of} />
      </Heading>
    )
  }
  const List = block.ordered ? "ol" : "ul"
  return (
    <List>
      {block.items.map((item, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a text that is written anew has no other places
        <li key={at}>
          <Parts of={item} />
        </li>
      ))}
    </List>
  )
}

function Parts({ of }: { of: Inline[] }) {
  return of.map((part, index) => {
    const key = `${index} ${part.text}`
    if (part.kind === "bold") return <b key={key}>{part.text}</b>
    if (part.kind === "italic") return <em key={key}>{part.text}</em>
    if (part.kind === "code") return <code key={key}>{part.text}</code>
    if (part.kind === "link") {
      return (
        <a key={key} href={part.href} rel="noreferrer">
          {part.text}
        </a>
      )
    }
    return part.text
  })
}
