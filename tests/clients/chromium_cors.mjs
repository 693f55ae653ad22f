// Chromium, which keeps from a page of another origin what the edge doesn't allow it.

import assert from 'node:assert/strict';
import { blankApp, datas, listen, stage, withData } from './lib/browser.mjs';
import { check } from './lib/checks.mjs';
import { header, Tap } from './lib/tap.mjs';

const WITH_CREDENTIALS = { withCredentials: true };

/** The lines of an answer's head that tell a browser who may read it. */
const allows = (exchange) =>
  exchange.text.split('\r\n\r\n')[0].split('\r\n').filter((line) => /^access-control-allow-(origin|credentials):/i.test(line))
    .map((line) => line.toLowerCase()).sort();

/**
 * `run` gets a server, a tap before it, and the origins of a page that is allowed, of one below an allowed name, and of
 * one that is not allowed: the same page by another name, of which the browser knows nothing else.
 */
async function elsewhere(edge, run) {
  const other = await blankApp();
  const origins = {
    allowed: other.url,
    below: `http://shop.localhost:${other.port}`,
    foreign: `http://localhost:${other.port}`,
  };
  const cors = { origins: [origins.allowed, `http://*.localhost:${other.port}`], credentials: true };
  try {
    return await stage({ edge: { cors, ...edge } }, async (server) => {
      const tap = await Tap.to(server.ports.edge);
      try {
        return await run(server, tap, origins);
      } finally {
        tap.close();
      }
    });
  } finally {
    other.close();
  }
}

const asked = (tap, method) => tap.exchanges.list.filter(({ request }) => request.startsWith(`${method} /topics`));

async function allowedReads() {
  await elsewhere({}, async (server, tap, { allowed, below }) => {
    for (const origin of [allowed, below]) {
      const first = asked(tap, 'GET').length;
      const page = await listen(origin, `${tap.url}/topics/orders`, [], WITH_CREDENTIALS);
      await page.seen.wait((thing) => thing.kind === 'open', `the stream to open for ${origin}`);
      const { cursor } = await server.publish('orders', 'before');
      await page.seen.wait(withData('before'), 'an event');
      tap.cut();
      const again = await tap.stream(first + 1);
      assert.equal(header(again, 'last-event-id'), cursor, 'an EventSource resumes without a preflight');
      await server.publish('orders', 'after');
      await page.seen.wait(withData('after'), 'the event after the cut');
      assert.deepEqual(datas(page), ['before', 'after']);
      assert.equal(header(again, 'origin'), origin);
      assert.deepEqual(allows(again), ['access-control-allow-credentials: true', `access-control-allow-origin: ${origin}`]);
      await page.close();
    }
    assert.equal(asked(tap, 'OPTIONS').length, 0);
  });
}

async function foreignDoesNot() {
  await elsewhere({}, async (server, tap, { foreign }) => {
    await server.publish('orders', 'a secret');
    for (const init of [WITH_CREDENTIALS, {}]) {
      const page = await listen(foreign, `${tap.url}/topics/orders?since=start`, [], init);
      const refused = await page.seen.wait((thing) => thing.kind === 'error', 'the browser to refuse');
      assert.equal(refused.closed, true);
      assert.deepEqual(page.seen.list.map(({ kind }) => kind), ['error'], 'the page sees nothing else');
      await page.close();
    }
    const streams = asked(tap, 'GET');
    assert.equal(streams.length, 2);
    for (const stream of streams) {
      assert.match(stream.text, /^HTTP\/1\.1 200 /, 'the answer is the same');
      assert.deepEqual(allows(stream), [], 'without a line that allows it');
    }
    await server.subscribers(0);
  });
}

/** What `fetch` gives a page of this origin: the answer, or the name of the error. */
async function fetched(origin, url, headers) {
  const page = await listen(origin, '/nothing'); // the blank app answers this with what is no stream
  try {
    return await page.page.evaluate(([target, fields]) =>
      fetch(target, { headers: fields, credentials: 'include' }).then(
        async (response) => ({
          status: response.status, retryAfter: response.headers.get('retry-after'), text: await response.text(),
        }),
        (error) => ({ error: error.name }),
      ), [url, headers]);
  } finally {
    await page.close();
  }
}

async function preflight() {
  await elsewhere({}, async (server, tap, { allowed, foreign }) => {
    const { cursor } = await server.publish('orders', 'one');
    await server.publish('orders', 'two');
    // Last-Event-ID and Authorization are not among what a script may send anywhere unasked.
    const headers = { Accept: 'application/json', 'Last-Event-ID': cursor, Authorization: 'Bearer nobody' };
    const page = await fetched(allowed, `${tap.url}/topics/orders`, headers);
    assert.equal(page.status, 200);
    assert.deepEqual(JSON.parse(page.text).events.map(({ data }) => data), ['two']);
    const [question] = asked(tap, 'OPTIONS');
    assert.match(header(question, 'access-control-request-headers'), /last-event-id/);
    assert.match(question.text, /^HTTP\/1\.1 204 /);
    assert.equal(asked(tap, 'GET').length, 1);

    const refused = await fetched(foreign, `${tap.url}/topics/orders`, headers);
    assert.deepEqual(refused, { error: 'TypeError' });
    assert.equal(asked(tap, 'OPTIONS').length, 2, 'it was asked for');
    assert.equal(asked(tap, 'GET').length, 1, 'and nothing was sent behind the preflight');
  });
}

async function errorsAreRead() {
  // No stream is ever taken: each is one more than are let in.
  const full = { overload: 'status', limits: { connections: 1 } };
  await elsewhere(full, async (server, tap, { allowed, foreign }) => {
    const holder = await listen(server.edge, '/topics/orders');
    await holder.seen.wait((thing) => thing.kind === 'open', 'the only stream there is room for');
    const stream = { Accept: 'text/event-stream' };
    for (const [path, status] of [['/topics/a..b', 400], ['/topics/orders', 503]]) {
      const answer = await fetched(allowed, `${tap.url}${path}`, stream);
      assert.equal(answer.status, status, 'the page reads why it is refused');
      assert.equal(JSON.parse(answer.text).status, status);
      if (status === 503) assert.match(answer.retryAfter ?? '', /^\d+$/, 'and how long to wait');
      assert.deepEqual(await fetched(foreign, `${tap.url}${path}`, stream), { error: 'TypeError' });
    }
    await holder.close();
  });
}

export const checks = [
  () => check('chromium: pages of allowed origins listen with credentials, and resume', allowedReads),
  () => check('chromium: a page of a foreign origin sees nothing', foreignDoesNot),
  () => check('chromium: fetch with Last-Event-ID is preflighted: allowed for one origin, not for another', preflight),
  () => check('chromium: an allowed page reads errors and refusals, a foreign one does not', errorsAreRead),
];
