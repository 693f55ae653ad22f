// Debian's nginx as a reverse proxy in front, with nginx's defaults: it speaks HTTP/1.0 to the edge and
// buffers what it is not told to pass on.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { aGap, blankApp, browser, listen, withData } from './lib/browser.mjs';
import { check, Happenings, skip } from './lib/checks.mjs';
import { eventually, folder, freePort, Sidestream, start } from './lib/sidestream.mjs';

const EVENTS = 20;

/** An nginx with these locations. */
export async function nginx(locations) {
  const command = ['nginx', '/usr/sbin/nginx'].find((name) => !spawnSync(name, ['-v']).error)
    ?? skip('no nginx (apt-get install nginx-light)');
  const front = await freePort();
  const home = join(folder, `nginx-${front}`);
  mkdirSync(home);
  writeFileSync(join(home, 'nginx.conf'), `
    ${process.getuid() === 0 ? 'user root;' : ''}
    worker_processes 1;
    daemon off;
    pid ${home}/pid;
    error_log stderr;
    events {}
    http {
      access_log off;
      client_body_temp_path ${home}/body;
      proxy_temp_path ${home}/proxy;
      fastcgi_temp_path ${home}/fastcgi;
      uwsgi_temp_path ${home}/uwsgi;
      scgi_temp_path ${home}/scgi;
      server {
        listen 127.0.0.1:${front};
        ${locations}
      }
    }`);
  const child = start(command, ['-e', 'stderr', '-p', home, '-c', join(home, 'nginx.conf')]);
  const url = `http://127.0.0.1:${front}`;
  await eventually(async () => {
    if (child.how !== undefined) throw new Error(`nginx ended with ${child.how}: ${child.output}`);
    return fetch(`${url}/`).then(() => true, () => false);
  }, 'nginx to answer');
  return { url, stop: () => child.kill('SIGTERM') };
}

function subscribe(url) {
  const seen = new Happenings();
  const stream = { seen, text: '' };
  const request = get(url, { agent: false }, (response) => {
    response.setEncoding('utf8');
    response.on('data', (text) => {
      stream.text += text;
      seen.push(stream.text);
    });
    response.on('error', () => {});
  });
  request.on('error', () => {});
  stream.close = () => request.destroy();
  return stream;
}

async function atOnce() {
  // No heartbeat may push an event out of a buffer.
  const server = await Sidestream.create({ edge: { heartbeat: '1h' } });
  try {
    const front = await nginx(`
      location / { proxy_pass ${server.edge}; }
      location /held/ { proxy_pass ${server.edge}/; proxy_ignore_headers X-Accel-Buffering; }`);
    const direct = subscribe(`${front.url}/topics/orders`);
    await direct.seen.wait((text) => /^retry: \d+\nid: \S+\n\n$/.test(text), 'the first block');
    const held = subscribe(`${front.url}/held/topics/orders`);
    await server.subscribers(2);
    let slowest = 0;
    for (let i = 1; i <= EVENTS; i += 1) {
      const began = performance.now();
      await server.publish('orders', `event ${i}`);
      // Each must be there before the next is sent: so none waits for a buffer to fill.
      await direct.seen.wait((text) => text.endsWith(`data: event ${i}\n\n`), `event ${i}`);
      slowest = Math.max(slowest, performance.now() - began);
    }
    assert.equal(held.text, '', 'an nginx that ignores X-Accel-Buffering holds events back, so this check means something');
    direct.close();
    held.close();
    front.stop();
    return `${EVENTS} events, the slowest took ${slowest.toFixed(0)} ms from the POST to the subscriber`;
  } finally {
    await server.stop();
  }
}

/** The lines that docs/browsers.md tells people to copy. */
function documented(edge) {
  const page = readFileSync(new URL('../../docs/browsers.md', import.meta.url), 'utf8');
  const [, lines] = /```nginx\n(.*?)```/s.exec(page);
  assert.ok(lines.includes('http://127.0.0.1:8080') && lines.includes('retry: 5000'));
  return lines.replace('http://127.0.0.1:8080', edge).replace('retry: 5000', 'retry: 100');
}

async function comesBack() {
  await browser();
  const app = await blankApp();
  const server = await Sidestream.create({ edge: { upstream: app.url } });
  try {
    const front = await nginx(`location / { proxy_pass ${server.edge}; }\n${documented(server.edge)}`);
    const page = await listen(front.url, '/topics/orders');
    await page.seen.wait((thing) => thing.kind === 'open', 'the stream to open');
    const { cursor } = await server.publish('orders', 'before');
    await page.seen.wait(withData('before'), 'the event before the kill');
    await server.kill();
    // One when the stream breaks, then one for each answer that nginx gives in place of a 502.
    const errors = () => page.seen.list.filter((thing) => thing.kind === 'error');
    await page.seen.wait(() => errors().length >= 3, 'nginx to answer in its place');
    assert.ok(errors().every((error) => !error.closed), 'the browser means to come back');
    await server.start();
    const gap = JSON.parse((await page.seen.wait(aGap, 'the gap')).data);
    assert.equal(gap.requested, cursor, 'it still has its last id');
    await server.publish('orders', 'after');
    await page.seen.wait(withData('after'), 'the event after the restart');
    await page.close();
    front.stop();
  } finally {
    await server.stop();
    app.close();
  }
}

export const checks = [
  () => check('nginx with the documented lines: a browser comes back after an outage', comesBack),
  () => check('nginx in front, buffering as by default: events arrive at once', atOnce),
];
