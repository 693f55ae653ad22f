// Chromium and who may listen: cookies of the page's own site, of another origin and of a stranger; the end of a grant.

import assert from 'node:assert/strict';
import { createSecretKey } from 'node:crypto';
import { SignJWT } from 'jose';
import { blankApp, browser, datas, listen, stage, withData } from './lib/browser.mjs';
import { check, Happenings } from './lib/checks.mjs';
import { ended, header, streamText, Tap } from './lib/tap.mjs';

const SECRET = 'a secret of the checks, long enough for HS256';
const WITH_CREDENTIALS = { withCredentials: true };

const token = (seconds = 600, topics = ['orders']) =>
  new SignJWT({ sub: '42', topics }).setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime(Math.floor(Date.now() / 1000) + seconds).sign(createSecretKey(SECRET, 'utf8'));

const auth = { jwt: { algorithms: ['HS256'], leeway: '0s', keys: [{ secret: SECRET }] }, cookie: 'session' };
const topics = [{ name: 'news', match: 'news', access: 'public' }];

const reasons = (server, reason) => server.metric(`auth_failures_total\\{reason="${reason}"\\}`);

/** A page with an EventSource, in a context that has these cookies; `again` sets others. */
async function withCookie(origin, url, value, on, init) {
  const context = await (await browser()).newContext();
  const set = (text) => context.addCookies([{ name: 'session', value: text, url: on, sameSite: 'Lax' }]);
  if (value) await set(value);
  const page = await context.newPage();
  const seen = new Happenings();
  await page.exposeFunction('report', (thing) => seen.push(thing));
  await page.goto(origin);
  await page.evaluate(([target, how]) => {
    const source = new EventSource(target, how);
    const tell = (kind) => (event) => window.report({
      kind, data: event.data, id: event.lastEventId, closed: source.readyState === EventSource.CLOSED,
    });
    source.onopen = tell('open');
    source.onerror = tell('error');
    for (const name of ['message', 'sidestream.gap']) source.addEventListener(name, tell('event'));
  }, [url, init]);
  return { seen, set, events: () => seen.list.filter(({ kind }) => kind === 'event'), close: () => context.close() };
}

/** The n-th stream through the tap, once the head of its answer is there. */
async function answered(tap, n) {
  const exchange = await tap.stream(n);
  await exchange.response.wait((text) => text.includes('\r\n\r\n'), 'an answer');
  return exchange;
}

const opened = (page) => page.seen.wait(({ kind }) => kind === 'open', 'the stream to open');
const gaveUp = (page) => page.seen.wait(({ kind, closed }) => kind === 'error' && closed, 'the browser to give up');

/** Ends with its token, comes back by itself with the cookie of then, and misses nothing; with a stale one it is refused. */
async function grantEnds() {
  await stage({ auth, topics, edge: { retry: '100ms..200ms' } }, async (server) => {
    const tap = await Tap.to(server.ports.edge);
    const page = await withCookie(tap.url, '/topics/orders', await token(12), tap.url);
    await opened(page);
    const { cursor } = await server.publish('orders', 'before');
    await page.seen.wait(withData('before'), 'an event');
    // While it lasts, the page gets a new cookie, which ends soon as well.
    await page.set(await token(20));
    const first = await tap.stream(0);
    await first.response.wait(() => ended(first), 'a clean end');
    assert.match(streamText(first), /retry: \d+\n\n$/, 'with a fresh retry before it');
    await server.publish('orders', 'between');
    await page.seen.wait(withData('between'), 'what was published meanwhile');
    const second = await answered(tap, 1);
    assert.equal(header(second, 'last-event-id'), cursor, 'it resumes where it was');
    assert.match(second.text, /^HTTP\/1\.1 200 /);
    await gaveUp(page);
    // Its end was a little before the token's, so it may have been let in once more for what was left.
    const statuses = tap.exchanges.list.filter(({ request }) => request.startsWith('GET /topics')).map(({ text }) => text.slice(9, 12));
    assert.equal(statuses.pop(), '401', 'and with a stale cookie it is nobody’s stream');
    assert.ok(statuses.every((status) => status === '200'), statuses.join());
    assert.deepEqual(datas(page), ['before', 'between'], 'without a gap, a hole or a double');
    assert.equal(await reasons(server, 'expired'), 1);
    await server.subscribers(0);
    tap.close();
    await page.close();
  });
}

