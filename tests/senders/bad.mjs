// Bad input that has a genuine signature, or nearly has one: what providers' libraries would let pass, or trip over.

import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { check } from '../clients/lib/checks.mjs';
import github from './providers/github.mjs';
import { shopify, websub } from './providers/signed.mjs';
import { slack } from './providers/slack.mjs';
import { standard } from './providers/standard.mjs';
import stripe from './providers/stripe.mjs';
import { difference } from './lib/gateway.mjs';
import { field, withField } from './lib/http.mjs';
import { bytes, freshId, hmac, now } from './lib/make.mjs';
import { needsPython } from './lib/python.mjs';

/** Less and more than the 300 s that a clock may be off; the server's clock is real. */
const NEAR_SECONDS = 295;
const BEYOND_SECONDS = 305;

const [contact] = standard.samples;
const issue = github.samples.find(({ capture }) => capture);

/** Sends a list of `[how, request, status]`, and nothing but what is 2xx may come of it. */
const table = (gateway, { source }, name, rows) => check(`${source}: ${name}`, async () => {
  const counts = await gateway.counts(source);
  const seen = gateway.events.list.length;
  const made = await rows();
  for (const [how, request, status] of made) {
    const answer = await gateway.send(request);
    assert.equal(answer.status, status, `${how}: ${answer.status} ${answer.body}`);
  }
  const taken = made.filter(([, , status]) => status < 300).length;
  const changed = difference(counts, await gateway.counts(source));
  assert.deepEqual([changed.accepted ?? 0, changed.events ?? 0], [taken, taken]);
  await gateway.events.atLeast(seen + taken, 'events');
  assert.equal(gateway.events.list.length, seen + taken);
  return `${made.length} requests`;
});

const ofGithub = async (body, more = []) => {
  const request = await issue.make({ id: freshId(), body });
  return { ...request, headers: [...request.headers, ...more] };
};

/** Signed by node, since the library takes text alone. */
const packed = (body, encoding, secret = github.secret) => issue.make({ id: freshId() }).then((request) => ({
  ...withField(request, 'X-Hub-Signature-256', `sha256=${hmac(secret, body)}`),
  body,
  ...(encoding && {
    headers: [...withField(request, 'X-Hub-Signature-256', `sha256=${hmac(secret, body)}`).headers, ['Content-Encoding', encoding]],
  }),
}));

/** No text at all, which only node signs. */
const unreadable = async () => {
  const body = Buffer.from([0x22, 0xff, 0xfe, 0x22]);
  const request = await shopify.samples[0].make({ id: freshId() });
  return { ...withField(request, shopify.proof, hmac(shopify.secret, body, { encoding: 'base64' })), body };
};

