// Signs with Python's libraries, by one process of sign.py that lives as long as the checks.

import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { skip } from '../../clients/lib/checks.mjs';
import { start } from '../../clients/lib/sidestream.mjs';

const PYTHON = process.env.SENDERS_PYTHON;

let child;
const asked = [];

/** Skips where there is no Python for it. */
export function needsPython() {
  if (!PYTHON) skip('no python3 with venv');
}

function helper() {
  if (child) return child;
  needsPython();
  child = start(PYTHON, [fileURLToPath(new URL('../sign.py', import.meta.url))], { stdio: ['pipe', 'pipe', 'pipe'] });
  createInterface({ input: child.stdout }).on('line', (line) => asked.shift().resolve(JSON.parse(line)));
  child.gone.then(() => {
    for (const { reject } of asked.splice(0)) reject(new Error(`sign.py ended: ${child.output.slice(-500)}`));
  });
  return child;
}

/** The signature that the library `by` makes; see sign.py. */
export async function signature(by, { secret, id, time, body }) {
  const answer = new Promise((resolve, reject) => asked.push({ resolve, reject }));
  helper().stdin.write(`${JSON.stringify({ by, secret, id, time, body: body?.toString('utf8') })}\n`);
  const { signature: made, error } = await answer;
  if (error) throw new Error(`${by}: ${error}`);
  return made;
}
