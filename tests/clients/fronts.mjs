// nginx and HAProxy in front as Debian ships them, with nothing set but where the edge is: events at once, resumes and
// pages through them.

import assert from 'node:assert/strict';
import { EventSource } from 'eventsource';
import { check, Happenings, within } from './lib/checks.mjs';
import { Sidestream } from './lib/sidestream.mjs';
import { header, Tap } from './lib/tap.mjs';
import { nginx } from './nginx.mjs';
import { haproxy } from './proxies.mjs';

const EVENTS = 20;

const haproxyFor = async (port, more) => {
  const front = await haproxy('http', `127.0.0.1:${port}`, more);
  return { url: `http://127.0.0.1:${front.port}`, stop: front.stop };
};

/** Each gets the port of what it stands before; gives back its URL and a way to stop it. */
const fronts = {
  nginx: (port) => nginx(`location / { proxy_pass http://127.0.0.1:${port}; }`),
  HAProxy: (port) => haproxyFor(port),
};

/** A server, a tap before it, and the front before that. */
async function behind(make, settings, run) {
  const server = await Sidestream.create(settings);
  const tap = await Tap.to(server.ports.edge);
  let front;
  try {
    front = await make(tap.port);
    return await run(front.url, server, tap);
  } finally {
    front?.stop();
    tap.close();
    await server.stop();
  }
}

function listen(url) {
  const source = new EventSource(url);
  const seen = new Happenings();
  for (const type of ['message', 'sidestream.gap']) {
    source.addEventListener(type, ({ data, lastEventId }) => seen.push({ type, data, id: lastEventId }));
  }
  return { seen, close: () => source.close() };
}

const atOnce = (make) => behind(make, { edge: { heartbeat: '1h' } }, async (url, server) => {
  // No heartbeat pushes an event out of a buffer; and the second stream is behind a query.
  const listeners = [listen(`${url}/topics/orders`), listen(`${url}/topics?topic=orders&topic=users.*`)];
  await server.subscribers(listeners.length);
  for (let n = 1; n <= EVENTS; n += 1) {
    await server.publish('orders', `event ${n}`);
    // Each must be there before the next is sent: so none waits for a buffer to fill.
    for (const { seen } of listeners) await seen.wait(({ data }) => data === `event ${n}`, `event ${n}`);
  }
  for (const { seen, close } of listeners) {
    assert.equal(seen.list.length, EVENTS);
    close();
  }
});

const resumes = (make) => behind(make, {}, async (url, server, tap) => {
  const { seen, close } = listen(`${url}/topics/orders.*?since=start`);
  await server.subscribers(1);
  const sent = [];
  for (let visit = 0; visit < 3; visit += 1) {
    sent.push(`there ${visit}`);
    const { cursor } = await server.publish('orders.7', sent.at(-1));
    await seen.wait(({ data }) => data === sent.at(-1), 'an event');
    tap.cut(); // in the middle of the front's own stream
    for (const n of [1, 2, 3]) {
      sent.push(`away ${visit}.${n}`);
      await server.publish('orders.8', sent.at(-1));
    }
    await seen.wait(({ data }) => data === sent.at(-1), 'what was published while it was away');
    assert.equal(header(await tap.stream(visit + 1), 'last-event-id'), cursor, 'the front passes the last id on');
  }
  assert.deepEqual(seen.list.map(({ data }) => data), sent, 'nothing is lost and nothing doubled');
  close();
  await server.subscribers(0); // at a heartbeat at the latest the front notices that its caller has gone
});

const pages = (make) => behind(make, {}, async (url, server) => {
  const page = async (query) => {
    const response = await within(fetch(`${url}/topics/orders.*?${query}`, { headers: { Accept: 'application/json' } }), query);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'application/json');
    return response.json();
  };
  const first = await page('limit=10');
  assert.deepEqual([first.events, first.more, first.gap], [[], false, null]);
  const empty = await page(`wait=200ms&last-event-id=${first.cursor}`);
  assert.deepEqual(empty.events, [], 'an empty page when the time is over');
  let { cursor } = empty;
  for (const data of ['one', 'two', 'three']) {
    const waiting = page(`wait=60s&last-event-id=${cursor}`);
    await server.subscribers(1); // it waits there, and counts
    await server.publish('orders.7', data);
    const answer = await waiting;
    assert.deepEqual(answer.events.map((event) => event.data), [data], 'it is answered as soon as something comes');
    ({ cursor } = answer);
    await server.subscribers(0);
  }
  // The cursor of a page goes on in a stream.
  await server.publish('orders.8', 'four');
  const { seen, close } = listen(`${url}/topics/orders.*?last-event-id=${cursor}`);
  await seen.wait(({ data }) => data === 'four', 'the event after the page');
  assert.equal(seen.list.length, 1);
  close();
});

/** A caller that goes away while its page waits: the front must tell the edge, and the edge must let go. */
const letsGo = (make) => behind(make, {}, async (url, server) => {
  const abort = new AbortController();
  const left = fetch(`${url}/topics/quiet?wait=60s`, { headers: { Accept: 'application/json' }, signal: abort.signal });
  await server.subscribers(1);
  abort.abort();
  await assert.rejects(left);
  await server.subscribers(0);
});

/** By default HAProxy keeps on waiting for an answer that nobody wants any more; see docs/browsers.md. */
const abortonclose = (port) => haproxyFor(port, 'option abortonclose');

export const checks = [
  ...Object.entries(fronts).flatMap(([name, make]) => [
    () => check(`${name} in front, with its defaults: events of streams arrive at once`, () => atOnce(make)),
    () => check(`${name} in front, with its defaults: streams that are cut behind it resume through it`, () => resumes(make)),
    () => check(`${name} in front, with its defaults: pages wait, and go on in a stream`, () => pages(make)),
  ]),
  () => check('nginx in front: a page whose caller has gone is let go', () => letsGo(fronts.nginx)),
  () => check('HAProxy in front, with option abortonclose: a page whose caller has gone is let go', () => letsGo(abortonclose)),
];
