// A real push to Debian's registry, which notifies sidestream of it.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { check } from '../clients/lib/checks.mjs';
import { eventually, folder, freePort, start } from '../clients/lib/sidestream.mjs';
import { needsProgram } from './lib/program.mjs';
import { registryToken } from './providers/credentials.mjs';

const SETUP = new URL('../../examples/providers/setup/registry.yml', import.meta.url);
const MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';

/** The documents' configuration, and beside it an endpoint whose token is wrong. */
function setup(gateway, home, port) {
  const shown = readFileSync(SETUP, 'utf8').replace('http://sidestream:8081', gateway.ingress);
  const [, endpoint] = /endpoints:\n([\s\S]*)$/.exec(shown);
  return `version: 0.1
storage: { filesystem: { rootdirectory: ${join(home, 'blobs')} } }
http: { addr: "127.0.0.1:${port}" }
${shown.replace('TOKEN', registryToken)}${endpoint.replace('name: sidestream', 'name: stranger').replace('TOKEN', 'another-token-of-the-tests')}`;
}

/** Pushes a blob and gives back its descriptor. */
async function push(base, bytes, mediaType) {
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  const begun = await fetch(`${base}/blobs/uploads/`, { method: 'POST' });
  assert.equal(begun.status, 202, await begun.text());
  const url = new URL(begun.headers.get('location'), base);
  url.searchParams.set('digest', digest);
  const put = await fetch(url, { method: 'PUT', body: bytes, headers: { 'Content-Type': 'application/octet-stream' } });
  assert.equal(put.status, 201, await put.text());
  return { mediaType, size: bytes.length, digest };
}

export const registry = (gateway) => [
  () => check('registry: Debian’s registry notifies of a tag that was pushed, and of nothing else', async () => {
    needsProgram('docker-registry');
    const home = join(folder, 'registry');
    mkdirSync(home);
    const port = await freePort();
    writeFileSync(join(home, 'config.yml'), setup(gateway, home, port));
    const counts = await gateway.counts('registry');
    const process = start('docker-registry', ['serve', join(home, 'config.yml')]);
    try {
      await eventually(async () => {
        if (process.how !== undefined) throw new Error(`it ended with ${process.how}: ${process.output.slice(-800)}`);
        return (await fetch(`http://127.0.0.1:${port}/v2/`).catch(() => ({}))).status === 200;
      }, 'the registry to be ready');
      const base = `http://127.0.0.1:${port}/v2/team/shop-front`;
      const config = await push(base, Buffer.from('{}'), 'application/vnd.docker.container.image.v1+json');
      const layer = await push(base, Buffer.from('a layer'), 'application/vnd.docker.image.rootfs.diff.tar.gzip');
      const manifest = JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, config, layers: [layer] });
      const put = await fetch(`${base}/manifests/v1`, { method: 'PUT', body: manifest, headers: { 'Content-Type': MANIFEST } });
      assert.equal(put.status, 201, await put.text());
      const ours = ({ topic }) => topic === 'registry.team~2Fshop-front';
      const event = await gateway.events.wait(ours, 'the push');
      const { action, target } = JSON.parse(event.data);
      assert.deepEqual([event.type, action, target.tag, target.digest], ['push', 'push', 'v1', put.headers.get('docker-content-digest')]);
      // The two blobs, which have no tag, and what the stranger's endpoint sent.
      await eventually(async () => {
        const now = await gateway.counts('registry');
        return now.filtered - (counts.filtered ?? 0) >= 2 && now.unauthorized > (counts.unauthorized ?? 0);
      }, 'the blobs to be left out, and the stranger to be refused');
      assert.equal(gateway.events.list.filter(ours).length, 1);
    } finally {
      process.kill('SIGKILL'); // it would go on trying the stranger's endpoint
      await process.gone;
    }
  }),
];
