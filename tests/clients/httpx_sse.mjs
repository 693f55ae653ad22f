// Python's httpx-sse. It gives out a block without data too, where a browser would not: so exactly one
// such block may come, the opening one, and no more of them however many heartbeats pass.

import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { check, Happenings, skip } from './lib/checks.mjs';
import { tellsApart } from './lib/many.mjs';
import { Sidestream, start } from './lib/sidestream.mjs';
import { heartbeats, Tap } from './lib/tap.mjs';

const HEARTBEATS = 5;
const CLIENT = fileURLToPath(new URL('httpx_sse_client.py', import.meta.url));

export function python() {
  return process.env.CLIENTS_PYTHON || skip('no Python environment');
}

/** Runs the client; what it prints, and a way to end it. */
function listen(url) {
  const client = start(python(), [CLIENT, url]);
  const seen = new Happenings();
  let rest = '';
  client.stdout.on('data', (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    for (const line of lines) seen.push(JSON.parse(line));
  });
  return { seen, events: () => seen.list.filter((thing) => thing.data), close: () => client.kill('SIGKILL') };
}

async function subscribes() {
  python(); // skips before anything is started
  const server = await Sidestream.create();
  const tap = await Tap.to(server.ports.edge);
  const { seen, close } = listen(`${tap.url}/topics/orders`);
  try {
    const stream = await tap.stream(0);
    await stream.response.wait(() => heartbeats(stream) >= HEARTBEATS, `${HEARTBEATS} heartbeats`);
    const { cursor } = await server.publish('orders', 'one\ntwo', { type: 'created' });
    const event = await seen.wait((thing) => thing.data === 'one\ntwo', 'the event');
    assert.equal(event.type, 'created');
    assert.equal(event.id, cursor);
    const before = stream.text.length;
    await stream.response.wait(
      () => heartbeats({ text: stream.text }) >= 2 * HEARTBEATS && stream.text.length > before, 'more heartbeats');
    await server.publish('orders', 'three');
    await seen.wait((thing) => thing.data === 'three', 'the second event');
    assert.deepEqual(seen.list.slice(1).map(({ data }) => data), ['one\ntwo', 'three'], 'no phantom event');
    assert.equal(seen.list[0].data, '', 'the opening block has no data');
    assert.ok(seen.list[0].id && seen.list[0].retry > 0, 'the opening block has the id and the retry, in one');
    server.process.kill('SIGTERM');
    await seen.wait((thing) => thing.end, 'a clean end of the stream');
    return `${heartbeats(stream)} heartbeats`;
  } finally {
    close();
    tap.close();
    await server.stop();
  }
}

async function asks() {
  python();
  const server = await Sidestream.create();
  const sees = [];
  try {
    for (const [topic, data, type] of [
      ['orders.7', '1'], ['orders.8', '2', 'paid'], ['orders.7.lines', '3', 'paid'], ['orders.9', '4', 'created'], ['users.42', '5'],
    ]) await server.publish(topic, data, { type });
    for (const [query, kept] of [
      ['/orders.*?since=start', ['1', '2', '4']],
      ['/orders.**?since=start', ['1', '2', '3', '4']],
      ['/orders.**?since=start&event=paid', ['2', '3']],
      ['/orders.*?since=start&event=message,created', ['1', '4']],
      ['?topic=orders.*.lines&topic=users.*&since=start', ['3', '5']],
      ['/orders.**?last=2', ['3', '4']],
    ]) sees.push({ query, kept, client: listen(`${server.edge}/topics${query}`) });
    await server.subscribers(sees.length);
    // Of a type that none leaves out but one; the other types pass all.
    for (const [topic, type] of [['orders.1', 'paid'], ['orders.1', 'created'], ['users.1', undefined], ['orders.1.lines', 'paid']]) {
      await server.publish(topic, `live ${topic}`, { type });
    }
    const live = [2, 3, 2, 1, 2, 3];
    for (const [i, { query, kept, client }] of sees.entries()) {
      await client.seen.wait(() => client.events().length >= kept.length + live[i], `all that is for ${query}`);
      assert.deepEqual(client.events().slice(0, kept.length).map(({ data }) => data), kept, query);
    }
    // Whatever was too much would have come before this.
    server.process.kill('SIGTERM');
    for (const [i, { query, kept, client }] of sees.entries()) {
      await client.seen.wait((thing) => thing.end, `the end of ${query}`);
      assert.equal(client.events().length, kept.length + live[i], `nothing else for ${query}`);
    }
  } finally {
    for (const { client } of sees) client.close();
    await server.stop();
  }
}

export const checks = [
  () => check('python httpx-sse: several topics and a pattern, told apart by their envelopes', () => {
    python();
    return tellsApart(listen);
  }),
  () => check('python httpx-sse: patterns, types and beginnings let through what they say', asks),
  () => check('python httpx-sse: receives events, no phantoms over heartbeats, a clean end', subscribes),
];
