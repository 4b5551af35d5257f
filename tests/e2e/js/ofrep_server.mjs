// OpenFeature's server SDK with the OFREP provider.
import { OFREPProvider } from '@openfeature/ofrep-provider';
import { OpenFeature } from '@openfeature/server-sdk';

import { talk } from './talk.mjs';

await talk({
  async start({ baseUrl, headers }) {
    await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl, headers }));
  },
  evaluate({ type, key, fallback, context }) {
    return OpenFeature.getClient()[`get${type}Details`](key, fallback, context);
  },
});
