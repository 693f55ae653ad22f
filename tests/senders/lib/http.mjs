// Requests with their header fields as they are, also twice or malformed; and their raw bytes.

import { Agent, request as ask } from 'node:http';

const agent = new Agent({ keepAlive: true, maxSockets: 16 });

/**
 * Sends a request `{ method, target, headers: [[name, value]…], body }` to `port` and gives back
 * `{ status, headers, body }`.
 */
export function send(port, { method = 'POST', target, headers = [], body = Buffer.alloc(0) }) {
  return new Promise((resolve, reject) => {
    const asked = ask({
      agent, host: '127.0.0.1', port, method, path: target, setHost: false,
      headers: framed({ method, headers, body }).flat(),
    });
    asked.on('error', reject);
    asked.on('response', (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => resolve({
        status: response.statusCode, headers: response.headers, body: Buffer.concat(parts).toString('utf8'),
      }));
    });
    asked.end(body);
  });
}

/** What every request has besides what its sender says. */
function framed({ method, headers, body }) {
  const length = method === 'POST' ? [['Content-Length', String(body.length)]] : [];
  return [['Host', 'hooks.example'], ...headers, ...length];
}

/** The request as it would pass over the wire. */
export function raw(request) {
  const { method = 'POST', target, body = Buffer.alloc(0), headers = [] } = request;
  const head = [`${method} ${target} HTTP/1.1`, ...framed({ method, headers, body }).map(([n, v]) => `${n}: ${v}`)];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), body]);
}

export const closeConnections = () => agent.destroy();

/** The first value of a header field. */
export const field = ({ headers }, name) => headers.find(([n]) => n.toLowerCase() === name.toLowerCase())?.[1];

/** The request with another value in a header field, or without the field. */
export const withField = (request, name, value) => ({
  ...request,
  headers: request.headers.flatMap(([n, v]) => {
    if (n.toLowerCase() !== name.toLowerCase()) return [[n, v]];
    return value === undefined ? [] : [[n, value]];
  }),
});
