// Python's httpx-sse. It gives out a block without data too, where a browser would not: so exactly one
// such block may come, the opening one, and no more of them however many heartbeats pass.

import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { check, Happenings, skip } from './lib/checks.mjs';
import { Sidestream, start } from './lib/sidestream.mjs';
import { heartbeats, Tap } from './lib/tap.mjs';

const HEARTBEATS = 5;
const CLIENT = fileURLToPath(new URL('httpx_sse_client.py', import.meta.url));

export function python() {
  return process.env.CLIENTS_PYTHON || skip('no Python environment');
}

async function subscribes() {
  const interpreter = python();
  const server = await Sidestream.create();
  const tap = await Tap.to(server.ports.edge);
  const client = start(interpreter, [CLIENT, `${tap.url}/topics/orders`]);
  const seen = new Happenings();
  let rest = '';
  client.stdout.on('data', (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    for (const line of lines) seen.push(JSON.parse(line));
  });
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
    client.kill('SIGKILL');
    tap.close();
    await server.stop();
  }
}

export const checks = [
  () => check('python httpx-sse: receives events, no phantoms over heartbeats, a clean end', subscribes),
];
