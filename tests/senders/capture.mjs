// Writes tests/data/webhooks anew, see run.sh.

import { mkdirSync, writeFileSync } from 'node:fs';
import { captures, FOLDER } from './lib/captures.mjs';

mkdirSync(FOLDER, { recursive: true });
for (const { file, bytes } of await captures()) writeFileSync(new URL(file, FOLDER), bytes);
process.exit(0);
