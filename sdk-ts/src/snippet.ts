/**
 * The loading snippet: calls wait until the SDK is there.
 *
 * The build writes it to dist/snippet.js; a page has it inline, with its own address and options at the end.
 */
;((source: string, options: object) => {
  // biome-ignore lint/suspicious/noExplicitAny: the stand-in has the methods of the client
  const page = window as any
  if (page.tinycdp) return
  // biome-ignore lint/suspicious/noExplicitAny: as above
  const standIn: any = { q: [], o: options, flag: (_key: string, fallback: unknown) => fallback, peek() {} }
  page.tinycdp = standIn
  for (const name of "track identify page screen group alias flush reset setConsent decide decideAll onChange ready setContext hydrate anonymousId userId shutdown".split(
    " ",
  )) {
    standIn[name] = (...given: unknown[]) =>
      new Promise((then) => {
        standIn.q.push([name, given, then])
      })
  }
  const script = document.createElement("script")
  script.async = true
  script.src = source
  document.head.append(script)
})("/tinycdp.js", { endpoint: "https://cdp.example.com", writeKey: "write_…", readKey: "read_…", pageViews: true })

export {}
