// The checks and their lines: `ok - name`, `FAILED - name: why`, `skipped - name: why`.

export const counts = { passed: 0, failed: 0, skipped: 0 };

/** No single wait may take longer; each is for a state, so it is hardly ever reached. */
export const WAIT_MS = 30_000;

class Skip extends Error {}

const inCI = process.env.CI === 'true';

/** Ends a check because a tool is missing here. In CI nothing may be missing. */
export function skip(why) {
  throw inCI ? new Error(`${why} (and CI=true: nothing may be skipped)`) : new Skip(why);
}

/** Runs one check and prints its line. */
export async function check(name, run) {
  try {
    const detail = await run();
    counts.passed += 1;
    console.log(`ok - ${name}${detail ? ` (${detail})` : ''}`);
  } catch (error) {
    if (error instanceof Skip) {
      counts.skipped += 1;
      console.log(`skipped - ${name}: ${error.message}`);
    } else {
      counts.failed += 1;
      console.log(`FAILED - ${name}: ${error.message.split('\n')[0]}`);
      if (process.env.VERBOSE) console.error(error.stack);
    }
  }
}

/** Takes over lines that another program printed in the same form. */
export function adopt(output) {
  for (const line of output.split('\n')) {
    if (line.startsWith('ok - ')) counts.passed += 1;
    else if (line.startsWith('FAILED - ')) counts.failed += 1;
    else if (line.startsWith('skipped - ')) counts.skipped += 1;
    else continue;
    console.log(line);
  }
}

/** Lets go of a promise that takes too long, and says what it was. */
export async function within(promise, what, ms = WAIT_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Things that happen, in order; and a wait for one that isn't there yet. */
export class Happenings {
  list = [];
  #waiting = new Set();

  push(thing) {
    this.list.push(thing);
    for (const look of this.#waiting) look();
  }

  /** The first that matches, from the `after`-th on. */
  async wait(matches, what, { after = 0, ms = WAIT_MS } = {}) {
    let look;
    const found = new Promise((resolve) => {
      look = () => {
        const thing = this.list.slice(after).find(matches);
        if (thing !== undefined) resolve(thing);
      };
      this.#waiting.add(look);
      look();
    });
    try {
      return await within(found, what, ms);
    } catch (error) {
      throw new Error(`${error.message}; seen: ${JSON.stringify(this.list.slice(-8)).slice(0, 600)}`);
    } finally {
      this.#waiting.delete(look);
    }
  }

  /** Waits until there are `n`. */
  async atLeast(n, what, options) {
    await this.wait((_, i) => i >= n - 1, `${n} ${what}`, options);
    return this.list.slice(0, n);
  }
}
