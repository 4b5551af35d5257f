// @tinycdp/sdk in Node, built from this repository.
import { localEvaluation } from '../../../sdk-ts/dist/evaluation.js';
import { initTinyCDP } from '../../../sdk-ts/dist/index.js';

import { talk } from './talk.mjs';

let client;
let requests = [];

await talk({
  start({ local, ...options }) {
    requests = [];
    const counted = (url, request) => {
      requests.push(new URL(url).pathname);
      return fetch(url, request);
    };
    client = initTinyCDP({ ...options, fetch: counted, ...(local && { evaluation: localEvaluation() }) });
  },
  async track({ event, userId }) {
    client.track(event, {}, { userId });
    await client.flush();
  },
  decide: ({ key, ...asked }) => client.decide(key, asked),
  decideAll: (asked) => client.decideAll(asked),
  requests: () => requests,
  stop: () => client.shutdown(),
});
