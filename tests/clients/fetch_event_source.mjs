// npm's @microsoft/fetch-event-source, in the browser that it is made for.
//
// It is not an EventSource: a block without data is a message to it, whose data is empty; and it takes a clean end for
// the end of it all, unless `onclose` throws, as these checks and its own documentation do.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { blankApp, browser } from './lib/browser.mjs';
import { check, Happenings } from './lib/checks.mjs';
import { isToldAGap, tellsApart } from './lib/many.mjs';
import { Sidestream } from './lib/sidestream.mjs';
import { ended, header, Tap } from './lib/tap.mjs';

const LIBRARY = new URL('node_modules/@microsoft/fetch-event-source/lib/esm/', import.meta.url);

/** Its two modules as one, since a browser finds no file by a name without its ending. */
function library() {
  const source = (name) => readFileSync(new URL(name, LIBRARY), 'utf8').replace(/^\/\/# sourceMappingURL.*$/m, '');
  const [imported] = /^import .* from '\.\/parse';$/m.exec(source('fetch.js')) ?? assert.fail('another library than was written for');
  return `${source('parse.js')}\n${source('fetch.js').replace(imported, '')}`;
}

/** A page of the app, which listens to `url` of another origin; so the server has to allow it. */
async function listen(app, url) {
  const context = await (await browser()).newContext();
  const page = await context.newPage();
  const seen = new Happenings();
  await page.exposeFunction('report', (thing) => seen.push(thing));
  await page.goto(app.url);
  await page.evaluate(async ([text, target]) => {
    const { fetchEventSource } = await import(URL.createObjectURL(new Blob([text], { type: 'text/javascript' })));
    fetchEventSource(target, {
      openWhenHidden: true,
      onmessage: ({ event, data, id, retry }) => window.report({ kind: data ? 'event' : 'block', type: event || 'message', data, id, retry }),
      onclose: () => {
        window.report({ kind: 'close' });
        throw new Error('once more');
      },
      onerror: () => {}, // the time that it was told
    }).then(() => window.report({ kind: 'over' }), (error) => window.report({ kind: 'over', error: String(error) }));
  }, [library(), url]);
  return { seen, events: () => seen.list.filter((thing) => thing.kind === 'event'), close: () => context.close() };
}

/** Runs a check whose pages come from an app of theirs. */
async function fromAnApp(run) {
  await browser();
  const app = await blankApp();
  try {
    return await run(app);
  } finally {
    app.close();
  }
}

const many = (scenario) => () => fromAnApp((app) => scenario((url) => listen(app, url), { edge: { cors: { origins: [app.url] } } }));

async function comesBack() {
  await fromAnApp(async (app) => {
    const server = await Sidestream.create({ edge: { cors: { origins: [app.url] }, max_connection_age: '1s' } });
    const tap = await Tap.to(server.ports.edge);
    try {
      const { seen, events, close } = await listen(app, `${tap.url}/topics/orders`);
      await server.subscribers(1);
      const { cursor } = await server.publish('orders', 'before');
      await seen.wait((thing) => thing.data === 'before', 'an event');
      await seen.wait((thing) => thing.kind === 'close', 'the clean end by age');
      assert.ok(ended(await tap.stream(0)));
      assert.equal(header(await tap.stream(1), 'last-event-id'), cursor, 'it resumes, behind a preflight');
      await server.publish('orders', 'after');
      await seen.wait((thing) => thing.data === 'after', 'the event after it');
      assert.deepEqual(events().map(({ data }) => data), ['before', 'after']);
      const [opening] = seen.list;
      assert.deepEqual([opening.kind, Boolean(opening.id), opening.retry > 0], ['block', true, true], 'the opening is a message without data');
      assert.ok(seen.list.every(({ kind }) => kind !== 'over'));
      await close();
    } finally {
      tap.close();
      await server.stop();
    }
  });
}

export const checks = [
  () => check('npm fetch-event-source: several topics and a pattern, told apart by their envelopes', many(tellsApart)),
  () => check('npm fetch-event-source: resumes several topics, and is told a gap', many(isToldAGap)),
  () => check('npm fetch-event-source: ends cleanly by age, and resumes', comesBack),
];
