// OpenFeature's web SDK with the OFREP web provider, in what a browser would give it: EventSource and localStorage.
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
import { OpenFeature, ProviderEvents } from '@openfeature/web-sdk';
import { EventSource } from 'eventsource';

import { talk } from './talk.mjs';

const streams = [];
globalThis.EventSource = class extends EventSource {
  constructor(url, options) {
    super(url, options);
    this.opened = new Promise((resolve) => this.addEventListener('open', resolve));
    streams.push(this);
  }
};

const stored = new Map();
globalThis.localStorage = {
  getItem: (key) => stored.get(key) ?? null,
  setItem: (key, value) => stored.set(key, value),
  removeItem: (key) => stored.delete(key),
};

const requests = [];
const fetched = globalThis.fetch;
globalThis.fetch = async (input, options) => {
  const answer = await fetched(input, options);
  const { pathname, searchParams } = new URL(input.url ?? input);
  if (pathname.endsWith('/evaluate/flags')) requests.push([answer.status, [...searchParams.keys()].sort()]);
  return answer;
};

let changes = 0;
let heard = () => {};

await talk({
  async start({ baseUrl, headers, context }) {
    OpenFeature.addHandler(ProviderEvents.ConfigurationChanged, () => {
      changes += 1;
      heard();
    });
    await OpenFeature.setContext(context);
    await OpenFeature.setProviderAndWait(new OFREPWebProvider({ baseUrl, headers }));
    await streams.at(-1)?.opened;
  },
  evaluate({ type, key, fallback }) {
    return OpenFeature.getClient()[`get${type}Details`](key, fallback);
  },
  async changed({ times }) {
    while (changes < times) await new Promise((resolve) => (heard = resolve));
    return changes;
  },
  async become({ context }) {
    const before = streams.length;
    await OpenFeature.setContext(context);
    if (streams.length > before) await streams.at(-1).opened;
  },
  async reopened() {
    const stream = streams.at(-1);
    while (stream.readyState !== EventSource.OPEN) await new Promise((resolve) => setTimeout(resolve, 10));
  },
  seen() {
    return { requests, streams: streams.map((stream) => stream.readyState) };
  },
});
