// What the modules of providers/ are made of.
//
// A provider is
//   source    the name of its source, in examples/providers/<file>.yaml
//   file      that file's name, if it is another
//   env       the secrets that the file takes from the environment
//   by        which library makes its requests, or whose documents they were made by
//   remote    whether keys are fetched before its requests can be believed
//   signs     what its signature covers, of: body, id, time, target
//   proof     the header field that a request is believed by
//   id, time  the header fields of these, if they have some
//   wrong     a secret that is as good as the right one but not it
//   signed    'elsewhere' where the server knows no secret that it could sign with itself
//   answer    what its sender is answered: status, and where it is not sidestream's own, headers and body
//   samples   what it may send, each with
//     name
//     capture   whether it is the one that is kept in tests/data/webhooks
//     id        the one of the kept request
//     make({ secret, id, time, body }) → the request, genuine for these
//     events({ body, id }) → what is to come of it: [{ topic, type, data }], data a text or { json: value }

import { createHmac, randomUUID } from 'node:crypto';

/** When the kept requests were signed, in seconds since 1970: 2023-11-14T22:13:20Z. */
export const THEN = 1_700_000_000;

export const now = () => Math.floor(Date.now() / 1000);

export const hmac = (secret, text, { algorithm = 'sha256', encoding = 'hex' } = {}) =>
  createHmac(algorithm, secret).update(text).digest(encoding);

/** An id that no one has used. */
export const freshId = () => randomUUID();

export const bytes = (text) => Buffer.from(text, 'utf8');

/** A secret as Standard Webhooks has them, made of a word that says that it is none. */
export const whsec = (word) => `whsec_${Buffer.from(word.padEnd(32, '.')).toString('base64')}`;
