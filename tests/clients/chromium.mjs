// Chromium's own EventSource.

import assert from 'node:assert/strict';
import { aGap, datas, listen, stage, withData } from './lib/browser.mjs';
import { check, Happenings } from './lib/checks.mjs';
import { header, heartbeats, streamText, Tap } from './lib/tap.mjs';

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
    // What it didn't ask for moves its cursor on: its next heartbeat carries the id, and no event. That it has passed
    // the tap doesn't tell that the browser has read it, and a cut throws away what it hasn't.
    const reads = new Happenings();
    const devtools = await page.page.context().newCDPSession(page.page);
    devtools.on('Network.dataReceived', ({ dataLength }) => reads.push(dataLength));
    await devtools.send('Network.enable');
    const { cursor } = await server.publish('elsewhere', 'not for us');
    await stream.response.wait(() => streamText(stream).includes(`id: ${cursor}\n\n`), 'a block with an id alone');
    await reads.wait((bytes) => bytes >= `id: ${cursor}\n\n`.length, 'the browser to read it');
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

export const checks = [
  () => check('chromium: receives events, lines, types and ids', receives),
  () => check('chromium: resumes with Last-Event-ID after a cut, without hole or double', resumes),
  () => check('chromium: a quiet stream keeps its cursor fresh, without phantom events', staysFresh),
  () => check('chromium: reconnects after kill -9 and a restart, and sees the gap', survivesKill),
];
