// @segment/analytics-node as an application holds it; `errors` are what it gave up on.
import { Analytics } from '@segment/analytics-node';
import { talk } from './talk.mjs';

let analytics;
const errors = [];

await talk({
  open({ writeKey, host, ...options }) {
    analytics = new Analytics({ writeKey, host, ...options });
    analytics.on('error', (trouble) => errors.push(String(trouble?.reason ?? trouble)));
  },
  call({ method, ...message }) {
    analytics[method](message);
  },
  async close() {
    await analytics.closeAndFlush({ timeout: 30_000 });
    return errors;
  },
});
