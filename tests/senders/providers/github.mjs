// GitHub: all payloads of @octokit/webhooks-examples, signed by @octokit/webhooks-methods.

import { createRequire } from 'node:module';
import { sign } from '@octokit/webhooks-methods';
import { bytes } from '../lib/make.mjs';

const examples = createRequire(import.meta.url)('@octokit/webhooks-examples'); // the package is a file of JSON

const secret = 'github secret of the tests';

const headers = (event, id, signature) => [
  ['User-Agent', 'GitHub-Hookshot/044aadd'],
  ['Accept', '*/*'],
  ['X-GitHub-Delivery', id],
  ['X-GitHub-Event', event],
  ['X-GitHub-Hook-ID', '292430182'],
  ['X-GitHub-Hook-Installation-Target-ID', '79929171'],
  ['X-GitHub-Hook-Installation-Target-Type', 'repository'],
  ['X-Hub-Signature-256', signature],
];

const isBot = (payload) => payload.sender?.type === 'Bot';
const repository = (payload) => (payload.repository ? `.${payload.repository.name.replace('.', '~2E')}` : '');

const sample = (event, payload, number) => ({
  name: `${event} ${number}`,
  capture: event === 'issues' && number === 1,
  id: '72d3162e-cc78-11e3-81ab-4c9367dc0958',
  async make({ secret: by = secret, id, body = bytes(JSON.stringify(payload)) }) {
    const signature = await sign(by, body.toString('utf8'));
    const type = ['Content-Type', 'application/json'];
    return { target: '/webhooks/github', headers: [type, ...headers(event, id, signature)], body };
  },
  events: ({ body }) =>
    (isBot(payload) ? [] : [{ topic: `github${repository(payload) || '.other'}`, type: event, data: body.toString('utf8') }]),
});

export default {
  source: 'github',
  env: { GITHUB_WEBHOOK_SECRET: secret },
  by: 'npm @octokit/webhooks-methods 6.0.0, with the payloads of @octokit/webhooks-examples 7.6.1',
  signs: ['body'],
  proof: 'X-Hub-Signature-256',
  id: 'X-GitHub-Delivery',
  secret,
  wrong: 'another secret of the tests',
  answer: { status: 202 },
  samples: examples.flatMap(({ name, examples: payloads }) =>
    payloads.map((payload, index) => sample(name, payload, index + 1))),
};
