// The documents show what is tried here: each block of docs/providers.md is one of the files, and each file is in it; and
// the kept requests are what the libraries make.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { check } from '../clients/lib/checks.mjs';
import { captures, FOLDER } from './lib/captures.mjs';
import { needsPython } from './lib/python.mjs';

const ROOT = new URL('../../', import.meta.url);
const read = (path) => readFileSync(new URL(path, ROOT), 'utf8');

/** The blocks of a document that follow on a link to their file: `[`examples/…`](../examples/…):`. */
function blocks(text) {
  const shown = /\[`(examples\/[^`]+)`\]\(\.\.\/([^)]+)\)[^\n]*\n+```ya?ml\n([\s\S]*?)```/g;
  return [...text.matchAll(shown)].map(([, name, link, block]) => ({ name, link, block }));
}

export const documents = [
  () => check('documents: docs/providers.md shows every example as it is tried', () => {
    const text = read('docs/providers.md');
    const shown = blocks(text);
    for (const { name, link, block } of shown) {
      assert.equal(link, name, 'a link is what it says');
      assert.equal(block, read(name), `docs/providers.md shows another ${name}`);
    }
    const files = readdirSync(new URL('examples/providers/', ROOT), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.ya?ml$/.test(entry.name))
      .map((entry) => `${(entry.parentPath ?? entry.path).replace(/^.*\/(examples\/providers)/, '$1').replace(/\/$/, '')}/${entry.name}`);
    assert.deepEqual(shown.map(({ name }) => name).sort(), files.sort());
    assert.equal(text.match(/^```ya?ml$/gm).length, shown.length, 'a block that is no file');
    return `${shown.length} files`;
  }),

  () => check('captures: tests/data/webhooks holds what the libraries make', async () => {
    needsPython();
    const made = await captures();
    for (const { file, bytes } of made) {
      const kept = readFileSync(new URL(file, FOLDER));
      assert.ok(kept.equals(bytes), `${file} is another; see tests/senders/run.sh --capture`);
    }
    const index = readFileSync(new URL('README.md', FOLDER), 'utf8');
    const files = readdirSync(FOLDER).filter((name) => name.endsWith('.http'));
    assert.deepEqual(files.sort(), made.map(({ file }) => file).sort());
    for (const { file, provider } of made) {
      const line = index.split('\n').find((row) => row.startsWith(`| [${file}](${file}) |`));
      assert.ok(line?.includes(provider.by), `README.md does not say of ${file}: ${provider.by}`);
    }
    return `${made.length} requests`;
  }),
];
