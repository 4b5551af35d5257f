// Browsers' SDKs on a page of another origin. jsdom's XMLHttpRequest asks the server for permission, as a browser does;
// where an SDK takes `fetch`, it is Node's, which does not.
import { JSDOM } from 'jsdom';
import { talk } from './talk.mjs';

const { window } = new JSDOM('<!doctype html><title>Shop</title><script></script>', {
  url: 'http://shop.test/pricing',
  pretendToBeVisual: true,
});
window.fetch = globalThis.fetch;
window.navigator.sendBeacon = (url, blob) => {
  const read = new window.FileReader();
  read.onload = () => fetch(url, { method: 'POST', body: read.result });
  read.readAsText(blob);
  return true;
};
const names = [
  'document', 'location', 'navigator', 'localStorage', 'sessionStorage', 'history', 'screen', 'XMLHttpRequest', 'Event',
  'CustomEvent', 'ErrorEvent', 'Element', 'HTMLElement', 'Node', 'Blob', 'FileReader', 'MutationObserver',
  'addEventListener', 'removeEventListener', 'dispatchEvent',
];
const define = (name, value) => Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
define('window', window);
define('self', globalThis);
for (const name of names) {
  define(name, /^[a-z]\w*Event/.test(name) ? window[name].bind(window) : window[name]);
}

const sdks = {
  // Only where its settings are fetched is said: where events go is for the settings to say.
  async segment({ key, host }) {
    const { AnalyticsBrowser } = await import('@segment/analytics-next');
    const analytics = AnalyticsBrowser.load({ writeKey: key, cdnURL: host });
    // Not itself: it can be awaited, and would be.
    return Object.fromEntries(['page', 'track', 'identify'].map((call) => [call, (...given) => analytics[call](...given)]));
  },
  async rudder({ key, host, ...options }) {
    const { RudderAnalytics } = await import('@rudderstack/analytics-js/bundled');
    const rudder = new RudderAnalytics();
    rudder.load(key, host, { configUrl: host, polyfillIfRequired: false, ...options });
    await new Promise((ready) => rudder.ready(ready));
    return rudder;
  },
  async jitsu({ key, host, ...options }) {
    const { jitsuAnalytics } = await import('@jitsu/js');
    return jitsuAnalytics({ host, writeKey: `id:${key}`, ...options });
  },
  async posthog({ key, host }) {
    const { posthog } = await import('posthog-js');
    await new Promise((loaded) => {
      posthog.init(key, { api_host: host, loaded, autocapture: false, disable_external_dependency_loading: true });
    });
    return {
      page: () => posthog.capture('$pageview'),
      track: (name, properties) => posthog.capture(name, properties),
      identify: (userId, traits) => posthog.identify(userId, traits),
      flag: (key) => posthog.getFeatureFlag(key),
      reload: () => posthog.reloadFeatureFlags(),
    };
  },
};

let sdk;

await talk({
  async open({ sdk: name, ...given }) {
    sdk = await sdks[name](given);
  },
  // Browsers' SDKs may never say that something arrived; the test asks the server.
  call({ method, given }) {
    sdk[method](...given);
  },
  ask: ({ method, given }) => sdk[method](...given),
});
