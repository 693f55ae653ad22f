// Chromium's own EventSource.

import assert from 'node:assert/strict';
import { get } from 'node:http';
import { aGap, blankApp, browser, listen, withData } from './lib/browser.mjs';
import { check, Happenings, within } from './lib/checks.mjs';
import { Sidestream } from './lib/sidestream.mjs';
import { header, heartbeats, streamText, Tap } from './lib/tap.mjs';

const datas = (page) => page.events().map((event) => event.data);

/** A server, the app behind it and a listening page; all gone at the end. */
async function stage(settings, run) {
  await browser(); // skips before anything is started
  const app = await blankApp();
  const server = await Sidestream.create({ ...settings, edge: { upstream: app.url, ...settings.edge } });
  try {
    return await run(server, app);
  } finally {
    await server.stop();
    app.close();
  }
}

async function receives() {
  await stage({}, async (server) => {
    const page = await listen(server.edge, '/topics/orders', ['created', 'naïve type']);
    await page.seen.wait((thing) => thing.kind === 'open', 'the stream to open');
    const first = await server.publish('orders', '{"id":7}');
    await server.publish('orders', 'one\ntwo\r\nthree\n\nsnow ☃ 💧');
    await server.publish('orders', 'named', { type: 'created' });
    await server.publish('orders', 'last', { type: 'naïve type' });
    await page.seen.wait(withData('last'), 'the last event');
    assert.deepEqual(
      page.events().map(({ type, data }) => [type, data]),
      [['message', '{"id":7}'], ['message', 'one\ntwo\nthree\n\nsnow ☃ 💧'], ['created', 'named'], ['naïve type', 'last']],
    );
    assert.equal(page.events()[0].id, first.cursor, 'lastEventId is the cursor that the publisher was told');
    assert.equal(first.subscribers, 1, 'the publisher is told of one subscriber');
    await page.close();
  });
}

async function resumes() {
  await stage({}, async (server) => {
    const tap = await Tap.to(server.ports.edge);
    const page = await listen(tap.url, '/topics/orders');
    await page.seen.wait((thing) => thing.kind === 'open', 'the stream to open');
    const { cursor } = await server.publish('orders', 'before');
    await page.seen.wait(withData('before'), 'the event before the cut');
    tap.down = true;
    tap.cut();
    for (const data of ['away 1', 'away 2', 'away 3']) await server.publish('orders', data);
    tap.down = false;
    await page.seen.wait(withData('away 3'), 'what was published while it was away');
    await server.publish('orders', 'after');
    await page.seen.wait(withData('after'), 'the event after it');
    assert.deepEqual(datas(page), ['before', 'away 1', 'away 2', 'away 3', 'after']);
    assert.equal(header(await tap.stream(0), 'last-event-id'), undefined, 'the first request has no Last-Event-ID');
    assert.equal(header(await tap.stream(1), 'last-event-id'), cursor, 'the second one has the last id');
    tap.close();
    await page.close();
  });
}

async function staysFresh() {
  await stage({}, async (server) => {
    const tap = await Tap.to(server.ports.edge);
    const page = await listen(tap.url, '/topics/orders');
    const stream = await tap.stream(0);
    await stream.response.wait(() => heartbeats(stream) >= 3, 'heartbeats');
    // What it didn't ask for moves its cursor on: its next heartbeat carries the id, and no event.
    const { cursor } = await server.publish('elsewhere', 'not for us');
    await stream.response.wait(() => streamText(stream).includes(`id: ${cursor}\n\n`), 'a block with an id alone');
    tap.cut();
    assert.equal(header(await tap.stream(1), 'last-event-id'), cursor, 'it resumes from that id');
    await server.publish('orders', 'at last');
    await page.seen.wait(withData('at last'), 'an event');
    assert.deepEqual(datas(page), ['at last'], 'neither heartbeats nor ids alone are events');
    tap.close();
    await page.close();
  });
}

