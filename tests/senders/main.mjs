// Runs every check; see run.sh.

import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { check, counts } from '../clients/lib/checks.mjs';
import { folder, freePort } from '../clients/lib/sidestream.mjs';
import { example, Gateway } from './lib/gateway.mjs';
import { closeConnections } from './lib/http.mjs';
import { trial } from './lib/trial.mjs';
import { files, providers } from './providers/index.mjs';
import { jwks } from './providers/tokens.mjs';
import { alertmanager } from './alertmanager.mjs';
import { bad } from './bad.mjs';
import { documents } from './documents.mjs';
import { dryrun } from './dryrun.mjs';
import { handshakes } from './handshakes.mjs';
import { registry } from './registry.mjs';
import { rotated, secrets } from './secrets.mjs';

const only = process.env.ONLY?.split(','); // for work on one of them: ONLY=github,bad
// `sign` and `eval` are tried from the day that the program has them.
const dryRuns = /^ +eval /m.test(execFileSync(process.argv[2], ['--help']).toString()) ? { dryrun } : {};
const chosen = (name) => !only || only.includes(name);

/** Where Google would publish its keys, and a cluster's key set in its file: ours, of the tests. */
const keys = createServer((_, response) => response.writeHead(200, { 'Content-Type': 'application/json' }).end(jwks));
const port = await freePort();
await new Promise((resolve) => keys.listen(port, '127.0.0.1', resolve));
const file = join(folder, 'jwks.json');
writeFileSync(file, jwks);

/** The examples as they are, but for these two addresses. */
const texts = files.map((name) => example(name)
  .replace('https://www.googleapis.com/oauth2/v3/certs', `http://127.0.0.1:${port}/certs`)
  .replace('/etc/sidestream/cluster-jwks.json', file));
const guarded = example('github').replace('name: github', 'name: github-guarded')
  .replace('/webhooks/github', '/webhooks/github-guarded').replace(/$/, '    replay_guard: body\n');

if (chosen('documents')) for (const run of documents) await run();

let gateway;
await check('the examples together are a configuration that starts', async () => {
  const env = Object.assign({}, ...providers.map((provider) => provider.env ?? {}));
  gateway = await Gateway.create([...texts, guarded, rotated()], env);
  return `${files.length} files`;
});
if (gateway) {
  // The real ones wait for the most part, so they do it beside each other; the others look at what comes next.
  const real = { alertmanager, registry };
  await Promise.all(Object.entries(real).filter(([name]) => chosen(name)).flatMap(([, module]) => module(gateway)).map((run) => run()));
  for (const provider of providers.filter(({ source, file: name }) => chosen(source) || (name && chosen(name)))) {
    for (const run of trial(gateway, provider)) await run();
  }
  for (const [name, module] of Object.entries({ handshakes, bad, ...dryRuns, secrets })) {
    if (chosen(name)) for (const run of module(gateway)) await run();
  }
  await gateway.stop();
}
closeConnections();
keys.close();

const skipped = counts.skipped ? `, ${counts.skipped} skipped` : '';
console.log(`${counts.passed} passed, ${counts.failed} failed${skipped}`);
process.exit(counts.failed || !counts.passed ? 1 : 0);
