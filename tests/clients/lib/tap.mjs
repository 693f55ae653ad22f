// A tap: sits between a client and the edge, passes every byte on, and keeps what has passed. So a
// test sees what a client really sent, what the client's library hides of the stream, and can cut
// the connection as a bad network would.

import { connect, createServer } from 'node:net';
import { Happenings } from './checks.mjs';
import { freePort } from './sidestream.mjs';

export class Tap {
  /** While it is down, whoever connects is dropped. */
  down = false;
  exchanges = new Happenings();
  #live = new Set();

  static async to(port) {
    const tap = new Tap();
    tap.port = await freePort();
    tap.url = `http://127.0.0.1:${tap.port}`;
    tap.server = createServer((client) => tap.#pass(client, port));
    await new Promise((resolve) => tap.server.listen(tap.port, '127.0.0.1', resolve));
    return tap;
  }

  #pass(client, port) {
    if (this.down) return client.destroy();
    const server = connect(port, '127.0.0.1');
    let exchange;
    let rest = '';
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.setEncoding('latin1');
      socket.on('error', () => {});
      this.#live.add(socket);
      socket.on('close', () => this.#live.delete(socket));
    }
    client.on('data', (bytes) => {
      server.write(bytes, 'latin1');
      rest += bytes;
      // Several requests may come one after the other; what passes here has no body.
      for (let end; (end = rest.indexOf('\r\n\r\n')) >= 0; rest = rest.slice(end + 4)) {
        exchange = { request: rest.slice(0, end + 2), response: new Happenings(), text: '' };
        this.exchanges.push(exchange);
      }
    });
    server.on('data', (bytes) => {
      exchange.text += bytes;
      exchange.response.push(exchange.text);
      client.write(bytes, 'latin1');
    });
    server.on('close', () => client.destroySoon());
    client.on('close', () => server.destroy());
    return undefined;
  }

  /** Ends every connection in the middle of its answer; what has passed the tap still arrives. */
  cut() {
    for (const socket of this.#live) socket.destroySoon();
  }

  /** The n-th request for a stream and what was answered, once it is there. */
  async stream(n) {
    const streams = () => this.exchanges.list.filter(({ request }) => request.startsWith('GET /topics'));
    await this.exchanges.wait(() => streams().length > n, `stream ${n + 1} through the tap`);
    return streams()[n];
  }

  close() {
    this.cut();
    this.server.close();
  }
}

/** The value of a header of a request, or undefined. */
export const header = (exchange, name) =>
  new RegExp(`^${name}: *(.*?)\\r$`, 'im').exec(exchange.request)?.[1];

/** The stream itself: the response without its head and without the framing of its chunks. */
export function streamText(exchange) {
  const at = exchange.text.indexOf('\r\n\r\n');
  if (at < 0) return '';
  const head = exchange.text.slice(0, at);
  let rest = exchange.text.slice(at + 4);
  if (!/^transfer-encoding: *chunked\r?$/im.test(head)) return rest;
  let body = '';
  for (let size; (size = /^([0-9a-f]+)[^\r]*\r\n/i.exec(rest)); ) {
    const length = parseInt(size[1], 16);
    body += rest.slice(size[0].length, size[0].length + length);
    rest = rest.slice(size[0].length + length + 2);
  }
  return body;
}

/** Whether the answer came to its clean end: its last chunk, and nothing behind it. */
export const ended = (exchange) => exchange.text.endsWith('\r\n0\r\n\r\n');

/** How many heartbeats have passed: lines that are a colon and nothing else. */
export const heartbeats = (exchange) => (streamText(exchange).match(/^:\n/gm) ?? []).length;
