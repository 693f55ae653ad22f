// A real alert: Debian's Prometheus finds that an instance is down, Debian's Alertmanager tells sidestream, and again when it
// is up.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { check } from '../clients/lib/checks.mjs';
import { eventually, folder, freePort, start } from '../clients/lib/sidestream.mjs';
import { needsProgram } from './lib/program.mjs';
import { alertToken } from './providers/credentials.mjs';

const SETUP = new URL('../../examples/providers/setup/alertmanager.yml', import.meta.url);

/** The documents' configuration, with times for a test, and a second receiver whose token is wrong. */
function setup(gateway, home) {
  const token = (name, text) => {
    writeFileSync(join(home, name), text);
    return join(home, name);
  };
  const shown = readFileSync(SETUP, 'utf8')
    .replace('http://sidestream:8081', gateway.ingress)
    .replace('  group_by: [alertname]\n', '  group_by: [alertname]\n  group_wait: 0s\n  group_interval: 1s\n  routes: [ { receiver: stranger, continue: true }, { receiver: sidestream } ]\n');
  const right = shown.replace('/etc/alertmanager/sidestream-token', token('token', alertToken));
  const [, receiver] = /receivers:\n([\s\S]*)$/.exec(shown);
  return right + receiver.replace('name: sidestream', 'name: stranger')
    .replace('/etc/alertmanager/sidestream-token', token('wrong', 'another-token-of-the-tests'));
}

async function prometheus(home, scraped, alertmanager) {
  const port = await freePort();
  writeFileSync(join(home, 'rules.yml'), `groups:
  - name: instances
    rules:
      - alert: InstanceDown
        expr: up{job="shop"} == 0
        annotations: { summary: 'the shop is down – “gone”' }
`);
  writeFileSync(join(home, 'prometheus.yml'), `global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [ rules.yml ]
scrape_configs: [ { job_name: shop, static_configs: [ { targets: [ "127.0.0.1:${scraped}" ] } ] } ]
alerting: { alertmanagers: [ { static_configs: [ { targets: [ "127.0.0.1:${alertmanager}" ] } ] } ] }
`);
  return start('prometheus', [
    `--config.file=${join(home, 'prometheus.yml')}`, `--storage.tsdb.path=${join(home, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ]);
}

const ready = (process, port) => eventually(async () => {
  if (process.how !== undefined) throw new Error(`it ended with ${process.how}: ${process.output.slice(-800)}`);
  return (await fetch(`http://127.0.0.1:${port}/-/ready`).catch(() => ({}))).status === 200;
}, 'Alertmanager to be ready');

/** An instance that is down until it is told to be up. */
async function shop() {
  const port = await freePort();
  const server = createServer((_, response) => response.end('# nothing\n'));
  return { port, up: () => new Promise((resolve) => server.listen(port, '127.0.0.1', resolve)), close: () => server.close() };
}

export const alertmanager = (gateway) => [
  () => check('alertmanager: Debian’s Prometheus and Alertmanager send a real alert, and its end', async () => {
    needsProgram('prometheus');
    needsProgram('prometheus-alertmanager');
    const home = join(folder, 'alerts');
    mkdirSync(home);
    const [instance, port] = [await shop(), await freePort()];
    writeFileSync(join(home, 'alertmanager.yml'), setup(gateway, home));
    const counts = await gateway.counts('alertmanager');
    const processes = [start('prometheus-alertmanager', [
      `--config.file=${join(home, 'alertmanager.yml')}`, `--storage.path=${join(home, 'state')}`,
      `--web.listen-address=127.0.0.1:${port}`, '--cluster.listen-address=',
    ])];
    try {
      await ready(processes[0], port);
      processes.push(await prometheus(home, instance.port, port));
      const told = (status) => ({ topic, type, data }) => topic === 'alerts.InstanceDown' && type === status && data.includes('"job":"shop"');
      const firing = JSON.parse((await gateway.events.wait(told('firing'), 'the alert')).data);
      assert.equal(firing.labels.instance, `127.0.0.1:${instance.port}`);
      assert.equal(firing.annotations.summary, 'the shop is down – “gone”');
      await instance.up();
      const resolved = JSON.parse((await gateway.events.wait(told('resolved'), 'its end')).data);
      assert.equal(resolved.fingerprint, firing.fingerprint);
      await eventually(async () => (await gateway.counts('alertmanager')).unauthorized > (counts.unauthorized ?? 0), 'the stranger to be refused');
      assert.equal(gateway.events.list.filter(told('firing')).length, 1, 'what the stranger sent published nothing');
    } finally {
      for (const process of processes) process.kill('SIGTERM');
      await Promise.all(processes.map((process) => process.gone));
      instance.close();
    }
  }),
];
