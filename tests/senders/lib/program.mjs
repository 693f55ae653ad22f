import { spawnSync } from 'node:child_process';
import { skip } from '../../clients/lib/checks.mjs';

/** Skips where a program is not installed. `.ci/install test` does so on Debian. */
export function needsProgram(name) {
  if (spawnSync('which', [name]).status !== 0) skip(`no ${name}`);
}
