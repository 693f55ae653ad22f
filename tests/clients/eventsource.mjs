// The npm package `eventsource`.

import assert from 'node:assert/strict';
import { EventSource } from 'eventsource';
import { check, Happenings } from './lib/checks.mjs';
import { isToldAGap, tellsApart } from './lib/many.mjs';
import { Sidestream } from './lib/sidestream.mjs';
import { heartbeats, streamText, Tap } from './lib/tap.mjs';

const HEARTBEATS = 5;

function listen(url, types = []) {
  const source = new EventSource(url);
  const seen = new Happenings();
  source.onopen = () => seen.push({ kind: 'open' });
  source.onerror = (error) => seen.push({ kind: 'error', code: error.code });
  for (const type of ['message', 'sidestream.gap', ...types]) {
    source.addEventListener(type, (event) => seen.push({ kind: 'event', type, data: event.data, id: event.lastEventId }));
  }
  const events = () => seen.list.filter((thing) => thing.kind === 'event');
  return { source, seen, events };
}

const withData = (data) => (thing) => thing.data === data;

async function stage(run) {
  const server = await Sidestream.create();
  const tap = await Tap.to(server.ports.edge);
  const listener = listen(`${tap.url}/topics/orders`, ['created']);
  try {
    await listener.seen.wait((thing) => thing.kind === 'open', 'the stream to open');
    return await run(server, tap, listener);
  } finally {
    listener.source.close();
    tap.close();
    await server.stop();
  }
}

async function receives() {
  await stage(async (server, tap, { seen, events }) => {
    await server.publish('orders', '{"id":7}');
    await server.publish('orders', 'one\ntwo', { type: 'created' });
    await seen.wait(withData('one\ntwo'), 'both events');
    assert.deepEqual(events().map(({ type, data }) => [type, data]), [['message', '{"id":7}'], ['created', 'one\ntwo']]);
  });
}

async function noPhantoms() {
  return stage(async (server, tap, { seen, events }) => {
    const stream = await tap.stream(0);
    await stream.response.wait(() => heartbeats(stream) >= HEARTBEATS, `${HEARTBEATS} heartbeats`);
    assert.deepEqual(events(), [], 'heartbeats are not events');
    // What it didn't ask for moves its cursor on, and is no event either.
    const { cursor } = await server.publish('elsewhere', 'not for us');
    await stream.response.wait(() => streamText(stream).includes(`id: ${cursor}\n\n`), 'a block with an id alone');
    assert.deepEqual(events(), [], 'a block with an id alone is not an event');
    await server.publish('orders', 'at last');
    await seen.wait(withData('at last'), 'an event');
    assert.equal(events().length, 1);
    return `${heartbeats(stream)} heartbeats`;
  });
}

async function survivesKill() {
  await stage(async (server, tap, { seen, events }) => {
    await server.publish('orders', 'before');
    await seen.wait(withData('before'), 'the event before the kill');
    await server.restart();
    const gap = await seen.wait((thing) => thing.type === 'sidestream.gap', 'the gap');
    assert.equal(JSON.parse(gap.data).reason, 'restarted');
    await server.publish('orders', 'after');
    await seen.wait(withData('after'), 'the event after the restart');
    assert.deepEqual(events().map(({ data }) => data), ['before', gap.data, 'after']);
  });
}

/** For what any client must see. */
function open(url) {
  const { source, seen, events } = listen(url, ['paid', 'created']);
  return { seen, events, close: () => source.close() };
}

export const checks = [
  () => check('npm eventsource: several topics and a pattern, told apart by their envelopes', () => tellsApart(open)),
  () => check('npm eventsource: resumes several topics, and is told a gap', () => isToldAGap(open)),
  () => check('npm eventsource: receives events, lines and types', receives),
  () => check('npm eventsource: no phantom events over heartbeats and ids without data', noPhantoms),
  () => check('npm eventsource: reconnects after kill -9 and a restart, and sees the gap', survivesKill),
];