/** The checks. */
export const bad = (gateway) => [
  () => table(gateway, standard, 'clocks may be off by five minutes, both ways', async () => {
    const at = async (off) => contact.make({ id: freshId(), time: now() + off });
    return [
      ['nearly too old', await at(-NEAR_SECONDS), 202], ['too old', await at(-BEYOND_SECONDS), 401],
      ['nearly too early', await at(NEAR_SECONDS), 202], ['too early', await at(BEYOND_SECONDS), 401],
    ];
  }),

  () => check('slack: a time that is none is refused, though it is signed', async () => {
    needsPython();
    const seen = gateway.events.list.length;
    const second = now();
    for (const time of [`-${second}`, `${second}000`, `${second}.0`, `+${second}`, ` ${second}`, `0${'1'.repeat(19)}`, '0x65', '', 'NaN', '1e9']) {
      const answer = await gateway.send(await slack.samples[0].make({ id: freshId(), time }));
      // A space is no part of a header's value, so what arrives was not what was signed.
      assert.equal(answer.status, 401, `${JSON.stringify(time)}: ${answer.status} ${answer.body}`);
    }
    assert.equal(gateway.events.list.length, seen);
  }),

  () => table(gateway, standard, 'of several signatures one is enough, and only of a kind that is known', async () => {
    const request = await contact.make({ id: freshId() });
    const right = field(request, 'webhook-signature');
    const wrong = field(await contact.make({ id: freshId(), secret: standard.wrong }), 'webhook-signature');
    const signed = (value) => withField(request, 'webhook-signature', value);
    return [
      ['none is right', signed(`${wrong} ${wrong} v1,${'A'.repeat(43)}=`), 401],
      ['another version', signed(right.replace('v1,', 'v2,')), 401],
      ['no signature behind its version', signed('v1,'), 401],
      ['without padding', signed(right.replace(/=+$/, '')), 401],
      ['for URLs', signed(right.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')), 401],
      ['two fields', { ...request, headers: [...request.headers, ['webhook-signature', right]] }, 401],
      ['an id with a dot', await contact.make({ id: 'a.b' }), 401],
      ['the right one among others', signed(`${wrong} v2,x ${right} ${wrong}`), 202],
    ];
  }),

  () => table(gateway, github, 'only SHA-256, in lower case, as GitHub sends it', async () => {
    const request = await issue.make({ id: freshId() });
    const value = field(request, 'X-Hub-Signature-256');
    const signed = (text) => withField(request, 'X-Hub-Signature-256', text);
    const sha1 = hmac(github.secret, request.body, { algorithm: 'sha1' });
    return [
      ['upper case', signed(`sha256=${value.slice(7).toUpperCase()}`), 401],
      ['an upper-case prefix', signed(value.replace('sha256', 'SHA256')), 401],
      ['without its prefix', signed(value.slice(7)), 401],
      ['with more behind it', signed(`${value}00`), 401],
      ['half of it', signed(value.slice(0, 39)), 401],
      ['SHA-1 in its place', signed(`sha1=${sha1}`), 401],
      ['SHA-1 alone', { ...signed(undefined), headers: [...signed(undefined).headers, ['X-Hub-Signature', `sha1=${sha1}`]] }, 401],
      ['as it is', request, 202],
    ];
  }),

  () => table(gateway, shopify, 'base64 with its padding, of the standard alphabet', async () => {
    const request = await shopify.samples[0].make({ id: freshId() });
    const value = field(request, shopify.proof);
    return [
      ['without padding', withField(request, shopify.proof, value.replace(/=+$/, '')), 401],
      ['not UTF-8, and signed', await unreadable(), 415],
      ['hex', withField(request, shopify.proof, hmac(shopify.secret, request.body)), 401],
      ['as it is', request, 200],
    ];
  }),

  () => table(gateway, websub, 'a hub’s hex may be in upper case', async () => {
    const request = await websub.samples[0].make({ id: freshId() });
    const [method, hex] = field(request, websub.proof).split('=');
    return [
      ['another method', withField(request, websub.proof, `md5=${hex}`), 401],
      ['a method that it is not', withField(request, websub.proof, `sha384=${hex}`), 401],
      ['upper case', withField(request, websub.proof, `${method}=${hex.toUpperCase()}`), 202],
    ];
  }),

  () => table(gateway, stripe, 'only v1, and one time', async () => {
    const request = await stripe.samples[0].make({ id: `evt_${freshId()}` });
    const value = field(request, stripe.proof);
    const signed = (text) => withField(request, stripe.proof, text);
    return [
      ['v0 in its place', signed(value.replace('v1=', 'v0=')), 401],
      ['two times', signed(`t=1,${value}`), 401],
      ['no time', signed(value.replace(/^t=\d+,/, '')), 401],
      ['upper case', signed(value.replace(/v1=(.*)/, (_, hex) => `v1=${hex.toUpperCase()}`)), 401],
      ['beside a v0, as for test events', signed(`${value},v0=${'0'.repeat(64)}`), 202],
    ];
  }),

  () => table(gateway, github, 'bodies: packed, a bomb, not UTF-8, no JSON', async () => {
    const body = (await issue.make({ id: 'x' })).body;
    const bomb = gzipSync(Buffer.alloc(8 << 20));
    const notText = Buffer.from([0x22, 0xff, 0xfe, 0x22]);
    return [
      ['gzip, signed as it is sent', await packed(gzipSync(body), 'gzip'), 202],
      ['gzip, signed as it was before', { ...(await packed(gzipSync(body), 'gzip')), headers: (await ofGithub(body, [['Content-Encoding', 'gzip']])).headers }, 401],
      ['8 MiB in 8 KiB', await packed(bomb, 'gzip'), 413],
      ['8 MiB in 8 KiB, not signed', await packed(bomb, 'gzip', github.wrong), 401],
      ['gzip that is none', await packed(body, 'gzip'), 400],
      ['an unknown packing', await packed(body, 'zstd'), 415],
      ['not UTF-8', await packed(notText), 415],
      ['no JSON', await ofGithub(bytes('no JSON')), 422],
      ['nothing', await packed(Buffer.alloc(0)), 422],
    ];
  }),

  () => check('github: of equal keys the last counts, for the filter as for a browser', async () => {
    const seen = gateway.events.list.length;
    const left = await gateway.send(await ofGithub(bytes('{"sender":{"type":"User"},"sender":{"type":"Bot"}}')));
    assert.deepEqual(JSON.parse(left.body), { events: [], subscribers: 0, duplicate: false });
    const text = '{"sender":{"type":"Bot"},"sender":{"type":"User"}}';
    await gateway.send(await ofGithub(bytes(text)));
    const list = await gateway.events.atLeast(seen + 1, 'event');
    assert.equal(list[seen].data, text);
  }),

  () => check('github: a header of 64 KiB is refused, and the next request is served', async () => {
    const request = await issue.make({ id: freshId() });
    const seen = gateway.events.list.length;
    const answer = await gateway.send(withField(request, 'X-Hub-Signature-256', `sha256=${'0'.repeat(65_536)}`)).catch((error) => ({ status: 400, error }));
    assert.ok([400, 401, 431].includes(answer.status), String(answer.status));
    assert.equal((await gateway.send(request)).status, 202);
    await gateway.events.atLeast(seen + 1, 'event');
    assert.equal(gateway.events.list.length, seen + 1);
  }),

  () => check('stripe: a hundred at once are one event, and a hundred equal answers', async () => {
    const request = await stripe.samples[0].make({ id: `evt_${freshId()}` });
    const counts = await gateway.counts('stripe');
    const seen = gateway.events.list.length;
    const answers = await Promise.all(Array.from({ length: 100 }, () => gateway.send(request)));
    const told = answers.map(({ status, body }) => ({ status, ...JSON.parse(body) }));
    assert.equal(new Set(told.map(({ status, topic, cursor }) => `${status} ${topic} ${cursor}`)).size, 1);
    assert.equal(told.filter(({ duplicate }) => !duplicate).length, 1);
    assert.deepEqual(difference(counts, await gateway.counts('stripe')), { accepted: 1, duplicate: 99, events: 1 });
    const list = await gateway.events.atLeast(seen + 1, 'event');
    assert.deepEqual(list.slice(seen).map(({ id }) => id), [told[0].cursor]);
  }),

  () => check('github: what is not signed makes another event of a body, and with replay_guard: body it does not', async () => {
    const captured = await issue.make({ id: freshId() });
    const again = withField(captured, 'X-GitHub-Delivery', freshId());
    const send = async (request) => JSON.parse((await gateway.send(request)).body).duplicate;
    assert.deepEqual([await send(captured), await send(again)], [false, false]);
    const guarded = (request) => ({ ...request, target: '/webhooks/github-guarded' });
    assert.deepEqual([await send(guarded(captured)), await send(guarded(again))], [false, true]);
  }),
];
