// Senders that send a token of their own identity provider: Google Pub/Sub and Knative, by their documents; signed by npm's
// jsonwebtoken with a key that exists here alone.

import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { HTTP, CloudEvent } from 'cloudevents';
import jsonwebtoken from 'jsonwebtoken';
import { bytes, now } from '../lib/make.mjs';

const key = (name) => createPrivateKey(readFileSync(new URL(`../keys/${name}.pem`, import.meta.url)));
const right = key('right');
const wrong = key('wrong');
const KID = 'of-the-tests';

/** The key set that an identity provider would publish. */
export const jwks = JSON.stringify({
  keys: [{ ...createPublicKey(right).export({ format: 'jwk' }), kid: KID, use: 'sig', alg: 'RS256' }],
});

const token = ({ secret = right, time = now(), issuer, audience, ...claims }) =>
  jsonwebtoken.sign({ ...claims, iss: issuer, aud: audience, iat: time, nbf: time, exp: time + 300 }, secret, { algorithm: 'RS256', keyid: KID });

const common = {
  // Its own begin and end, and nothing of what it is sent with.
  signs: ['time'],
  signed: 'elsewhere',
  proof: 'Authorization',
  secret: right,
  wrong,
  answer: { status: 202 },
};

const GOOGLE = { issuer: 'https://accounts.google.com', audience: 'https://hooks.example/webhooks/pubsub', email: 'push@shop.iam.gserviceaccount.com', email_verified: true, sub: '113774264463038321964' };

export const pubsub = {
  ...common,
  source: 'pubsub',
  remote: true,
  by: 'Google’s documents, with a token by npm jsonwebtoken 9.0.3',
  samples: [{
    name: 'a message',
    capture: true,
    id: '2070443601311540',
    make: async ({
      secret, id, time,
      body = bytes(JSON.stringify({
        message: { attributes: { key: 'value' }, data: 'SGVsbG8gQ2xvdWQgUHViL1N1YiEg4piD', messageId: id, message_id: id, publishTime: '2023-11-14T22:13:20.123Z', publish_time: '2023-11-14T22:13:20.123Z' },
        subscription: 'projects/shop/subscriptions/orders',
      })),
    }) => ({
      target: '/webhooks/pubsub',
      headers: [
        ['Content-Type', 'application/json'], ['User-Agent', 'CloudPubSub-Google'], ['From', 'noreply@google.com'],
        ['Authorization', `Bearer ${token({ secret, time, ...GOOGLE })}`],
      ],
      body,
    }),
    events: ({ body }) => [{ topic: 'pubsub.orders', type: 'message', data: { json: JSON.parse(body.toString('utf8')).message } }],
  }],
};

const KNATIVE = { issuer: 'https://kubernetes.default.svc', audience: 'sidestream', sub: 'system:serviceaccount:shop:orders-sink' };

export const knative = {
  ...common,
  source: 'knative',
  by: 'npm cloudevents 10.0.0, with a token by npm jsonwebtoken 9.0.3',
  samples: [{
    name: 'binary',
    capture: true,
    id: '4a7d1b1e-6b7c-4d0a-9d3e-2f0c4d1a7b11',
    async make({ secret, id, time, body }) {
      const event = new CloudEvent({
        id, type: 'dev.knative.sources.ping', source: '/apis/v1/namespaces/shop/pingsources/every-minute',
        datacontenttype: 'application/json', time: '2023-11-14T22:13:20.000Z', data: { message: 'Grüezi' },
      });
      const made = HTTP.binary(event);
      return {
        target: '/webhooks/knative',
        headers: [...Object.entries(made.headers), ['Authorization', `Bearer ${token({ secret, time, ...KNATIVE })}`]],
        body: body ?? bytes(made.body),
      };
    },
    events: ({ body }) => [{ topic: 'knative.dev.knative.sources.ping', type: 'dev.knative.sources.ping', data: body.toString('utf8') }],
  }],
};

/** Who else could sign as these. */
export const signedAs = { token, GOOGLE, KNATIVE };
