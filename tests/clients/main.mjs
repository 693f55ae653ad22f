// Runs every check; see run.sh.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { closeBrowser } from './lib/browser.mjs';
import { adopt, check, counts, skip } from './lib/checks.mjs';
import { BINARY } from './lib/sidestream.mjs';
import * as chat from './chat.mjs';
import * as chromium from './chromium.mjs';
import * as chromiumAsking from './chromium_asking.mjs';
import * as chromiumAuth from './chromium_auth.mjs';
import * as chromiumCors from './chromium_cors.mjs';
import * as chromiumEnds from './chromium_ends.mjs';
import * as curl from './curl.mjs';
import * as eventsource from './eventsource.mjs';
import * as fetchEventSource from './fetch_event_source.mjs';
import * as forward from './forward.mjs';
import * as fronts from './fronts.mjs';
import * as httpxSse from './httpx_sse.mjs';
import * as nginx from './nginx.mjs';
import * as proxies from './proxies.mjs';
import * as tokens from './tokens.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const groups = {
  curl: [curl],
  eventsource: [eventsource],
  'fetch-event-source': [fetchEventSource],
  httpx: [httpxSse],
  nginx: [nginx],
  proxies: [proxies],
  fronts: [fronts],
  forward: [forward],
  tokens: [tokens],
  chromium: [chromium, chromiumAsking, chromiumEnds, chromiumCors, chromiumAuth],
  chat: [chat],
};
const only = process.env.ONLY?.split(','); // for work on one of them: ONLY=nginx,chat

const chosen = Object.entries(groups).filter(([name]) => !only || only.includes(name)).flatMap(([, group]) => group);

// The slow ones wait for the most part, so they do it beside the others.
const slow = chosen.flatMap((group) => group.slowChecks ?? []).map((run) => run());
for (const run of chosen.flatMap((group) => group.checks)) await run();
await Promise.all(slow);
await closeBrowser();

if (!only || only.includes('kubernetes')) {
  await check('kubernetes: the manifest was checked', () => {
    const ran = spawnSync(httpxSse.python(), [here('kubernetes_manifest.py'), BINARY], { encoding: 'utf8' });
    adopt(ran.stdout ?? '');
    if (ran.status !== 0) throw new Error(ran.stderr?.slice(-500) ?? String(ran.error));
  });
}
if (!only || only.includes('image')) {
  await check('image: the last stage of the Dockerfile was tried', () => {
    const ran = spawnSync(here('../../deploy/dockerfile_steps.py'), ['--binary', BINARY], { encoding: 'utf8' });
    if (/^needs Linux and root/.test(ran.stderr ?? '')) skip(ran.stderr.trim());
    adopt((ran.stdout ?? '').replace(/^(ok|FAILED|skipped) - /gm, '$1 - image: '));
    if (ran.status !== 0) throw new Error(`${ran.stdout}${ran.stderr}`.slice(-500) || String(ran.error));
  });
}

const skipped = counts.skipped ? `, ${counts.skipped} skipped` : '';
console.log(`${counts.passed} passed, ${counts.failed} failed${skipped}`);
process.exit(counts.failed || !counts.passed ? 1 : 0);
