// posthog-node as an application holds it.
import { PostHog } from 'posthog-node';
import { talk } from './talk.mjs';

let posthog;

await talk({
  open({ key, host, ...options }) {
    posthog = new PostHog(key, { host, ...options });
  },
  call({ method, ...message }) {
    posthog[method](message);
  },
  flag: ({ key, distinctId, ...options }) => posthog.getFeatureFlag(key, distinctId, options),
  payload: ({ key, distinctId }) => posthog.getFeatureFlagPayload(key, distinctId),
  flags: ({ distinctId, ...options }) => posthog.getAllFlags(distinctId, options),
  close: () => posthog.shutdown(30_000),
});
