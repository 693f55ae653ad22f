// examples/chat as a person uses it: started by its script, two pages in Chromium.

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { browser } from './lib/browser.mjs';
import { check, within } from './lib/checks.mjs';
import { BINARY, eventually, folder, freePort, start } from './lib/sidestream.mjs';

const RUN = fileURLToPath(new URL('../../examples/chat/run.sh', import.meta.url));

/** Process ids whose command line has this text. */
function processes(text) {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      return pid !== process.pid && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text);
    } catch {
      return false; // it has ended meanwhile
    }
  });
}

/** The chat on free ports, with the example's own configuration otherwise. */
async function startChat() {
  const ports = { app: await freePort(), edge: await freePort(), ingress: await freePort(), admin: await freePort() };
  const example = readFileSync(join(RUN, '../sidestream.yaml'), 'utf8');
  const text = example
    .replace('http://127.0.0.1:3000', `http://127.0.0.1:${ports.app}`)
    .replace('edge:\n', `edge:\n  listen: 127.0.0.1:${ports.edge}\n`)
    .concat(`ingress: { listen: "127.0.0.1:${ports.ingress}" }\nadmin: { listen: "127.0.0.1:${ports.admin}" }\n`);
  const config = join(mkdtempSync(join(folder, 'chat-')), 'sidestream.yaml');
  writeFileSync(config, text);
  const child = start(RUN, [BINARY], {
    endWith: 'SIGTERM', // it ends what it has started
    env: {
      ...process.env, CHAT_CONFIG: config, CHAT_APP_PORT: String(ports.app),
      CHAT_WEBHOOK: `http://127.0.0.1:${ports.ingress}/webhooks/chat`,
    },
  });
  const url = `http://127.0.0.1:${ports.edge}`;
  const stop = async () => {
    child.kill('SIGTERM');
    await within(child.gone, 'the chat to stop');
  };
  try {
    await eventually(async () => {
      if (child.how !== undefined) throw new Error(`the chat ended with ${child.how}: ${child.output}`);
      return (await fetch(url).catch(() => ({}))).ok;
    }, 'the chat to answer');
  } catch (error) {
    await stop();
    throw error;
  }
  const sidestream = () => processes(config).filter((pid) => pid !== child.pid)
    .find((pid) => !readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('run.sh'));
  return { url, ports, child, sidestream, stop, config };
}

async function visitor(url, name, options) {
  const context = await (await browser()).newContext({ locale: 'en-GB', timezoneId: 'UTC', ...options });
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  await page.goto(url);
  await page.getByLabel('Your name').fill(name);
  await page.getByRole('button', { name: 'Come in' }).click();
  await page.getByText('Welcome!').waitFor();
  const shows = (text) => page.getByText(text, { exact: false }).first().waitFor();
  const live = () => page.locator('#state[data-state="live"]').waitFor();
  const say = async (text) => {
    await page.getByLabel('Say something').fill(text);
    await page.getByRole('button', { name: 'Send' }).click();
    await page.locator('.said.mine').getByText(text).waitFor();
  };
  await shows(`${name} has come in`);
  return { page, context, shows, live, say, errors, close: () => context.close() };
}

const said = (person) => person.page.locator('.said p').allTextContents();

async function endToEnd() {
  await browser();
  const chat = await startChat();
  try {
    const maya = await visitor(chat.url, 'Maya', { viewport: { width: 760, height: 660 }, deviceScaleFactor: 2 });
    const jonas = await visitor(chat.url, 'Jonas', { viewport: { width: 360, height: 660 }, deviceScaleFactor: 2, isMobile: true, colorScheme: 'dark' });
    await maya.shows('Jonas has come in');
    await maya.say('Morning! The deploy webhook just came in: build 214 is live.');
    await jonas.shows('build 214 is live');
    await jonas.say('I see it. No reload, nothing.');
    await maya.shows('No reload, nothing.');
    await maya.say('<b>Markup</b> stays text & a “quote” stays a quote ☃');
    await jonas.shows('<b>Markup</b> stays text & a “quote” stays a quote ☃');
    assert.deepEqual(await said(maya), await said(jonas), 'both pages show the same, in the same order');
    assert.equal(await maya.page.locator('.said.mine').count(), 2, 'what one said oneself is marked');
    assert.match(await maya.page.locator('.said time').first().textContent(), /^\d\d:\d\d$/);
    const width = await jonas.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(width <= 0, 'nothing sticks out of a phone’s screen');

    // The server goes down hard; run.sh starts it again, and both pages find it.
    const before = chat.sidestream();
    process.kill(before, 'SIGKILL');
    await maya.page.locator('.gap').waitFor();
    await jonas.page.locator('.gap').waitFor();
    assert.notEqual(chat.sidestream(), before, 'it is another process');
    await maya.live();
    await maya.say('And we are back after a restart.');
    await jonas.shows('And we are back after a restart.');
    await jonas.say('Told about it, too.');
    await maya.shows('Told about it, too.');
    assert.equal((await said(maya)).length, 5, 'nothing is shown twice');
    if (process.env.SCREENSHOT) await screenshot(process.env.SCREENSHOT, maya.page, jonas.page);
    assert.deepEqual([...maya.errors, ...jonas.errors], []);
    await maya.close();
    await jonas.close();
  } finally {
    await chat.stop();
  }
  assert.deepEqual(processes(chat.config), [], 'nothing is left running');
  assert.equal(await fetch(`http://127.0.0.1:${chat.ports.app}`).then(() => 'answers', () => 'gone'), 'gone', 'nor is the app');
}

async function givenUp() {
  await browser();
  const chat = await startChat();
  try {
    const maya = await visitor(chat.url, 'Maya');
    await maya.say('Before.');
    // A proxy on the way answers for a while in place of sidestream.
    let refused = 0;
    await maya.page.route('**/listen*', (route) => {
      refused += 1;
      return route.fulfill({ status: 502, body: 'Bad Gateway' });
    });
    process.kill(chat.sidestream(), 'SIGKILL');
    await eventually(() => refused > 0, 'the page to meet the 502');
    await maya.page.locator('#state[data-state="connecting"]').waitFor();
    const asked = maya.page.waitForRequest((request) => request.url().includes('last-event-id='));
    await maya.page.unroute('**/listen*');
    await asked;
    await maya.live();
    await maya.page.locator('.gap').waitFor();
    await maya.say('After.');
    assert.deepEqual(await said(maya), ['Before.', 'After.']);
    await maya.close();
  } finally {
    await chat.stop();
  }
}

/** Both pages beside each other, as one picture. */
async function screenshot(path, ...pages) {
  const images = [];
  for (const page of pages) images.push((await page.screenshot()).toString('base64'));
  const context = await (await browser()).newContext({ viewport: { width: 1200, height: 740 }, deviceScaleFactor: 1.5 });
  const board = await context.newPage();
  await board.setContent(`<body style="margin:0;padding:24px;display:inline-flex;gap:24px;background:#cfd8d6">${images
    .map((image) => `<img style="height:660px;border-radius:14px;box-shadow:0 6px 24px #0003" src="data:image/png;base64,${image}">`)
    .join('')}</body>`);
  await board.locator('body').screenshot({ path });
  await context.close();
}

/** It waits a few seconds before it tries anew, on purpose. */
export const slowChecks = [
  () => check('chat: a page whose EventSource a 502 has ended opens a new one, with the last id', givenUp),
];

export const checks = [() => check('chat: two pages, a restart of the server, and nothing left behind', endToEnd)];
