// The kept requests, tests/data/webhooks: one of each provider, as it would pass over the wire.

import { providers } from '../providers/index.mjs';
import { raw } from './http.mjs';
import { THEN } from './make.mjs';

export const FOLDER = new URL('../../data/webhooks/', import.meta.url);

/** All of them, made now: `[{ file, bytes, provider, sample, request }]`. */
export async function captures() {
  const kept = [];
  for (const provider of providers) {
    for (const sample of provider.samples.filter(({ capture }) => capture)) {
      const name = sample.capture === true ? provider.source : sample.capture;
      const request = await sample.make({ id: sample.id, time: THEN });
      kept.push({ file: `${name}.http`, bytes: raw(request), provider, sample, request });
    }
  }
  return kept;
}
