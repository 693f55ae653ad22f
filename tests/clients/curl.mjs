// curl -N, as in the README.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { check, Happenings, skip, within } from './lib/checks.mjs';
import { Sidestream, start } from './lib/sidestream.mjs';

function curl(...args) {
  if (spawnSync('curl', ['--version']).error) skip('no curl (apt-get install curl)');
  const child = start('curl', ['--silent', '--show-error', ...args]);
  child.seen = new Happenings();
  child.text = '';
  child.stdout.on('data', (text) => {
    child.text += text;
    child.seen.push(child.text);
  });
  return child;
}

async function streams() {
  const server = await Sidestream.create({ edge: { heartbeat: '1h' } });
  const subscriber = curl('-N', '-i', `${server.edge}/topics/orders`);
  try {
    await subscriber.seen.wait((text) => /\r\n\r\nretry: \d+\nid: \S+\n\n/.test(text), 'the first block, in one');
    const head = subscriber.text.split('\r\n\r\n')[0];
    assert.match(head, /^HTTP\/1\.1 200 /);
    for (const line of [
      /^content-type: text\/event-stream\r?$/im, /^cache-control: no-store, no-transform\r?$/im, /^x-accel-buffering: no\r?$/im,
    ]) assert.match(head, line);
    const publisher = curl('-d', '{"id":7}', `${server.ingress}/webhooks/orders`);
    assert.equal(await within(publisher.gone, 'curl to publish'), 0);
    const answer = JSON.parse(publisher.text);
    assert.equal(answer.topic, 'orders');
    assert.equal(answer.subscribers, 1);
    assert.equal(answer.duplicate, false);
    await subscriber.seen.wait(
      (text) => text.endsWith(`\n\nid: ${answer.cursor}\ndata: {"id":7}\n\n`), 'the event, byte for byte');
    server.process.kill('SIGTERM');
    assert.equal(await within(subscriber.gone, 'curl to end'), 0, 'a drained stream ends cleanly: curl exits with 0');
    assert.match(subscriber.text, /\nretry: \d+\n\n$/, 'a fresh retry comes just before the end');
    assert.equal(await within(server.process.gone, 'sidestream to end'), 0);
  } finally {
    subscriber.kill('SIGKILL');
    await server.stop();
  }
}

async function resumes() {
  const server = await Sidestream.create();
  try {
    const { cursor } = await server.publish('orders', 'one');
    await server.publish('orders', 'two');
    for (const args of [
      ['-H', `Last-Event-ID: ${cursor}`, `${server.edge}/topics/orders`],
      [`${server.edge}/topics/orders?last-event-id=${encodeURIComponent(cursor)}`],
    ]) {
      const subscriber = curl('-N', ...args);
      await subscriber.seen.wait((text) => text.includes('data: two\n\n'), 'the event after the cursor');
      assert.match(subscriber.text, new RegExp(`^retry: \\d+\nid: ${cursor}\n\n`), 'the first block has the honoured cursor');
      assert.ok(!subscriber.text.includes('data: one'), 'nothing from before the cursor');
      subscriber.kill('SIGKILL');
    }
  } finally {
    await server.stop();
  }
}

export const checks = [
  () => check('curl -N: head, first block, event byte for byte, a clean end at the drain', streams),
  () => check('curl -N: resumes by header and by query', resumes),
];
