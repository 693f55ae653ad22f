// A sidestream with the sources of examples/providers, and one stream of all that is published.

import { createWriteStream, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createParser } from 'eventsource-parser';
import { Happenings, within } from '../../clients/lib/checks.mjs';
import { BINARY, eventually, folder, freePort, start } from '../../clients/lib/sidestream.mjs';
import { send } from './http.mjs';

const EXAMPLES = fileURLToPath(new URL('../../../examples/providers/', import.meta.url));

/** An example's text. */
export const example = (file) => readFileSync(join(EXAMPLES, `${file}.yaml`), 'utf8');

/** Several examples as one list of sources: what stands below `sources:` in each. */
function together(texts) {
  const lists = texts.map((text) => {
    const list = /^sources:\n((?:(?:  .*)?\n)+)$/.exec(text);
    if (!list) throw new Error(`an example is more than a list of sources: ${text.slice(0, 80)}`);
    return list[1].trimEnd();
  });
  return `sources:\n${lists.join('\n\n')}\n`;
}

export class Gateway {
  /** Everything that was published, in its order: `{ id, topic, type, data }`. */
  events = new Happenings();

  /** `texts` are lists of sources; `env` holds what they take from the environment. */
  static async create(texts, env) {
    const gateway = new Gateway();
    gateway.ports = { edge: await freePort(), ingress: await freePort(), admin: await freePort() };
    gateway.env = env;
    gateway.config = join(folder, `sources-${gateway.ports.edge}.yaml`);
    gateway.log = join(folder, `sources-${gateway.ports.edge}.log`);
    const own = ['edge', 'ingress', 'admin'].map((name) => `${name}: { listen: "127.0.0.1:${gateway.ports[name]}" }\n`);
    writeFileSync(gateway.config, `${own.join('')}history: { events: 5000, bytes: 64MiB }\n${together(texts)}`);
    await gateway.#start();
    return gateway;
  }

  async #start() {
    this.process = start(BINARY, ['serve', '-c', this.config], {
      env: { ...process.env, ...this.env, SIDESTREAM_LOG: 'sidestream=trace,info' },
    });
    const kept = createWriteStream(this.log);
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on('data', (text) => kept.write(text));
    await eventually(async () => {
      if (this.process.how !== undefined) {
        throw new Error(`sidestream ended with ${this.process.how}: ${this.process.output.slice(-2000)}`);
      }
      return (await fetch(`${this.admin}/readyz`).catch(() => ({}))).status === 200;
    }, 'sidestream to be ready');
    await this.#listen();
  }

  get admin() {
    return `http://127.0.0.1:${this.ports.admin}`;
  }

  get ingress() {
    return `http://127.0.0.1:${this.ports.ingress}`;
  }

  async #listen() {
    this.leave = new AbortController();
    const url = `http://127.0.0.1:${this.ports.edge}/topics?topic=**&format=envelope`;
    const response = await fetch(url, { signal: this.leave.signal, headers: { Accept: 'text/event-stream' } });
    if (response.status !== 200) throw new Error(`subscribing: ${response.status} ${await response.text()}`);
    const parser = createParser({
      onEvent: ({ id, event, data }) => {
        const { topic, type, data: text } = event === 'sidestream.gap' ? { topic: event, data } : JSON.parse(data);
        this.events.push({ id, topic, type, data: text });
      },
    });
    (async () => {
      const decoder = new TextDecoder();
      for await (const part of response.body) parser.feed(decoder.decode(part, { stream: true }));
    })().catch(() => {});
  }

  /** Sends a request as it is. */
  send(request) {
    return send(this.ports.ingress, request);
  }

  /** What was counted of a source: its outcomes, and `events`. */
  async counts(source) {
    const text = await (await fetch(`${this.admin}/metrics`)).text();
    const counts = {};
    for (const [, labels, value] of text.matchAll(/^sidestream_webhooks_total\{([^}]*)\} (\S+)$/gm)) {
      if (labels.includes(`source="${source}"`)) counts[/outcome="([^"]*)"/.exec(labels)[1]] = Number(value);
    }
    counts.events = Number(new RegExp(`^sidestream_events_total\\{source="${source}"\\} (\\S+)$`, 'm').exec(text)?.[1] ?? 0);
    return counts;
  }

  async stop() {
    this.leave?.abort();
    if (this.process.how === undefined) {
      this.process.kill('SIGTERM');
      await within(this.process.gone, 'sidestream to drain').catch(() => this.process.kill('SIGKILL'));
    }
  }
}

/** What has changed between two counts. */
export function difference(before, after) {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return Object.fromEntries([...names]
    .map((name) => [name, (after[name] ?? 0) - (before[name] ?? 0)])
    .filter(([, n]) => n !== 0));
}
