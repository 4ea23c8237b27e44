/**
 * Lines in memory: a bounded cache of blocks, filled by what the screen asks for and by what the stream brings.
 *
 * A line is known by its number, so nothing can be doubled; a number that is asked for and missing is fetched, so
 * nothing can be lost, whatever the stream left out. Blocks are fetched after a short pause, at most three at a time,
 * and only those that the last screen wanted: dragging the bar through a million lines costs a few requests.
 */
export const BLOCK = 500;
const KEEP = 40; // blocks, so at most 20,000 lines
const PAUSE_MS = 40;
const RETRY_MS = 1000;

export class Lines {
  total = 0;
  complete = false;
  status = "";
  firstFailure = null;
  #blocks = new Map();
  #wanted = [];
  #loading = new Set();
  #notBefore = new Map();
  #timer = 0;

  constructor(source, changed) {
    this.source = source;
    this.changed = changed;
  }

  /** The line of that number, or undefined while it is not here; see `want`. */
  get(n) {
    return this.#blocks.get(Math.floor((n - 1) / BLOCK))?.[(n - 1) % BLOCK];
  }

  /** Say which line numbers the screen misses now; replaces what was wanted before. */
  want(numbers) {
    this.#wanted = [...new Set(numbers.map((n) => Math.floor((n - 1) / BLOCK)))];
    if (this.#wanted.length && !this.#timer) this.#timer = setTimeout(() => this.#pump(), PAUSE_MS);
  }

  /** Take lines from an answer or the stream. Order and repetition do not matter. */
  add(lines, lastLine = 0) {
    for (const line of lines) {
      const b = Math.floor((line.n - 1) / BLOCK);
      let block = this.#blocks.get(b);
      if (!block) block = [];
      else this.#blocks.delete(b);
      this.#blocks.set(b, block); // newest last
      block[(line.n - 1) % BLOCK] = line;
    }
    while (this.#blocks.size > KEEP) this.#blocks.delete(this.#blocks.keys().next().value);
    this.total = Math.max(this.total, lastLine, lines.at(-1)?.n ?? 0);
    this.changed();
  }

  /** Read one answer of /lines, its facts about the whole log included. */
  take(answer) {
    this.complete = Boolean(answer.complete);
    if (answer.status) this.status = answer.status;
    if (answer.first_failure_line) this.firstFailure = answer.first_failure_line;
    this.add(answer.lines, answer.last_line);
  }

  /** Ask what is new at the end. */
  async refresh() {
    this.take(await this.source.lines({ after: this.total, limit: BLOCK }));
  }

  /** All lines from..to, for copying; at most `limit`. */
  async range(from, to, limit = 5000) {
    const out = [];
    let after = from - 1;
    const end = Math.min(to, from + limit - 1);
    while (after < end) {
      const { lines } = await this.source.lines({ after, limit: Math.min(1000, end - after) });
      if (!lines.length) break;
      out.push(...lines);
      after = lines.at(-1).n;
    }
    return out;
  }

  get blockCount() { return this.#blocks.size; }

  #pump() {
    this.#timer = 0;
    const now = Date.now();
    for (const b of this.#wanted) {
      if (this.#loading.size >= 3) return;
      if (this.#loading.has(b) || (this.#notBefore.get(b) ?? 0) > now) continue;
      this.#load(b);
    }
  }

  async #load(b) {
    this.#loading.add(b);
    this.#wanted = this.#wanted.filter((other) => other !== b);
    this.#notBefore.set(b, Date.now() + RETRY_MS);
    try {
      this.take(await this.source.lines({ after: b * BLOCK, limit: BLOCK }));
      this.#notBefore.delete(b);
    } catch {
      setTimeout(() => this.changed(), RETRY_MS); // the screen asks again
    } finally {
      this.#loading.delete(b);
      if (this.#wanted.length) this.#pump();
    }
  }
}

/** The same for one level only: numbers are not contiguous, so blocks are found one after the other by cursor. */
export class Filtered {
  size = 0;
  more = true;
  #cursors = [0];
  #blocks = new Map();
  #loading = false;

  constructor(source, level, changed) {
    Object.assign(this, { source, level, changed });
  }

  /** Row i (0-based) of the filtered list, or undefined. */
  at(i) {
    return this.#blocks.get(Math.floor(i / BLOCK))?.[i % BLOCK];
  }

  want(rows) {
    const b = rows.length ? Math.floor(rows[0] / BLOCK) : -1;
    if (b >= 0 && b < this.#cursors.length) this.#load(b);
  }

  /** New lines at the end exist: read the last block again. */
  refresh() {
    this.more = true;
    this.#load(this.#cursors.length - 1);
  }

  async #load(b) {
    if (this.#loading) return;
    this.#loading = true;
    try {
      const { lines } = await this.source.lines({ after: this.#cursors[b], limit: BLOCK, level: this.level });
      this.#blocks.delete(b);
      this.#blocks.set(b, lines);
      if (lines.length === BLOCK) this.#cursors[b + 1] ??= lines.at(-1).n;
      this.size = Math.max(this.size, b * BLOCK + lines.length);
      this.more = this.#cursors.length - 1 > b || lines.length === BLOCK;
      if (!this.more) this.size = b * BLOCK + lines.length;
      for (const old of this.#blocks.keys()) {
        if (this.#blocks.size <= KEEP) break;
        this.#blocks.delete(old);
      }
    } catch {
      await new Promise((done) => setTimeout(done, RETRY_MS));
    } finally {
      this.#loading = false;
      this.changed();
    }
  }
}
