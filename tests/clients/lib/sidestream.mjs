// A sidestream of a test: its configuration, its process, its three addresses.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { WAIT_MS, within } from './checks.mjs';

export const BINARY = process.argv[2];

// ---- what has to be gone at the end --------------------------------------------------------------

const children = new Set();
export const folder = mkdtempSync(join(tmpdir(), 'sidestream-clients-'));

/**
 * Starts a program that is ended, whatever happens, when the tests end: by `endWith`, which for a program
 * that has children of its own must be a signal that it can act on.
 */
export function start(command, args, { endWith = 'SIGKILL', ...options } = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  child.endWith = endWith;
  children.add(child);
  child.output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8');
    stream?.on('data', (text) => { child.output = (child.output + text).slice(-20_000); });
  }
  child.gone = new Promise((resolve) => {
    child.on('error', (error) => resolve(`could not be started: ${error.message}`));
    child.on('exit', (code, signal) => resolve(signal ?? code));
  });
  child.gone.then((how) => { child.how = how; children.delete(child); });
  return child;
}

process.on('exit', () => {
  for (const child of children) child.kill(child.endWith);
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

// ---- ports ---------------------------------------------------------------------------------------

const given = new Set();

/**
 * A port that is free now. The tests start servers again on the same port, so the system can't choose
 * it at each start; it is taken below the range from which the system itself gives ports out.
 */
export async function freePort() {
  while (true) {
    const port = 12_000 + Math.floor(Math.random() * 18_000);
    if (given.has(port)) continue;
    given.add(port);
    const probe = createServer();
    const free = await new Promise((resolve) => {
      probe.once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (free) await new Promise((resolve) => probe.close(resolve));
    if (free) return port;
  }
}

// ---- the server ----------------------------------------------------------------------------------

const POLL_MS = 15; // between two looks at a state that nobody reports

/** Looks until the answer is true. */
export async function eventually(look, what, ms = WAIT_MS) {
  const end = Date.now() + ms;
  while (!(await look())) {
    if (Date.now() > end) throw new Error(`waited ${ms} ms for ${what}`);
    await pause(POLL_MS);
  }
}

export class Sidestream {
  /** `settings` are merged, one level deep, into a configuration with quick times. */
  static async create(settings = {}) {
    const server = new Sidestream();
    server.ports = { edge: await freePort(), ingress: await freePort(), admin: await freePort() };
    server.edge = `http://127.0.0.1:${server.ports.edge}`;
    server.ingress = `http://127.0.0.1:${server.ports.ingress}`;
    server.admin = `http://127.0.0.1:${server.ports.admin}`;
    const config = { retry: '50ms..150ms', heartbeat: '100ms' };
    const merged = {
      ...settings,
      edge: { listen: `127.0.0.1:${server.ports.edge}`, ...config, ...settings.edge },
      ingress: { listen: `127.0.0.1:${server.ports.ingress}`, ...settings.ingress },
      admin: { listen: `127.0.0.1:${server.ports.admin}`, ...settings.admin },
      fanout: { shards: 2 },
    };
    server.config = join(folder, `sidestream-${server.ports.edge}.yaml`);
    writeFileSync(server.config, JSON.stringify(merged, null, 2)); // JSON is YAML
    await server.start();
    return server;
  }

  async start() {
    this.process = start(BINARY, ['serve', '-c', this.config]);
    await this.ready();
  }

  async ready() {
    await eventually(async () => {
      if (this.process?.how !== undefined) {
        throw new Error(`sidestream ended with ${this.process.how}: ${this.process.output.slice(-500)}`);
      }
      return (await fetch(`${this.admin}/readyz`).catch(() => ({}))).status === 200;
    }, 'sidestream to be ready');
  }

  async kill() {
    this.process.kill('SIGKILL');
    await within(this.process.gone, 'the killed sidestream to be gone');
  }

  async restart() {
    await this.kill();
    await this.start();
  }

  /** Publishes and gives back the answer. */
  async publish(topic, data, { type, id } = {}) {
    const headers = {};
    // fetch takes a character for a byte here; a type is UTF-8.
    if (type) headers['Sidestream-Event'] = Buffer.from(type).toString('latin1');
    if (id) headers['Sidestream-Id'] = id;
    const response = await fetch(`${this.ingress}/webhooks/${topic}`, { method: 'POST', body: data, headers });
    if (response.status !== 202) throw new Error(`publishing: ${response.status} ${await response.text()}`);
    return response.json();
  }

  async metric(name) {
    const text = await (await fetch(`${this.admin}/metrics`)).text();
    return Number(new RegExp(`^sidestream_${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1] ?? 0);
  }

  /** Waits until so many subscribers are held. */
  async subscribers(n) {
    await eventually(async () => (await this.metric('connections')) === n, `${n} subscribers`);
  }

  async stop() {
    if (this.process.how === undefined) {
      this.process.kill('SIGTERM');
      await within(this.process.gone, 'sidestream to drain').catch(() => this.kill());
    }
  }
}
