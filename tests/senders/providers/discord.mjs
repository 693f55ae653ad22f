// Discord's webhook events, signed by PyNaCl with the private half of a key that exists here alone.

import { signature } from '../lib/python.mjs';
import { bytes, now } from '../lib/make.mjs';

const secret = '01'.repeat(32);
const wrong = '02'.repeat(32);

const authorized = (id) => bytes(JSON.stringify({
  version: 1, application_id: '1234560123453231555', type: 1,
  event: {
    type: 'APPLICATION_AUTHORIZED', timestamp: '2023-11-14T22:13:20.123456',
    data: { integration_type: 1, scopes: ['applications.commands'], user: { id, username: 'nelly', global_name: 'Nélly 🦊' } },
  },
}));

export const make = async ({ secret: by = secret, id, time = now(), body = authorized(id) }) => ({
  target: '/webhooks/discord',
  headers: [
    ['Content-Type', 'application/json'],
    ['User-Agent', 'Discord-Webhook/1.0 (+https://discord.com)'],
    ['X-Signature-Ed25519', await signature('discord', { secret: by, time, body })],
    ['X-Signature-Timestamp', String(time)],
  ],
  body,
});

export default {
  source: 'discord',
  // The public half of the key; Python's library says the same (see handshakes.mjs).
  env: { DISCORD_PUBLIC_KEY: '8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c' },
  by: 'Discord’s documents, signed by PyPI PyNaCl 1.6.2',
  signs: ['body', 'time'],
  signed: 'elsewhere',
  proof: 'X-Signature-Ed25519',
  time: 'X-Signature-Timestamp',
  secret,
  wrong,
  answer: { status: 204, body: '' },
  samples: [{
    name: 'APPLICATION_AUTHORIZED',
    capture: true,
    id: '80351110224678912',
    make,
    events: ({ body }) => [{ topic: 'discord.1234560123453231555', type: 'APPLICATION_AUTHORIZED', data: body.toString('utf8') }],
  }],
};
