// Debian's Chromium, driven by Playwright, and pages that report what their EventSource sees.

import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { chromium } from 'playwright-core';
import { Happenings, skip } from './checks.mjs';
import { freePort, Sidestream } from './sidestream.mjs';

const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium';

// No sandbox, since tests often run as root; and nothing that talks to the world outside.
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

let launched;

/** The one browser of a run. */
export function browser() {
  if (!existsSync(EXECUTABLE)) skip(`no Chromium at ${EXECUTABLE} (apt-get install chromium)`);
  launched ??= chromium.launch({ executablePath: EXECUTABLE, headless: true, args: FLAGS });
  return launched;
}

export const closeBrowser = async () => (await launched)?.close();

/** An app for behind the edge: a blank page, and `/slow`, which is answered when `release` is called. */
export async function blankApp() {
  const app = { port: await freePort(), slow: new Happenings() };
  app.url = `http://127.0.0.1:${app.port}`;
  app.server = createServer((request, response) => {
    if (request.url === '/slow') {
      app.release = () => response.end('done');
      app.slow.push('asked');
      return;
    }
    response.writeHead(200, { 'Content-Type': 'text/html' });
    response.end('<!doctype html><title>blank</title><link rel="icon" href="data:,">');
  });
  await new Promise((resolve) => app.server.listen(app.port, '127.0.0.1', resolve));
  app.close = () => {
    app.server.closeAllConnections();
    app.server.close();
  };
  return app;
}

/** A server, the app behind it and a listening page; all gone at the end. */
export async function stage(settings, run) {
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

/** Opens `origin` and in it an EventSource; gives back the page and what happens to that EventSource. */
export async function listen(origin, path, types = [], init = {}) {
  const context = await (await browser()).newContext();
  const page = await context.newPage();
  const seen = new Happenings();
  await page.exposeFunction('report', (thing) => seen.push(thing));
  await page.goto(origin);
  await page.evaluate(([url, names, how]) => {
    const source = new EventSource(url, how);
    window.source = source;
    const tell = (kind) => (event) => window.report({
      kind, type: event.type, data: event.data, id: event.lastEventId, closed: source.readyState === EventSource.CLOSED,
    });
    source.onopen = tell('open');
    source.onerror = tell('error');
    for (const name of ['message', 'sidestream.gap', ...names]) source.addEventListener(name, tell('event'));
  }, [path, types, init]);
  return { page, seen, events: () => seen.list.filter((thing) => thing.kind === 'event'), close: () => context.close() };
}

export const datas = (page) => page.events().map((event) => event.data);
export const withData = (data) => (thing) => thing.kind === 'event' && thing.data === data;
export const aGap = (thing) => thing.type === 'sidestream.gap';
