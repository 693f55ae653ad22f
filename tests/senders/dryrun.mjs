// The dry run: `sidestream eval` says of each kept request what the server would make of it, and `sidestream sign` signs as the
// senders' libraries do.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { check } from '../clients/lib/checks.mjs';
import { BINARY } from '../clients/lib/sidestream.mjs';
import { captures, FOLDER } from './lib/captures.mjs';
import { field } from './lib/http.mjs';
import { THEN } from './lib/make.mjs';
import { came } from './lib/trial.mjs';

/** Runs the program to its end: `{ code, out, error }`. */
function run(gateway, args, input) {
  const child = spawn(BINARY, [args[0], '-c', gateway.config, ...args.slice(1)], { env: { ...process.env, ...gateway.env } });
  const ended = { out: '', error: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => { ended.out += text; });
  child.stderr.setEncoding('utf8').on('data', (text) => { ended.error += text; });
  child.stdin.on('error', () => {}); // one that refuses its arguments reads nothing
  child.stdin.end(input);
  return new Promise((resolve) => child.on('close', (code) => resolve({ ...ended, code })));
}

/** Does it for each of the kept requests. */
async function each(work) {
  const made = await captures();
  for (const one of made) await work(one);
  return `${made.length} requests`;
}

const evaluated = async (gateway, { file, provider }, time) => {
  const request = fileURLToPath(new URL(file, FOLDER));
  const ended = await run(gateway, ['eval', '--json', '--source', provider.source, '--request', request, ...time]);
  assert.notEqual(ended.out, '', `${file}: ${ended.error}`);
  return { code: ended.code, ...JSON.parse(ended.out) };
};

/** The checks. */
export const dryrun = (gateway) => [
  () => check('eval: each kept request becomes what the server makes of it', () => each(async (one) => {
    const { file, sample, request } = one;
    const told = await evaluated(gateway, one, ['--time', String(THEN)]);
    if (one.provider.remote) { // nothing is fetched for a dry run
      assert.match(told.why, /keys have not been fetched/, file);
      return;
    }
    assert.deepEqual([told.code, told.verified, told.outcome], [0, true, 'accepted'], `${file}: ${told.why}`);
    const wanted = sample.events({ body: request.body, id: sample.id });
    came(told.events.map(({ type, ...event }) => ({ ...event, type: type ?? 'message' })), wanted, file);
  })),

  () => check('eval: now, those whose time is signed are refused', () => each(async (one) => {
    const told = await evaluated(gateway, one, []);
    const old = one.provider.signs.includes('time');
    // A dry run fetches no keys, and who lacks them is asked to try again.
    const refused = one.file.startsWith('pubsub') ? 'unavailable' : 'unauthorized';
    assert.deepEqual([told.code, told.outcome], old ? [1, refused] : [0, 'accepted'], `${one.file}: ${told.why}`);
  })),

  () => check('sign: each signature is what the sender’s library makes', () => each(async ({ file, provider, sample, request }) => {
    if (provider.signed === 'elsewhere') return; // by a private key that is not here
    const type = field(request, 'Content-Type');
    const { code, out, error } = await run(gateway, [
      'sign', '--source', provider.source, '--time', String(THEN), '--path', request.target, '-H', `Content-Type: ${type}`,
      ...(provider.id && provider.signs.includes('id') ? ['--id', sample.id] : []),
    ], request.body);
    assert.equal(code, 0, `${file}: ${error}`);
    const fields = out.split('\n').map((line) => line.split(/: (.*)/));
    assert.equal(field({ headers: fields }, provider.proof), field(request, provider.proof), file);
  })),
];
