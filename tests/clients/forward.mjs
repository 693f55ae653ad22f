// `access: forward` beside nginx's auth_request: one app, one table of its answers, the same outcome on both.

import assert from 'node:assert/strict';
import { createServer, get } from 'node:http';
import { check, within } from './lib/checks.mjs';
import { Sidestream } from './lib/sidestream.mjs';
import { nginx } from './nginx.mjs';

const challenge = 'Bearer realm="shop", Basic realm="shop"';

/** What the app answers, and what whoever asked gets: nginx's status, and ours. */
const rows = {
  ok: [{ status: 200 }, 200, 200],
  created: [{ status: 201, body: 'a body that nobody reads' }, 200, 200],
  accepted: [{ status: 202 }, 200, 200],
  empty: [{ status: 204 }, 200, 200],
  strange: [{ status: 299 }, 200, 200],
  unknown: [{ status: 401, headers: { 'WWW-Authenticate': challenge } }, 401, 401],
  'no-challenge': [{ status: 401 }, 401, 401],
  forbidden: [{ status: 403, body: 'the reason is the app\'s own' }, 403, 403],
  moved: [{ status: 302, headers: { Location: '/login' } }, 500, 503],
  'not-modified': [{ status: 304 }, 500, 503],
  wrong: [{ status: 400 }, 500, 503],
  missing: [{ status: 404 }, 500, 503],
  many: [{ status: 429, headers: { 'Retry-After': '1' } }, 500, 503],
  broken: [{ status: 500 }, 500, 503],
  down: [{ status: 503 }, 500, 503],
  gone: [{ destroys: true }, 500, 503],
  silent: [{ waits: true }, 500, 503],
  garbage: [{ raw: 'this is not HTTP\r\n\r\n' }, 500, 503],
};

/** A server that is listened to, by its port. */
const listen = (server) => new Promise((resolve) => {
  server.listen(0, '127.0.0.1', () => resolve(server.address().port));
});

/** An app that answers by the cookie `row`, and remembers what it was asked. */
async function start() {
  const asked = [];
  const app = createServer((request, response) => {
    asked.push(request);
    const [act] = rows[/row=([\w-]+)/.exec(request.headers.cookie)?.[1]] ?? [{ status: 200 }];
    if (act.waits) return;
    if (act.destroys) return void request.socket.destroy();
    if (act.raw) return void request.socket.end(act.raw);
    const extra = /extra=([\w+/=]+)/.exec(request.headers.cookie)?.[1];
    const fields = extra ? JSON.parse(Buffer.from(extra, 'base64').toString()) : {};
    response.writeHead(act.status, { ...act.headers, ...fields }).end(act.body);
  });
  return { asked, app, port: await listen(app) };
}

/** The head of an answer, of which nothing more is read. */
const head = (url, headers = {}) => within(new Promise((resolve, reject) => {
  const request = get(url, { headers, agent: false }, (response) => {
    resolve(response);
    response.on('error', () => {});
    request.destroy();
  });
  request.on('error', reject);
}), `an answer of ${url}`);

const forward = (port, more = {}) => ({
  edge: { overload: 'status' },
  topics: [{ name: 'all', match: '**', access: 'forward' }],
  auth: { forward: { url: `http://127.0.0.1:${port}/may-listen`, timeout: '1s', ...more } },
});

