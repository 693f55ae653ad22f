// What every provider's requests must come to: genuine ones to their events, once; forgeries to nothing.

import assert from 'node:assert/strict';
import { check } from '../../clients/lib/checks.mjs';
import { eventually } from '../../clients/lib/sidestream.mjs';
import { disguises, forgeries } from './forge.mjs';
import { difference } from './gateway.mjs';
import { freshId } from './make.mjs';

/** Above so many samples, forgeries that differ in place alone are left out. */
const MANY = 20;

/** The one answer to all forgeries: it must not tell them apart. */
const REFUSED = { type: 'about:blank', title: 'Unauthorized', status: 401 };

function answered(answer, provider, name) {
  const { status, body, headers = {} } = provider.answer;
  assert.equal(answer.status, status, `${name}: ${answer.status} ${answer.body}`);
  if (body !== undefined) assert.equal(answer.body, body, name);
  for (const [header, value] of Object.entries(headers)) assert.equal(answer.headers[header], value, name);
}

/** Whether what came is what was to come, and nothing else. */
export function came(got, wanted, name) {
  assert.deepEqual(got.map(({ topic, type }) => [topic, type]), wanted.map(({ topic, type }) => [topic, type]), name);
  got.forEach(({ data }, index) => {
    const { data: want } = wanted[index];
    if (typeof want === 'string') assert.equal(data, want, `${name}: its data, byte for byte`);
    else assert.deepEqual(JSON.parse(data), want.json, `${name}: its data`);
  });
}

/** Sends a request again and again until the keys are there that it is believed by. */
async function keysOf(gateway, sample) {
  const seen = gateway.events.list.length;
  const id = freshId();
  const request = await sample.make({ id });
  await eventually(async () => (await gateway.send(request)).status !== 401, 'the keys to be there');
  await gateway.events.atLeast(seen + sample.events({ body: request.body, id }).length, 'events');
}

/** The checks of one provider. */
export function trial(gateway, provider) {
  const { source, samples } = provider;
  const few = samples.length > MANY;

  const between = async (run) => {
    const counts = await gateway.counts(source);
    const seen = gateway.events.list.length;
    await run(seen);
    return difference(counts, await gateway.counts(source));
  };

  /** Sends a new genuine request and sees its events next, and nothing before them. */
  const fence = async (seen, what) => {
    const id = freshId();
    for (const sample of samples) {
      const request = await sample.make({ id });
      const wanted = sample.events({ body: request.body, id });
      if (wanted.length === 0) continue;
      answered(await gateway.send(request), provider, sample.name);
      const list = await gateway.events.atLeast(seen + wanted.length, 'events');
      came(list.slice(seen), wanted, what);
      return;
    }
    throw new Error('no sample becomes an event');
  };

  return [
    () => check(`${source}: genuine requests become events, and only once (${provider.by})`, async () => {
      if (provider.remote) await keysOf(gateway, samples[0]);
      const made = [];
      for (const sample of samples) {
        const id = freshId();
        const request = await sample.make({ id });
        made.push({ sample, request, wanted: sample.events({ body: request.body, id }) });
      }
      const wanted = made.flatMap((one) => one.wanted);
      const kept = made.filter((one) => one.wanted.length > 0).length;
      const changed = await between(async (seen) => {
        for (const { sample, request } of made) answered(await gateway.send(request), provider, sample.name);
        const list = await gateway.events.atLeast(seen + wanted.length, 'events');
        came(list.slice(seen), wanted, 'in their order');
      });
      const filtered = made.length - kept;
      assert.deepEqual(changed, { accepted: kept, events: wanted.length, ...(filtered && { filtered }) });

      const again = await between(async (seen) => {
        for (const { sample, request } of made) {
          const answer = await gateway.send(request);
          answered(answer, provider, sample.name);
          if (answer.headers['content-type'] === 'application/json' && kept === made.length) {
            assert.equal(JSON.parse(answer.body).duplicate, true, sample.name);
          }
        }
        await fence(seen, 'a request that comes again publishes nothing');
      });
      assert.equal(again.duplicate, kept);
      assert.equal(again.accepted, 1, 'the one behind them');
      return `${made.length} requests`;
    }),

    () => check(`${source}: forgeries are refused, counted and publish nothing`, async () => {
      const made = [];
      for (const sample of samples) made.push(...(await forgeries(provider, sample, { few })));
      const changed = await between(async (seen) => {
        for (const { how, request } of made) {
          const answer = await gateway.send(request);
          assert.equal(answer.status, 401, `${how}: ${answer.status} ${answer.body}`);
          const { type, title, status } = JSON.parse(answer.body);
          assert.deepEqual({ type, title, status }, REFUSED, how);
          assert.equal(answer.body, provider.refused ?? answer.body, 'all are told the same');
          provider.refused = answer.body;
        }
        await fence(seen, 'forgeries publish nothing');
      });
      const { events, accepted, unauthorized, ...others } = changed;
      assert.deepEqual({ accepted, unauthorized, others }, { accepted: 1, unauthorized: made.length, others: {} });
      assert.ok(events >= 1);
      return `${made.length} forgeries`;
    }),

    ...(provider.signs.includes('body') ? [() => check(`${source}: header fields that nobody signs change nothing`, async () => {
      let count = 0;
      for (const sample of few ? samples.slice(0, 3) : samples) {
        const request = await sample.make({ id: freshId() });
        answered(await gateway.send(request), provider, sample.name);
        const before = await gateway.counts(source);
        for (const { how, request: disguised } of disguises(request)) {
          const { status, body } = await gateway.send(disguised);
          assert.ok(status === provider.answer.status || (status >= 400 && status < 500), `${sample.name}, ${how}: ${status} ${body}`);
          count += 1;
        }
        const { accepted = 0, events = 0 } = difference(before, await gateway.counts(source));
        assert.deepEqual([accepted, events], [0, 0], sample.name);
      }
      return `${count} requests`;
    })] : []),
  ];
}
