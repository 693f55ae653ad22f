// What every client that is told of several topics must see, whatever library it is made of.

import assert from 'node:assert/strict';
import { Sidestream } from './sidestream.mjs';
import { header, Tap } from './tap.mjs';

/** Small, so that a few events push others out. */
const KEPT = 3;

/** More than is kept ready for those who are nearly at the end, whatever their history's limits are: 16 MiB. */
const FAR = Array.from({ length: 20 }, () => 'x'.repeat(1_000_000));

export const isGap = (thing) => thing.type === 'sidestream.gap';
const withTopic = (topic, data) => (thing) => {
  if (!thing.data?.startsWith('{') || isGap(thing)) return false;
  const told = JSON.parse(thing.data);
  return told.topic === topic && told.data === data;
};

/** Names, a pattern and another that also matches: an event of `orders.7` must come once. */
const ASKED = '/topics?topic=orders.*&topic=orders.7&topic=users.42.**&format=envelope&event=message,paid';

/** A server and a tap before it; `open` gets the URL and gives back what it sees, and a way to close it. */
async function stage(open, settings, path, run) {
  const server = await Sidestream.create(settings);
  const tap = await Tap.to(server.ports.edge);
  const listener = await open(`${tap.url}${path}`);
  try {
    await server.subscribers(1);
    return await run(server, tap, listener);
  } finally {
    await listener.close();
    tap.close();
    await server.stop();
  }
}

/** Topics are told apart, types are sieved, and the cursor's order is the order. */
export async function tellsApart(open, settings = {}) {
  await stage(open, settings, ASKED, async (server, tap, { seen, events }) => {
    const cursors = [];
    for (const [topic, data, type] of [
      ['orders.7', 'one'], ['orders.7.lines', 'no pattern matches'], ['users.42.mail', 'two\nlines ☃', 'paid'],
      ['users.41.mail', 'another user'], ['orders.8', 'left out', 'created'], ['orders.8', '{"id":3}', 'paid'],
    ]) cursors.push((await server.publish(topic, data, { type })).cursor);
    await seen.wait(withTopic('orders.8', '{"id":3}'), 'the last event');
    const told = events().map((event) => ({ ...event, data: JSON.parse(event.data) }));
    assert.deepEqual(told.map(({ id }) => id), [cursors[0], cursors[2], cursors[5]], 'each once, in the cursors’ order');
    assert.deepEqual(
      told.map(({ type, data }) => [type, data.topic, data.type, data.data]),
      [
        ['message', 'orders.7', 'message', 'one'],
        ['paid', 'users.42.mail', 'paid', 'two\nlines ☃'],
        ['paid', 'orders.8', 'paid', '{"id":3}'],
      ],
    );
    assert.ok(told.every(({ data }) => !Number.isNaN(Date.parse(data.time))));
  });
}

/** Of several topics one lost events while it was away: it is told, before any other event. */
export async function isToldAGap(open, settings = {}) {
  await stage(open, { ...settings, history: { events: KEPT } }, ASKED, async (server, tap, { seen, events }) => {
    const { cursor } = await server.publish('orders.7', 'before');
    await seen.wait(withTopic('orders.7', 'before'), 'the event before the cut');
    tap.down = true;
    tap.cut();
    await server.publish('users.42.mail', 'kept');
    for (let n = 1; n <= 2 * KEPT; n += 1) await server.publish('orders.8', `away ${n}`);
    for (const data of FAR) await server.publish('elsewhere', data);
    tap.down = false;
    const gap = await seen.wait(isGap, 'the gap');
    const told = JSON.parse(gap.data);
    assert.equal(told.reason, 'evicted');
    assert.equal(told.requested, cursor);
    assert.equal(told.resumed, gap.id);
    await server.publish('orders.7', 'after');
    await seen.wait(withTopic('orders.7', 'after'), 'the event after it');
    assert.equal(events()[1].type, 'sidestream.gap', 'it comes before any other event');
    const data = events().filter((event) => !isGap(event)).map((event) => JSON.parse(event.data).data);
    assert.deepEqual(data, ['before', 'kept', 'away 4', 'away 5', 'away 6', 'after'], 'what is kept, once and in order');
    assert.equal(header(await tap.stream(1), 'last-event-id'), cursor);
  });
}