async function sameAnswers() {
  const { asked, app, port } = await start();
  const content = createServer((_, response) => response.end('content'));
  const contentPort = await listen(content);
  const server = await Sidestream.create(forward(port));
  try {
    const front = await nginx(`
      location / { return 204; }
      location /topics/ { auth_request /ask; proxy_pass http://127.0.0.1:${contentPort}; }
      location = /ask {
        internal;
        proxy_pass http://127.0.0.1:${port}/may-listen;
        proxy_pass_request_body off;
        proxy_set_header Content-Length "";
        proxy_set_header X-Original-URI $request_uri;
        proxy_set_header X-Original-Method $request_method;
        proxy_read_timeout 1s;
      }`);
    const path = '/topics/orders.7?a=%20b';
    for (const [row, [act, theirs, ours]] of Object.entries(rows)) {
      const headers = { Cookie: `row=${row}; b=2`, Authorization: 'Basic eDp5', 'User-Agent': 'checks' };
      asked.length = 0;
      const nginxs = await head(`${front.url}${path}`, headers);
      const edges = await head(`${server.edge}${path}`, headers);
      assert.deepEqual([nginxs.statusCode, edges.statusCode], [theirs, ours], row);
      if (act.headers?.['WWW-Authenticate']) {
        assert.deepEqual([nginxs.headers['www-authenticate'], edges.headers['www-authenticate']], [challenge, challenge], row);
      }
      // What they told the app is the same, as far as both tell it.
      const told = asked.map(({ method, url, headers: h }) => [
        method, url, h.cookie, h.authorization, h['user-agent'], h['x-original-uri'], h['x-original-method'],
      ]);
      assert.ok(told.length >= 2, `${row}: asked ${told.length} times`);
      for (const one of told) assert.deepEqual(one, told[0], row);
    }
    const of = (reason) => server.metric(`auth_failures_total\\{reason="${reason}"\\}`);
    assert.equal(await of('app_401'), 2);
    front.stop();
    return `${Object.keys(rows).length} answers`;
  } finally {
    await server.stop();
    app.close();
    app.closeAllConnections();
    content.close();
    content.closeAllConnections();
  }
}

async function narrowsAndEnds() {
  const { asked, app, port } = await start();
  const server = await Sidestream.create(forward(port, { cache: '1m' }));
  const cookie = (fields) => ({ Cookie: `row=ok; extra=${Buffer.from(JSON.stringify(fields)).toString('base64')}` });
  try {
    const status = async (topic, fields) => (await head(`${server.edge}/topics/${topic}`, cookie(fields))).statusCode;
    const narrow = { 'Sidestream-Topics': 'orders.*, news' };
    assert.equal(await status('orders.7', narrow), 200);
    assert.equal(await status('news', narrow), 200);
    assert.equal(await status('orders.7.items', narrow), 403);
    assert.equal(await status('orders.**', narrow), 403);
    assert.equal(await status('news', { 'Sidestream-Topics': '' }), 403);
    assert.equal(await status('news', { 'Sidestream-Topics': 'orders.*, not a topic' }), 503);
    assert.equal(await status('news', { 'Sidestream-Expires': 'soon' }), 503);
    const before = asked.length;
    for (let n = 0; n < 20; n += 1) assert.equal(await status('orders.7', narrow), 200);
    assert.equal(asked.length, before, 'an admission is kept');
    // The query's token is nobody's but ours.
    assert.equal((await head(`${server.edge}/topics/news?x=1&access_token=s3cret&y=2`, cookie({}))).statusCode, 200);
    assert.ok(!JSON.stringify(asked.map((one) => one.rawHeaders)).includes('s3cret'));
    assert.equal(asked.at(-1).headers['x-forwarded-uri'], '/topics/news?x=1&y=2');
    assert.equal(asked.at(-1).headers['sidestream-topics'], 'news');
    // A stream ends with its admission, cleanly, and says when to come back.
    const ends = await within(fetch(`${server.edge}/topics/news`, { headers: cookie({ 'Sidestream-Expires': '1' }) })
      .then((response) => response.text()), 'the stream to end with its admission');
    assert.match(ends, /^retry: \d+\nid: /);
  } finally {
    await server.stop();
    app.close();
    app.closeAllConnections();
  }
}

export const checks = [
  () => check('forward: the same answers as nginx with auth_request', sameAnswers),
  () => check('forward: an admission narrows, ends, and is kept for the very same request', narrowsAndEnds),
];
