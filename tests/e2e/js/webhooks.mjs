// A receiver of webhooks: v1 by the standard's own library, v1a by the Ed25519 that Node has.
import { createPublicKey, verify } from 'node:crypto';
import { Webhook } from 'standardwebhooks';

import { talk } from './talk.mjs';

/** Of the DER form of an Ed25519 key, what comes before its 32 bytes. */
const PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

await talk({
  v1({ secret, body, headers }) {
    return new Webhook(secret).verify(body, headers);
  },
  v1a({ key, body, headers }) {
    const raw = Buffer.from(key.replace('whpk_', ''), 'base64');
    const publicKey = createPublicKey({ key: Buffer.concat([PREFIX, raw]), format: 'der', type: 'spki' });
    const signed = Buffer.from(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`);
    return headers['webhook-signature']
      .split(' ')
      .filter((one) => one.startsWith('v1a,'))
      .some((one) => verify(null, signed, publicKey, Buffer.from(one.slice('v1a,'.length), 'base64')));
  },
});
