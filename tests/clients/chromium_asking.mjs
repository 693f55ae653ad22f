// Chromium's own EventSource, with what can be asked in the query: where to begin, and frames that are seen.

import assert from 'node:assert/strict';
import { datas, listen, stage, withData } from './lib/browser.mjs';
import { check } from './lib/checks.mjs';
import { eventually } from './lib/sidestream.mjs';
import { header, heartbeats, Tap } from './lib/tap.mjs';

const OWN = ['sidestream.open', 'sidestream.heartbeat'];
const HEARTBEATS = 3;

/** Publishes these, one after the other; their cursors. */
async function publishAll(server, list, topic = 'orders') {
  const cursors = [];
  for (const data of list) cursors.push((await server.publish(topic, data)).cursor);
  return cursors;
}

async function begins() {
  await stage({}, async (server) => {
    const history = ['1', '2', '3', '4', '5'];
    const cursors = await publishAll(server, history);
    // Until a millisecond has passed over the last of them, `since=1ms` still means it.
    const page = () => fetch(`${server.edge}/topics/orders?since=1ms`, { headers: { Accept: 'application/json' } });
    await eventually(async () => (await (await page()).json()).events.length === 0, 'the last event to be older than 1 ms');
    const pages = [];
    for (const [query, sees] of [
      ['', []],
      ['?since=start', history],
      ['?since=1h', history],
      ['?since=1ms', []],
      ['?last=2', ['4', '5']],
      ['?last=0', []],
      [`?last-event-id=${cursors[2]}`, ['4', '5']],
      [`?since=start&last-event-id=${cursors[3]}`, ['5']],
    ]) {
      const listening = await listen(server.edge, `/topics/orders${query}`);
      await listening.seen.wait((thing) => thing.kind === 'open', `${query} to open`);
      pages.push({ query, sees, listening });
    }
    await server.subscribers(pages.length);
    await server.publish('orders', 'live');
    for (const { query, sees, listening } of pages) {
      await listening.seen.wait(withData('live'), `the live event with ${query}`);
      assert.deepEqual(datas(listening), [...sees, 'live'], `with ${query || 'no query'}`);
      await listening.close();
    }
  });
}

async function cursorWins() {
  await stage({}, async (server) => {
    for (const [topic, ask, sees] of [
      ['orders.start', () => 'since=start', ['1', '2', '3']],
      ['orders.hour', () => 'since=1h', ['1', '2', '3']],
      ['orders.last', () => 'last=2', ['2', '3']],
      ['orders.id', ([first]) => `last-event-id=${first}`, ['2', '3']],
    ]) {
      const cursors = await publishAll(server, ['1', '2', '3'], topic);
      const query = ask(cursors);
      const target = `/topics/${topic}?${query}`;
      const tap = await Tap.to(server.ports.edge);
      const page = await listen(tap.url, target);
      await page.seen.wait(withData('3'), `what is kept, with ${query}`);
      let last = cursors[2];
      for (const visit of [1, 2]) {
        tap.down = true;
        tap.cut();
        const away = `away ${visit}`;
        const { cursor } = await server.publish(topic, away);
        tap.down = false;
        await page.seen.wait(withData(away), 'what was published while it was away');
        const again = await tap.stream(visit);
        assert.ok(again.request.startsWith(`GET ${target} `), 'it comes back to the same URL');
        assert.equal(header(again, 'last-event-id'), last, 'with the last id');
        last = cursor;
      }
      assert.deepEqual(datas(page), [...sees, 'away 1', 'away 2'], `nothing is doubled with ${query}`);
      tap.close();
      await page.close();
    }
  });
}

async function framesAreSeen() {
  await stage({}, async (server) => {
    const page = await listen(server.edge, '/topics/orders?heartbeat=event', OWN);
    const heard = (n) => () => page.events().filter(({ type }) => type === 'sidestream.heartbeat').length >= n;
    await page.seen.wait(heard(HEARTBEATS), `${HEARTBEATS} heartbeats`);
    const [first, ...others] = page.events();
    assert.equal(first.type, 'sidestream.open', 'it is told of the opening first');
    assert.ok(others.every(({ type }) => type === 'sidestream.heartbeat'), 'and then of heartbeats alone');
    assert.equal(JSON.parse(first.data).cursor, first.id, 'the cursor is the id');
    // What it didn't ask for moves its cursor on, and it is told where it stands.
    const { cursor } = await server.publish('elsewhere', 'not for us');
    const moved = await page.seen.wait(
      (thing) => thing.type === 'sidestream.heartbeat' && JSON.parse(thing.data).cursor === cursor, 'its cursor to move on');
    assert.equal(moved.id, cursor);
    await server.publish('orders', 'at last');
    await page.seen.wait(withData('at last'), 'an event');
    await page.close();
  });
}

async function framesAreNotSeen() {
  return stage({}, async (server) => {
    const tap = await Tap.to(server.ports.edge);
    const page = await listen(tap.url, '/topics/orders', OWN);
    const stream = await tap.stream(0);
    await stream.response.wait(() => heartbeats(stream) >= HEARTBEATS, `${HEARTBEATS} heartbeats on the wire`);
    await server.publish('orders', 'at last');
    await page.seen.wait(withData('at last'), 'an event');
    assert.deepEqual(datas(page), ['at last'], 'nothing of the server’s own is an event');
    tap.close();
    await page.close();
    return `${heartbeats(stream)} heartbeats`;
  });
}

export const checks = [
  () => check('chromium: since=, last= and last-event-id= begin where they say', begins),
  () => check('chromium: the last id wins over since=, last= and last-event-id= when it reconnects, nothing is doubled', cursorWins),
  () => check('chromium: heartbeat=event shows sidestream.open and sidestream.heartbeat', framesAreSeen),
  () => check('chromium: without heartbeat=event a page sees neither', framesAreNotSeen),
];
