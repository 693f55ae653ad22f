// The chat's app: it serves the page, takes what people say, and posts it to sidestream as a
// webhook. It decides who may listen and greets them, but keeps no list of them and holds no stream
// open: that is sidestream's part.

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';

const PORT = Number(process.env.PORT ?? 3000);
const WEBHOOK = process.env.WEBHOOK ?? 'http://127.0.0.1:8081/webhooks/chat';

const BODY_LIMIT = 8 * 1024; // bytes; a line and a name are far smaller
const NAME_LIMIT = 40; // characters
const TEXT_LIMIT = 1000;
const ATTEMPTS = 4; // to reach sidestream, over about three seconds

const FILES = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/chat.js': ['chat.js', 'text/javascript; charset=utf-8'],
  '/style.css': ['style.css', 'text/css; charset=utf-8'],
  '/icon.svg': ['icon.svg', 'image/svg+xml'],
};

const HEADERS = {
  'Cache-Control': 'no-cache',
  'Content-Security-Policy': "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
};

class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

async function readJson(request) {
  // Only a page of ours can send this type without the browser asking us first.
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) {
    throw new Refused(415, 'Send application/json.');
  }
  let size = 0;
  const chunks = [];
  for await (const chunk of request) {
    size += chunk.length;
    if (size > BODY_LIMIT) throw new Refused(413, 'That is too long.');
    chunks.push(chunk);
  }
  try {
    return Object(JSON.parse(Buffer.concat(chunks).toString('utf8')));
  } catch {
    throw new Refused(400, 'That is not JSON.');
  }
}

function text(value, limit, what) {
  const found = typeof value === 'string' ? value.trim() : '';
  if (!found) throw new Refused(400, `${what} is missing.`);
  if (found.length > limit) throw new Refused(400, `${what} is longer than ${limit} characters.`);
  return found;
}

/** Publishes one event. It may be tried again at will: the id lets it through once. */
async function publish(type, id, data) {
  for (let attempt = 1; ; attempt += 1) {
    let answer;
    try {
      answer = await fetch(WEBHOOK, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'Sidestream-Event': type, 'Sidestream-Id': id },
        body: JSON.stringify(data),
        signal: AbortSignal.timeout(5000),
      });
    } catch (error) {
      answer = { ok: false, status: 0, reason: error.message };
    }
    if (answer.ok) return answer.json();
    const temporary = answer.status === 0 || answer.status === 429 || answer.status === 503;
    if (!temporary || attempt === ATTEMPTS) {
      console.error(`chat: could not publish: ${answer.reason ?? `status ${answer.status}`}`);
      throw new Refused(503, 'The chat can’t take this right now. Please try again.');
    }
    await pause(250 * 2 ** attempt);
  }
}

const ACTIONS = {
  // Someone says something.
  async '/say'(body) {
    const id = typeof body.id === 'string' && /^[\w-]{8,64}$/.test(body.id) ? body.id : randomUUID();
    const name = text(body.name, NAME_LIMIT, 'Your name');
    const said = text(body.text, TEXT_LIMIT, 'The text');
    return publish('said', id, { id, name, text: said, at: new Date().toISOString() });
  },
  // Someone has come in.
  async '/join'(body) {
    const name = text(body.name, NAME_LIMIT, 'Your name');
    return publish('joined', randomUUID(), { name, at: new Date().toISOString() });
  },
};

/**
 * Someone wants to listen. Here the app would look at their session; then it says its own word, ends
 * its answer, and sidestream goes on with it. What is said from this moment on follows.
 */
function listen(response) {
  const welcome = { text: 'Welcome! Everyone who has this page open sees what you say.' };
  response.writeHead(200, { ...HEADERS, 'Content-Type': 'text/event-stream', 'Sidestream-Hold': 'chat' });
  response.end(`event: welcome\ndata: ${JSON.stringify(welcome)}\n\n`);
}

async function answer(request, response) {
  const { pathname } = new URL(request.url, 'http://chat');
  if (request.method === 'GET' && pathname === '/listen') {
    listen(response);
  } else if (request.method === 'GET' || request.method === 'HEAD') {
    if (!FILES[pathname]) throw new Refused(404, 'There is nothing here.');
    const [file, type] = FILES[pathname];
    const body = await readFile(new URL(`page/${file}`, import.meta.url));
    response.writeHead(200, { ...HEADERS, 'Content-Type': type, 'Content-Length': body.length });
    response.end(request.method === 'HEAD' ? undefined : body);
  } else if (request.method === 'POST' && ACTIONS[pathname]) {
    const { subscribers } = await ACTIONS[pathname](await readJson(request));
    response.writeHead(202, { ...HEADERS, 'Content-Type': 'application/json' });
    response.end(JSON.stringify({ subscribers }));
  } else {
    throw new Refused(ACTIONS[pathname] || FILES[pathname] ? 405 : 404, 'That can’t be done here.');
  }
}

const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    if (!(error instanceof Refused)) console.error('chat:', error);
    if (response.headersSent) return response.destroy();
    response.writeHead(error.status ?? 500, { ...HEADERS, 'Content-Type': 'application/json', Connection: 'close' });
    response.end(JSON.stringify({ error: error.status ? error.message : 'Something went wrong.' }));
  });
});

server.on('error', (error) => {
  console.error(`chat: can't listen on port ${PORT}: ${error.message}`);
  process.exit(1);
});
server.listen(PORT, '127.0.0.1', () => console.error(`chat: the app listens on port ${PORT}`));

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  });
}
