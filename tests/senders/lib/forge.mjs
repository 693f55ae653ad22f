// Forgeries: what someone could make of genuine requests without knowing the secret, and what no longer is genuine.

import { freshId, now } from './make.mjs';
import { field, withField } from './http.mjs';

/** More than the 300 s that a clock may be off. */
const FAR_SECONDS = 400;

const flipped = (body, at) => {
  const other = Buffer.from(body);
  other[at] ^= 0x01;
  return other;
};

/** Another character of the same kind, so that it is still hex, or base64, or a digit. */
function other(character) {
  if (/[0-8]/.test(character)) return String(Number(character) + 1);
  if (character === '9') return '0';
  if (/[a-f]/.test(character)) return character === 'a' ? 'b' : 'a';
  return character === 'G' ? 'H' : 'G';
}

const changedAt = (text, at) => `${text.slice(0, at)}${other(text[at])}${text.slice(at + 1)}`;

/** The places of a proof that are tried: where it begins, its middle and its end, without padding. */
function places(value) {
  const begin = Math.max(value.lastIndexOf('='), value.lastIndexOf(','), value.lastIndexOf(' ')) + 1;
  const padded = /^(.*?)=*$/.exec(value)[1];
  const last = padded.length - 1;
  const first = begin > last ? padded.search(/[^=, ]*$/) : begin;
  return [...new Set([first, (first + last) >> 1, last])];
}

/**
 * The forgeries of a sample: `[{ how, request }]`. `few` leaves out those that differ in place alone, for providers with
 * hundreds of samples.
 */
export async function forgeries(provider, sample, { few = false } = {}) {
  const id = freshId();
  const genuine = await sample.make({ id });
  const made = [];
  const forged = (how, request) => made.push({ how, request });
  const { signs, proof, wrong } = provider;

  if (signs.includes('body')) {
    const { length } = genuine.body;
    for (const at of few ? [length >> 1] : [0, length >> 1, length - 1]) {
      forged(`byte ${at} of the body changed`, { ...genuine, body: flipped(genuine.body, at) });
    }
    if (!few) {
      forged('a byte added', { ...genuine, body: Buffer.concat([genuine.body, Buffer.from(' ')]) });
      forged('the body left away', { ...genuine, body: Buffer.alloc(0) });
    }
  }
  const value = field(genuine, proof);
  for (const at of few ? places(value).slice(1, 2) : places(value)) {
    forged(`character ${at} of ${proof} changed`, withField(genuine, proof, changedAt(value, at)));
  }
  forged('another secret', await sample.make({ secret: wrong, id }));
  if (few) return made;

  forged(`${proof} left away`, withField(genuine, proof, undefined));
  forged(`${proof} empty`, withField(genuine, proof, ''));
  forged(`${proof} twice`, { ...genuine, headers: [...genuine.headers, [proof, value]] });
  forged(`${proof} of another request`, withField(genuine, proof, field(await sample.make({ secret: wrong, id: freshId() }), proof)));
  if (signs.includes('id')) {
    const name = provider.id;
    forged('the id changed', withField(genuine, name, changedAt(id, id.length - 1)));
    forged('the id left away', withField(genuine, name, undefined));
  }
  if (signs.includes('time')) {
    const time = now();
    forged('signed long ago', await sample.make({ id, time: time - FAR_SECONDS }));
    forged('signed in the future', await sample.make({ id, time: time + FAR_SECONDS }));
    if (provider.time) {
      forged('the time changed', withField(genuine, provider.time, String(Number(field(genuine, provider.time)) + 1)));
      forged('the time left away', withField(genuine, provider.time, undefined));
    }
    if (provider.retimed) forged('the time changed', withField(genuine, proof, provider.retimed(value, time + 1)));
  }
  if (signs.includes('target')) {
    const query = genuine.target.includes('?') ? `${genuine.target}&z=1` : `${genuine.target}?z=1`;
    forged('a field added to the query', { ...genuine, target: query });
  }
  return made;
}

/** What somebody could say of a genuine body. */
const MEDIA = [
  undefined, 'application/json', 'application/x-ndjson', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x',
  'application/cloudevents+json', 'application/cloudevents-batch+json', 'text/plain',
];

/**
 * The request with other header fields than it had, of those that nobody signs: `[{ how, request }]`. Each is refused, or
 * known to be the one that came before.
 */
export function disguises(request) {
  const media = MEDIA.map((type) => {
    const bare = withField(request, 'Content-Type', undefined);
    const headers = type === undefined ? bare.headers : [...bare.headers, ['Content-Type', type]];
    return { how: `Content-Type: ${type ?? 'none'}`, request: { ...bare, headers } };
  });
  const more = [
    ['Content-Encoding', 'gzip'], ['Content-Encoding', 'deflate'], ['Content-Encoding', 'br'], ['Content-Encoding', 'identity'],
    ['Sidestream-Id', 'forged'], ['Sidestream-Event', 'forged'], ['aeg-event-type', 'SubscriptionValidation'],
  ].map(([name, value]) => ({ how: `${name}: ${value}`, request: { ...request, headers: [...request.headers, [name, value]] } }));
  const attributes = [['ce-id', 'forged'], ['ce-source', '/forged'], ['ce-specversion', '1.0'], ['ce-type', 'forged']];
  const cloud = { how: 'a CloudEvent beside it', request: { ...request, headers: [...request.headers, ...attributes] } };
  return [...media, ...more, cloud];
}