async function ownPages() {
  await stage({ auth, topics }, async (server) => {
    for (const [path, value, refused] of [
      ['/topics/orders', await token(), undefined],
      ['/topics/orders', undefined, 'no_token'],
      ['/topics/orders', 'nonsense', 'malformed'],
      ['/topics/orders', await token(-60), 'expired'],
      ['/topics/orders', await token(600, ['users']), 'topic'],
      ['/topics/news', undefined, undefined],
      ['/topics/news', 'nonsense', undefined],
      [`/topics/orders?access_token=${await token()}`, undefined, undefined],
      ['/topics/news?access_token=nonsense', undefined, 'malformed'],
    ]) {
      const before = refused && (await reasons(server, refused));
      const page = await withCookie(server.edge, path, value, server.edge);
      if (!refused) {
        await opened(page);
        const topic = path.split(/[/?]/)[2];
        await server.publish(topic, path);
        await page.seen.wait(withData(path), 'an event');
      } else {
        await gaveUp(page);
        assert.equal(await reasons(server, refused), before + 1, `${path}: ${refused}`);
      }
      await page.close();
    }
  });
}

/** Pages elsewhere: of an origin that is named with credentials, of one that is not, and of one on another site. */
async function otherPages() {
  const other = await blankApp();
  // Cookies know no ports: both pages are on the edge's site, and their requests carry its cookie.
  const named = other.url;
  const stranger = await blankApp();
  const cors = { origins: [named], credentials: true };
  try {
    await stage({ auth, topics, edge: { cors } }, async (server) => {
      const tap = await Tap.to(server.ports.edge);
      const target = `${tap.url}/topics/orders`;
      const good = await token();
      const ours = await withCookie(named, target, good, tap.url, WITH_CREDENTIALS);
      await opened(ours);
      await server.publish('orders', 'for us');
      await ours.seen.wait(withData('for us'), 'an event');
      assert.equal(header(await tap.stream(0), 'sec-fetch-site'), 'same-site');

      // The same, without being allowed to send the cookie: nobody is known.
      const without = await withCookie(named, target, good, tap.url, {});
      await gaveUp(without);
      assert.equal(await reasons(server, 'no_token'), 1);

      const foreign = await withCookie(stranger.url, target, good, tap.url, WITH_CREDENTIALS);
      await gaveUp(foreign);
      const asked = await answered(tap, 2);
      assert.equal(header(asked, 'cookie'), `session=${good}`, 'its cookie was sent');
      assert.match(asked.text, /^HTTP\/1\.1 401 /, 'and did not count');
      assert.doesNotMatch(asked.text, /access-control-allow/i);
      assert.equal(await reasons(server, 'cross_site'), 1);

      // What asks without an Origin: the browser says that it is another site's, and the cookie stays at home (Lax).
      const far = `http://localhost:${stranger.port}`;
      const context = await (await browser()).newContext();
      await context.addCookies([{ name: 'session', value: good, url: tap.url, sameSite: 'Lax' }]);
      const page = await context.newPage();
      await page.goto(far);
      await page.evaluate((url) => fetch(url, { mode: 'no-cors', credentials: 'include' }).catch(() => {}), target);
      const silent = await answered(tap, 3);
      assert.equal(header(silent, 'sec-fetch-site'), 'cross-site');
      assert.match(silent.text, /^HTTP\/1\.1 401 /);
      // A link from there is a navigation, with its cookie, and cross-site all the same.
      await page.evaluate((url) => { location.href = url; }, target).catch(() => {});
      const followed = await answered(tap, 4);
      assert.equal(header(followed, 'sec-fetch-site'), 'cross-site');
      assert.match(followed.text, /^HTTP\/1\.1 401 /);
      for (const one of [ours, without, foreign, context]) await one.close();
      tap.close();
    });
  } finally {
    other.close();
    stranger.close();
  }
}

export const checks = [
  () => check('chromium: cookies, query tokens and public topics on pages of the edge’s own origin', ownPages),
  () => check('chromium: a cookie counts with pages of named origins, and not with a stranger’s, same-site or cross-site', otherPages),
];
export const slowChecks = [
  () => check('chromium: a stream ends with its token, resumes with a fresh cookie, and with a stale one gets 401', grantEnds),
];
