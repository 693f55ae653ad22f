// No secret and no signature is to be seen anywhere but where it belongs; and secrets change without a restart.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { check } from '../clients/lib/checks.mjs';
import { eventually, folder } from '../clients/lib/sidestream.mjs';
import { standard } from './providers/standard.mjs';
import { providers } from './providers/index.mjs';
import { field } from './lib/http.mjs';
import { freshId, whsec } from './lib/make.mjs';

const FILES = ['old', 'new'].map((name) => join(folder, `rotated-${name}`));

/** A source whose secrets are in two files. */
export const rotated = () => {
  FILES.forEach((file) => writeFileSync(file, whsec('first secret of the tests')));
  return `sources:
  - name: rotated
    path: /webhooks/rotated
    verify: { standard: { secrets: [ { file: ${FILES[0]} }, { file: ${FILES[1]} } ] } }
    topic: rotated
`;
};

const text = async (url) => (await fetch(url)).text();

/** The checks; they come last. */
export const secrets = (gateway) => [
  () => check('rotated: secrets in files change without a restart, and overlap', async () => {
    const [first, second] = [whsec('first secret of the tests'), whsec('second secret of the tests')];
    const status = async (secret) => {
      const request = await standard.samples[0].make({ id: freshId(), secret });
      return (await gateway.send({ ...request, target: '/webhooks/rotated' })).status;
    };
    assert.deepEqual([await status(first), await status(second)], [202, 401], 'the old one');
    writeFileSync(FILES[1], second);
    await eventually(async () => (await status(second)) === 202, 'the new secret to be believed');
    assert.equal(await status(first), 202, 'both');
    writeFileSync(FILES[0], second);
    await eventually(async () => (await status(first)) === 401, 'the old secret to be refused');
    assert.equal(await status(second), 202, 'the new one');
  }),

  () => check('secrets: none is in a log line, a metric, an event, an answer of the admin API', async () => {
    const hidden = new Map();
    for (const provider of providers) {
      const { source, secret, wrong, env = {}, samples, proof } = provider;
      for (const value of [...Object.entries(env).filter(([name]) => !name.endsWith('PUBLIC_KEY')).map(([, v]) => v), secret, wrong]) {
        if (typeof value === 'string') hidden.set(value.replace(/^whsec_/, ''), `a secret of ${source}`);
      }
      // What is sent as a proof: a forged one that was refused is in the last error, if anything is.
      for (const sample of [samples[0]]) {
        for (const by of [undefined, wrong]) {
          const request = await sample.make({ id: freshId(), secret: by });
          await gateway.send(request);
          hidden.set(field(request, proof).replace(/^.*[=, ](?=.{20})/, '').replace(/=+$/, ''), `a proof to ${source}`);
        }
      }
    }
    const sources = await text(`${gateway.admin}/api/sources`);
    assert.ok(sources.includes('"unauthorized"'), `the last errors are there: ${sources.slice(0, 300)}`);
    const log = await eventually(() => readFileSync(gateway.log, 'utf8').includes('webhook refused'), 'the log').then(() => readFileSync(gateway.log, 'utf8'));
    const places = {
      'the log': log,
      'the metrics': await text(`${gateway.admin}/metrics`),
      '/api/sources': sources,
      '/api/info': await text(`${gateway.admin}/api/info`),
      '/api/topics': await text(`${gateway.admin}/api/topics`),
      'an event': JSON.stringify(gateway.events.list),
    };
    for (const [place, shown] of Object.entries(places)) {
      for (const [value, what] of hidden) assert.ok(!shown.includes(value), `${what} is in ${place}`);
    }
    return `${hidden.size} values, ${Object.keys(places).length} places, ${log.length} bytes of log`;
  }),
];
