// HAProxy and nginx in front, telling who asks: by the PROXY protocol and by X-Forwarded-For, as Debian ships them.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { join } from 'node:path';
import { check, skip, within } from './lib/checks.mjs';
import { eventually, folder, freePort, Sidestream, start } from './lib/sidestream.mjs';

/** Callers come from here, and proxies from 127.0.0.1. */
const CALLER = '127.0.0.42';

const STREAM_MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';

/** A program of these names, or the check is skipped. */
const found = (names, install) => names.find((name) => !spawnSync(name, ['-v']).error)
  ?? skip(`no ${names[0]} (apt-get install ${install})`);

/** An app that answers with the header fields it got. */
async function echo() {
  const probes = [];
  const server = createServer((req, res) => {
    if (req.url === '/health') probes.push(req.headers['x-forwarded-for']);
    res.end(JSON.stringify(req.headers));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, probes, close: () => server.close() };
}

/** The body of an answer; undefined when there is none. */
const ask = (port, { method = 'GET', path = '/', headers = {}, from = CALLER, body } = {}) =>
  within(new Promise((resolve) => {
    const options = { host: '127.0.0.1', port, path, method, headers, localAddress: from, agent: false };
    const asked = request(options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (more) => { text += more; });
      response.on('end', () => resolve({ status: response.statusCode, text, headers: response.headers }));
    });
    asked.on('error', () => resolve(undefined));
    asked.end(body);
  }), `an answer to ${method} ${path}`);

async function running(command, args, port) {
  const child = start(command, args);
  await eventually(async () => {
    if (child.how !== undefined) throw new Error(`${command} ended with ${child.how}: ${child.output}`);
    return (await ask(port)) !== undefined;
  }, `${command} to answer`);
  return { port, stop: () => child.kill('SIGTERM') };
}

/** A HAProxy with this line for its server, in this mode. */
export async function haproxy(mode, server, more = '') {
  const command = found(['haproxy', '/usr/sbin/haproxy'], 'haproxy');
  const port = await freePort();
  const file = join(folder, `haproxy-${port}.cfg`);
  writeFileSync(file, `
defaults
  mode ${mode}
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen front
  bind 127.0.0.1:${port}
  ${more}
  server edge ${server}
`);
  return running(command, ['-db', '-f', file], port);
}

/** An nginx with this in place of its section \`http\` or \`stream\`. */
async function nginx(section, load = '') {
  const command = found(['nginx', '/usr/sbin/nginx'], 'nginx-light');
  const port = await freePort();
  const home = join(folder, `nginx-${port}`);
  mkdirSync(home);
  writeFileSync(join(home, 'nginx.conf'), `
    ${load}
    ${process.getuid() === 0 ? 'user root;' : ''}
    worker_processes 1;
    daemon off;
    pid ${home}/pid;
    error_log stderr;
    events {}
    ${section(port, home)}`);
  return running(command, ['-e', 'stderr', '-p', home, '-c', join(home, 'nginx.conf')], port);
}

/** With a sidestream of these sections before the app, and what `front` makes in front of it. */
async function behind(settings, front, test) {
  const app = await echo();
  const server = await Sidestream.create({ ...settings, edge: { upstream: app.url, ...settings.edge } });
  try {
    const proxy = await front(server.ports);
    await test(proxy, server, app);
    proxy.stop();
  } finally {
    await server.stop();
    app.close();
  }
}

const FORGED = { 'X-Forwarded-For': '6.6.6.6', Forwarded: 'for=6.6.6.6;proto=https', 'X-Real-IP': '6.6.6.6' };

/** What the app was told of its caller. */
async function told(proxy, headers = {}) {
  const answer = await ask(proxy.port, { headers });
  assert.equal(answer?.status, 200);
  return JSON.parse(answer.text);
}

/** The caller's address arrives, whatever it says of itself, and so does an event. */
async function introduces(proxy, server) {
  for (const headers of [{}, FORGED]) {
    const seen = await told(proxy, headers);
    assert.equal(seen['x-forwarded-for'], CALLER);
    assert.equal(seen.forwarded, undefined);
  }
  // Straight to the listener, without a header, there is no answer.
  assert.equal(await ask(server.ports.edge), undefined);
  assert.ok(await server.metric('proxy_protocol_errors_total') >= 1);
}

const required = { edge: { proxy_protocol: 'required' } };

const sendsV1 = () => behind(required, ({ edge }) => haproxy('tcp', `127.0.0.1:${edge} send-proxy`), introduces);
const sendsV2 = () => behind(required, ({ edge }) => haproxy('tcp', `127.0.0.1:${edge} send-proxy-v2`), introduces);
// With every TLV that it can send, a checksum among them.
const sendsTlvs = () => behind(
  required,
  ({ edge }) => haproxy('tcp', `127.0.0.1:${edge} send-proxy-v2 proxy-v2-options crc32c,unique-id`, 'unique-id-format %[uuid()]'),
  introduces,
);
// In mode http HAProxy keeps a connection for several callers only if all have the same header.
const sendsForEach = () => behind(
  required,
  ({ edge }) => haproxy('http', `127.0.0.1:${edge} send-proxy-v2`),
  async (proxy) => {
    for (const from of ['127.0.0.42', '127.0.0.43', '127.0.0.42']) {
      assert.equal(JSON.parse((await ask(proxy.port, { from })).text)['x-forwarded-for'], from);
    }
  },
);

