// Standard Webhooks by its own library, and Svix by its own.

import { Webhook } from 'standardwebhooks';
import { signature } from '../lib/python.mjs';
import { bytes, now, whsec } from '../lib/make.mjs';

const body = (type) => bytes(JSON.stringify({ type, timestamp: '2023-11-14T22:13:20Z', data: { id: 7, name: 'Zoë ☃' } }));

const request = (path, prefix, { id, time, signed, sent, agent }) => ({
  target: `/webhooks/${path}`,
  headers: [
    ['Content-Type', 'application/json'],
    ['User-Agent', agent],
    [`${prefix}-id`, id],
    [`${prefix}-timestamp`, String(time)],
    [`${prefix}-signature`, signed],
  ],
  body: sent,
});

const common = { signs: ['body', 'id', 'time'], answer: { status: 202 } };
const secret = whsec('standard secret of the tests');
const wrong = whsec('another secret of the tests');

export const standard = {
  ...common,
  source: 'standard',
  env: { STANDARD_WEBHOOK_SECRET: secret },
  by: 'npm standardwebhooks 1.1.1',
  proof: 'webhook-signature',
  id: 'webhook-id',
  time: 'webhook-timestamp',
  secret,
  wrong,
  samples: ['contact.created', 'invoice.paid'].map((type, index) => ({
    name: type,
    capture: index === 0,
    id: 'msg_2KWPBgLlAfxdpx2AI54pPJ85f4W',
    async make({ secret: by = secret, id, time = now(), body: sent = body(type) }) {
      const signed = new Webhook(by).sign(id, new Date(time * 1000), sent.toString('utf8'));
      return request('standard', 'webhook', { id, time, signed, sent, agent: 'example/1.0' });
    },
    events: ({ body: sent }) => [{ topic: `events.${type}`, type, data: sent.toString('utf8') }],
  })),
};

const svixSecret = whsec('svix secret of the tests');

export const svix = {
  ...common,
  source: 'svix',
  env: { SVIX_WEBHOOK_SECRET: svixSecret },
  by: 'PyPI svix 2.9.1',
  proof: 'svix-signature',
  id: 'svix-id',
  time: 'svix-timestamp',
  secret: svixSecret,
  wrong,
  samples: ['user.created'].map((type) => ({
    name: type,
    capture: true,
    id: 'msg_2Lh9KRb0pzN4LePd3XiA4v12Axj',
    async make({ secret: by = svixSecret, id, time = now(), body: sent = body(type) }) {
      const signed = await signature('svix', { secret: by, id, time, body: sent });
      return request('svix', 'svix', { id, time, signed, sent, agent: 'Svix-Webhooks/1.71.0' });
    },
    events: ({ body: sent }) => [{ topic: `svix.${type}`, type, data: sent.toString('utf8') }],
  })),
};
