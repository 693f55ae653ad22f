// Tokens that nobody here made: by npm's `jose` and by Python's PyJWT, in every algorithm, with keys of their own making.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createPublicKey, createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exportJWK, SignJWT } from 'jose';
import { EventSource } from 'eventsource';
import { check, Happenings } from './lib/checks.mjs';
import * as httpxSse from './httpx_sse.mjs';
import { folder, Sidestream } from './lib/sidestream.mjs';

const PYJWT = fileURLToPath(new URL('pyjwt_tokens.py', import.meta.url));

const rsa = () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const secret = (bytes) => createSecretKey(randomBytes(bytes / 2).toString('hex'), 'utf8');

/** A fresh key for each algorithm. */
const MAKE = {
  HS256: () => secret(32),
  HS384: () => secret(48),
  HS512: () => secret(64),
  RS256: rsa,
  RS384: rsa,
  RS512: rsa,
  PS256: rsa,
  PS384: rsa,
  PS512: rsa,
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  ES384: () => generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey,
  EdDSA: () => generateKeyPairSync('ed25519').privateKey,
};

const claims = (more = {}) => ({
  sub: '42', aud: 'sidestream', iss: 'https://id.example/', exp: Math.floor(Date.now() / 1000) + 600, topics: ['orders.*'], ...more,
});

const withJose = async (alg, key, payload) => new SignJWT(payload).setProtectedHeader({ alg, kid: alg }).sign(key);

/** All at once: starting Python costs more than signing. */
function withPyJwt(jobs) {
  const ran = spawnSync(httpxSse.python(), [PYJWT], { input: JSON.stringify(jobs), encoding: 'utf8' });
  if (ran.status !== 0) throw new Error(ran.stderr.slice(-500));
  return JSON.parse(ran.stdout);
}

/** A server that knows each key by its algorithm's name: public ones from a set in a file, secrets one by one. */
async function knowing(keys, run) {
  const jwks = { keys: [] };
  const known = [];
  for (const [alg, key] of Object.entries(keys)) {
    if (alg.startsWith('HS')) known.push({ secret: key.export().toString(), kid: alg });
    else jwks.keys.push({ ...(await exportJWK(createPublicKey(key))), kid: alg, alg, use: 'sig' });
  }
  const file = join(folder, `keys-${randomBytes(4).toString('hex')}.json`);
  writeFileSync(file, JSON.stringify(jwks));
  const server = await Sidestream.create({
    auth: {
      jwt: {
        algorithms: Object.keys(keys), issuer: 'https://id.example/', audience: 'sidestream', keys: [{ jwks: { file } }, ...known],
      },
    },
  });
  try {
    return await run(server);
  } finally {
    await server.stop();
  }
}

const page = async (server, topic, token) => {
  const headers = { Accept: 'application/json', ...(token && { Authorization: `Bearer ${token}` }) };
  const response = await fetch(`${server.edge}/topics/${topic}`, { headers });
  await response.text();
  return response.status;
};

/** Each token lets in where it says, nowhere else, and not when a bit of it is another. */
async function judged(server, tokens) {
  for (const [alg, token] of Object.entries(tokens)) {
    assert.equal(await page(server, 'orders.7', token), 200, alg);
    assert.equal(await page(server, 'users.7', token), 403, alg);
    const [head, body, signature] = token.split('.');
    const raw = Buffer.from(signature, 'base64url');
    raw[raw.length >> 1] ^= 1;
    for (const [what, forged] of Object.entries({
      'another signature': [head, body, raw.toString('base64url')],
      'other claims': [head, Buffer.from(JSON.stringify(claims({ topics: ['**'] }))).toString('base64url'), signature],
      'no signature': [head, body, ''],
      'another algorithm': [Buffer.from(JSON.stringify({ alg: 'none', kid: alg })).toString('base64url'), body, ''],
    })) {
      assert.equal(await page(server, 'orders.7', forged.join('.')), 401, `${alg}: ${what}`);
    }
  }
}

const keysForAll = () => Object.fromEntries(Object.entries(MAKE).map(([alg, make]) => [alg, make()]));

async function jose() {
  const keys = keysForAll();
  await knowing(keys, async (server) => {
    const tokens = {};
    for (const [alg, key] of Object.entries(keys)) tokens[alg] = await withJose(alg, key, claims());
    await judged(server, tokens);
    // A key is for its own algorithm: the same bytes under another name are nobody's.
    const crossed = await new SignJWT(claims()).setProtectedHeader({ alg: 'PS256', kid: 'RS256' }).sign(keys.RS256);
    assert.equal(await page(server, 'orders.7', crossed), 401);
    // The whole way, once for each: an event reaches the bearer.
    for (const [alg, token] of Object.entries(tokens)) {
      const source = new EventSource(`${server.edge}/topics/orders.*?access_token=${token}`);
      const seen = new Happenings();
      source.onopen = () => seen.push('open');
      source.onmessage = ({ data }) => seen.push(data);
      await seen.wait((thing) => thing === 'open', `the stream of ${alg}`);
      await server.publish('orders.7', alg);
      await seen.wait((thing) => thing === alg, `the event for ${alg}`);
      source.close();
    }
  });
  return `${Object.keys(keys).length} algorithms`;
}

async function pyjwt() {
  httpxSse.python(); // skips before anything is started
  const keys = keysForAll();
  const key = (alg) => (alg.startsWith('HS') ? keys[alg].export().toString() : keys[alg].export({ type: 'pkcs8', format: 'pem' }));
  const good = Object.keys(keys).map((alg) => ({ alg, key: key(alg), headers: { kid: alg }, claims: claims() }));
  const job = (more, headers = {}) => ({ alg: 'ES256', key: key('ES256'), headers: { kid: 'ES256', ...headers }, claims: claims(more) });
  const now = Math.floor(Date.now() / 1000);
  const bad = {
    expired: job({ exp: now - 60 }),
    not_yet: job({ nbf: now + 600 }),
    audience: job({ aud: ['another'] }),
    issuer: job({ iss: 'https://id.example' }),
    critical: job({}, { crit: ['b64'], b64: false }),
    unknown_key: job({}, { kid: 'nobody' }),
  };
  const tokens = withPyJwt([...good, ...Object.values(bad)]);
  await knowing(keys, async (server) => {
    await judged(server, Object.fromEntries(good.map(({ alg }, index) => [alg, tokens[index]])));
    for (const [index, reason] of Object.keys(bad).entries()) {
      const metric = `auth_failures_total\\{reason="${reason}"\\}`;
      const before = await server.metric(metric);
      assert.equal(await page(server, 'orders.7', tokens[good.length + index]), 401, reason);
      assert.equal(await server.metric(metric), before + 1, reason);
    }
    assert.equal(await page(server, 'orders.7'), 401, 'without a token');
  });
  return `${good.length} algorithms`;
}

export const checks = [
  () => check('jose: its tokens in every algorithm let in where they say, and forged ones nowhere', jose),
  () => check('PyJWT: its tokens in every algorithm, and what is wrong with others is counted', pyjwt),
];