// A check of HAProxy's own says LOCAL, and must be taken for healthy.
const checksHealth = () => behind(
  required,
  ({ edge }) => haproxy('http', `127.0.0.1:${edge} send-proxy-v2 check inter 100ms`, 'option httpchk GET /health'),
  async (proxy, server, app) => {
    await eventually(() => app.probes.length > 1, 'HAProxy to look after the app');
    assert.ok(app.probes.every((from) => from === '127.0.0.1'), String(app.probes));
    await introduces(proxy, server);
    assert.equal(await server.metric('proxy_protocol_errors_total'), 1, 'no check was an error');
  },
);

const streams = () => {
  if (!existsSync(STREAM_MODULE)) skip('no stream module of nginx (apt-get install libnginx-mod-stream)');
  const section = (edge) => (port) => `stream { server {
    listen 127.0.0.1:${port}; proxy_pass 127.0.0.1:${edge}; proxy_protocol on; } }`;
  return behind(required, ({ edge }) => nginx(section(edge), `load_module ${STREAM_MODULE};`), introduces);
};

/** The list that nginx appends to, and one that HAProxy appends a line to: the forged begin is cut off. */
async function appends(proxy) {
  assert.equal((await told(proxy))['x-forwarded-for'], `${CALLER}, 127.0.0.1`);
  assert.equal((await told(proxy, FORGED))['x-forwarded-for'], `${CALLER}, 127.0.0.1`);
}

const http = (edge) => (port, home) => `http {
  access_log off;
  client_body_temp_path ${home}/body; proxy_temp_path ${home}/proxy; fastcgi_temp_path ${home}/fastcgi;
  uwsgi_temp_path ${home}/uwsgi; scgi_temp_path ${home}/scgi;
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://127.0.0.1:${edge};
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto https;
      proxy_set_header X-Forwarded-Host shop.example;
    }
  }
}`;
const trusted = { edge: { trusted_proxies: ['127.0.0.1'] } };

const nginxAppends = () => behind(trusted, ({ edge }) => nginx(http(edge)), async (proxy) => {
  await appends(proxy);
  const seen = await told(proxy);
  assert.deepEqual([seen['x-forwarded-proto'], seen['x-forwarded-host']], ['https', 'shop.example']);
});
const haproxyAppends = () =>
  behind(trusted, ({ edge }) => haproxy('http', `127.0.0.1:${edge}`, 'option forwardfor'), appends);
const untrusted = () => behind({}, ({ edge }) => nginx(http(edge)), async (proxy) => {
  const seen = await told(proxy, FORGED);
  assert.deepEqual([seen['x-forwarded-for'], seen['x-forwarded-proto']], ['127.0.0.1', 'http']);
});

// Each of two callers behind one HAProxy has a rate of its own.
const limits = () => behind(
  { ingress: { proxy_protocol: 'required', rate_per_ip: { per_second: 1, burst: 1 } } },
  ({ ingress }) => haproxy('tcp', `127.0.0.1:${ingress} send-proxy-v2`),
  async (proxy) => {
    const post = (from) => ask(proxy.port, { method: 'POST', path: '/webhooks/orders', from, body: 'x' });
    let limited;
    await eventually(async () => {
      const answers = await Promise.all(Array.from({ length: 20 }, () => post(CALLER)));
      limited = answers.find((answer) => answer.status === 429);
      return limited !== undefined;
    }, 'one caller to be refused');
    assert.equal(limited.headers['retry-after'], '1');
    assert.equal((await post('127.0.0.43')).status, 202);
  },
);

export const checks = [
  () => check('HAProxy, send-proxy: the app is told the caller', sendsV1),
  () => check('HAProxy, send-proxy-v2: the app is told the caller', sendsV2),
  () => check('HAProxy, send-proxy-v2 with TLVs: the app is told the caller', sendsTlvs),
  () => check('HAProxy, send-proxy-v2 in mode http: each caller is told apart', sendsForEach),
  () => check('HAProxy, health checks with a PROXY header: none is an error', checksHealth),
  () => check('HAProxy, send-proxy-v2 to the ingress: each caller has a rate of its own', limits),
  () => check('HAProxy, option forwardfor: believed where it is trusted', haproxyAppends),
  () => check('nginx, stream with proxy_protocol on: the app is told the caller', streams),
  () => check('nginx, X-Forwarded-*: believed where it is trusted', nginxAppends),
  () => check('nginx, X-Forwarded-*: not believed where it is not', untrusted),
];