async function survivesKill() {
  await stage({}, async (server) => {
    const page = await listen(server.edge, '/topics/orders');
    await page.seen.wait((thing) => thing.kind === 'open', 'the stream to open');
    const { cursor } = await server.publish('orders', 'before');
    await page.seen.wait(withData('before'), 'the event before the kill');
    await server.restart();
    await server.publish('orders', 'while reconnecting');
    const gap = await page.seen.wait(aGap, 'the gap');
    const told = JSON.parse(gap.data);
    assert.equal(told.reason, 'restarted');
    assert.equal(told.requested, cursor, 'the gap names the id that the browser sent');
    assert.equal(told.resumed, gap.id, 'the gap carries the id from which it goes on');
    assert.equal(told.missed, null);
    await page.seen.wait(withData('while reconnecting'), 'what was published meanwhile');
    await server.publish('orders', 'after');
    await page.seen.wait(withData('after'), 'the event after the restart');
    assert.deepEqual(datas(page), ['before', gap.data, 'while reconnecting', 'after'], 'the gap comes first, once');
    await page.close();
  });
}

/** Holds a stream outside of the browser, until `end` is called. */
async function hold(url) {
  const held = new Happenings();
  const request = get(url, { agent: false, headers: { Accept: 'text/event-stream' } }, (response) => {
    response.on('data', (bytes) => held.push(String(bytes)));
    response.on('error', () => {});
  });
  request.on('error', () => {});
  await held.atLeast(1, 'pieces of the held stream');
  return () => request.destroy();
}

async function overload() {
  return stage({ edge: { limits: { connections: 1 } } }, async (server) => {
    const end = await hold(`${server.edge}/topics/orders`);
    const page = await listen(server.edge, '/topics/orders');
    const refused = await page.seen.wait((thing) => thing.kind === 'error', 'the overload answer');
    assert.equal(refused.closed, false, 'the browser means to come back');
    end();
    const began = Date.now();
    const at = page.seen.list.length;
    await page.seen.wait((thing) => thing.kind === 'open', 'the browser to come back', { after: at });
    const seconds = (Date.now() - began) / 1000;
    await server.publish('orders', 'welcome back');
    await page.seen.wait(withData('welcome back'), 'an event');
    await page.close();
    return `after ${seconds.toFixed(1)} s`;
  });
}

async function drain() {
  return stage({}, async (server, app) => {
    const page = await listen(server.edge, '/topics/orders');
    await page.seen.wait((thing) => thing.kind === 'open', 'the stream to open');
    const { cursor } = await server.publish('orders', 'before');
    await page.seen.wait(withData('before'), 'the event before the drain');
    // A proxied request in flight keeps the draining server there, so that the browser, which comes
    // back at once, meets the overload answer.
    const slow = fetch(`${server.edge}/slow`).then((response) => response.text(), String);
    await app.slow.atLeast(1, 'requests in flight');
    server.process.kill('SIGTERM');
    await page.seen.wait((thing) => thing.kind === 'error', 'the stream to end');
    await page.seen.wait(
      () => page.seen.list.filter((thing) => thing.kind === 'error').length === 2, 'the overload answer');
    assert.ok(page.seen.list.every((thing) => !thing.closed), 'the browser means to come back');
    app.release();
    assert.equal(await slow, 'done', 'the request in flight was finished');
    assert.equal(await within(server.process.gone, 'the drained server to end'), 0, 'a clean drain ends with 0');
    await server.start();
    const gap = JSON.parse((await page.seen.wait(aGap, 'the gap')).data);
    assert.equal(gap.reason, 'restarted');
    assert.equal(gap.requested, cursor);
    await server.publish('orders', 'after');
    await page.seen.wait(withData('after'), 'the event after the drain');
    await page.close();
  });
}

/** The slow ones: the overload answer tells the browser to wait 5 to 15 seconds. */
export const slowChecks = [
  () => check('chromium: the overload answer ends, and the browser comes back by itself', overload),
  () => check('chromium: a draining server sends it away, and it finds the next one by itself', drain),
];

export const checks = [
  () => check('chromium: receives events, lines, types and ids', receives),
  () => check('chromium: resumes with Last-Event-ID after a cut, without hole or double', resumes),
  () => check('chromium: a quiet stream keeps its cursor fresh, without phantom events', staysFresh),
  () => check('chromium: reconnects after kill -9 and a restart, and sees the gap', survivesKill),
];
