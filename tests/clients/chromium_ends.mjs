// Chromium's own EventSource, when the server can't take it now, or ends its stream.

import assert from 'node:assert/strict';
import { get } from 'node:http';
import { aGap, datas, listen, stage, withData } from './lib/browser.mjs';
import { check, Happenings, within } from './lib/checks.mjs';
import { ended, header, streamText, Tap } from './lib/tap.mjs';

const FULL = { limits: { connections: 1 } };
const STREAMS = 4; // of a page whose streams end by their age

const isOpen = (thing) => thing.kind === 'open';
const isError = (thing) => thing.kind === 'error';

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
  return stage({ edge: FULL }, async (server) => {
    const end = await hold(`${server.edge}/topics/orders`);
    const tap = await Tap.to(server.ports.edge);
    const page = await listen(tap.url, '/topics/orders');
    const refused = await page.seen.wait(isError, 'the overload answer');
    assert.equal(refused.closed, false, 'the browser means to come back');
    const answer = await tap.stream(0);
    assert.match(answer.text, /^HTTP\/1\.1 200 /);
    const [, wait] = /^retry: (\d+)\n\n$/.exec(streamText(answer)) ?? assert.fail(`not a retry alone: ${answer.text}`);
    assert.ok(wait >= 5000 && wait <= 15_000, `${wait} ms`);
    end();
    await server.subscribers(0);
    const at = page.seen.list.length;
    await page.seen.wait(isOpen, 'the browser to come back', { after: at });
    await server.publish('orders', 'welcome back');
    await page.seen.wait(withData('welcome back'), 'an event');
    tap.close();
    await page.close();
    return `told to wait ${wait} ms`;
  });
}

async function overloadStatus() {
  await stage({ edge: { ...FULL, overload: 'status' } }, async (server) => {
    const end = await hold(`${server.edge}/topics/orders`);
    const tap = await Tap.to(server.ports.edge);
    const page = await listen(tap.url, '/topics/orders');
    const refused = await page.seen.wait(isError, 'the refusal');
    assert.equal(refused.closed, true, 'the browser gives up');
    const answer = await tap.stream(0);
    assert.match(answer.text, /^HTTP\/1\.1 503 /);
    assert.match(answer.text, /\r\nretry-after: \d+\r\n/i);
    end();
    await server.subscribers(0);
    // There is room, as another page shows; the first stays as it is.
    const other = await listen(server.edge, '/topics/orders');
    await other.seen.wait(isOpen, 'another page to find room');
    await server.publish('orders', 'for who is there');
    await other.seen.wait(withData('for who is there'), 'an event');
    assert.equal(await page.page.evaluate(() => window.source.readyState), 2, 'it is closed');
    assert.deepEqual(page.seen.list.map(({ kind }) => kind), ['error'], 'nothing else has happened to it');
    tap.close();
    await page.close();
    await other.close();
  });
}

async function grownOld() {
  return stage({ edge: { max_connection_age: '1s' } }, async (server) => {
    const tap = await Tap.to(server.ports.edge);
    const page = await listen(tap.url, '/topics/orders');
    await page.seen.wait(isOpen, 'the stream to open');
    // All the time, so also while it is between two streams.
    const streams = () => tap.exchanges.list.filter(({ request }) => request.startsWith('GET /topics'));
    const sent = [];
    for (const end = Date.now() + 30_000; streams().length < STREAMS; ) {
      assert.ok(Date.now() < end, `${streams().length} streams, ${STREAMS} were to come`);
      sent.push(`event ${sent.length}`);
      await server.publish('orders', sent.at(-1));
    }
    await page.seen.wait(withData(sent.at(-1)), 'the last event');
    assert.deepEqual(datas(page), sent, 'nothing is lost and nothing doubled');
    assert.ok(page.seen.list.every((thing) => !thing.closed), 'it always means to come back');
    for (const [i, stream] of streams().slice(0, STREAMS - 1).entries()) {
      assert.ok(ended(stream), `stream ${i + 1} ends with its last chunk`);
      assert.match(streamText(stream), /\nretry: \d+\n\n$/, `stream ${i + 1} ends with a retry`);
      const ids = streamText(stream).match(/^id: .*$/gm);
      assert.equal(`id: ${header(streams()[i + 1], 'last-event-id')}`, ids.at(-1), 'it goes on from its last id');
    }
    tap.close();
    await page.close();
    return `${sent.length} events over ${STREAMS} streams`;
  });
}

async function drain() {
  return stage({}, async (server, app) => {
    const tap = await Tap.to(server.ports.edge);
    const page = await listen(tap.url, '/topics/orders');
    await page.seen.wait(isOpen, 'the stream to open');
    const { cursor } = await server.publish('orders', 'before');
    await page.seen.wait(withData('before'), 'the event before the drain');
    // A proxied request in flight keeps the draining server there, so that the browser, which comes
    // back at once, meets the overload answer.
    const slow = fetch(`${server.edge}/slow`).then((response) => response.text(), String);
    await app.slow.atLeast(1, 'requests in flight');
    server.process.kill('SIGTERM');
    await page.seen.wait(isError, 'the stream to end');
    const stream = await tap.stream(0);
    assert.ok(ended(stream), 'it ends with its last chunk');
    assert.match(streamText(stream), /\nretry: \d+\n\n$/, 'and a retry before it');
    await page.seen.wait(() => page.seen.list.filter(isError).length === 2, 'the overload answer');
    assert.match(streamText(await tap.stream(1)), /^retry: \d+\n\n$/);
    assert.ok(page.seen.list.every((thing) => !thing.closed), 'the browser means to come back');
    app.release();
    assert.equal(await slow, 'done', 'the request in flight was finished');
    assert.equal(await within(server.process.gone, 'the drained server to end'), 0, 'a clean drain ends with 0');
    await server.start();
    await server.publish('orders', 'while it is away');
    const gap = JSON.parse((await page.seen.wait(aGap, 'the gap')).data);
    assert.equal(gap.reason, 'restarted');
    assert.equal(gap.requested, cursor);
    await server.publish('orders', 'after');
    await page.seen.wait(withData('after'), 'the event after the drain');
    assert.deepEqual(datas(page).filter((data) => !data.startsWith('{')), ['before', 'while it is away', 'after']);
    tap.close();
    await page.close();
  });
}

/** The slow ones: the overload answer tells the browser to wait 5 to 15 seconds. */
export const slowChecks = [
  () => check('chromium: the overload answer ends, and the browser comes back by itself when there is room', overload),
  () => check('chromium: a draining server ends its stream cleanly, and it finds the next one by itself', drain),
];

export const checks = [
  () => check('chromium: with overload: status a full server’s 503 closes it for good', overloadStatus),
  () => check('chromium: streams that end by max_connection_age go on without loss', grownOld),
];
