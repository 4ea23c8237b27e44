/** Search on the server: hits come in pages, the scan may answer in parts; next and previous go through what is known. */
export class Search {
  query = "";
  hits = []; // line numbers, ascending
  at = -1;
  more = false;
  #scanned = 0;
  #turn = 0;
  #level = "";

  constructor(source, changed) {
    this.source = source;
    this.changed = changed;
  }

  /** Begin; resolves to the first hit's line number at or after `from`, or null. */
  async run(query, { from = 1, level = "" } = {}) {
    const turn = ++this.#turn;
    Object.assign(this, { query, hits: [], at: -1, more: Boolean(query), unread: false });
    this.#scanned = 0;
    this.#level = level;
    this.changed();
    if (!query) return null;
    while (this.more && turn === this.#turn && !this.hits.some((n) => n >= from) && this.hits.length < 2000) await this.#page(turn);
    if (turn !== this.#turn || !this.hits.length) return null;
    this.at = Math.max(0, this.hits.findIndex((n) => n >= from));
    this.changed();
    return this.hits[this.at];
  }

  async step(by) {
    if (!this.query) return null;
    const turn = this.#turn;
    while (this.more && turn === this.#turn && this.at + by >= this.hits.length) await this.#page(turn);
    if (!this.hits.length || turn !== this.#turn) return null;
    this.at = (this.at + by + this.hits.length) % this.hits.length;
    this.changed();
    return this.hits[this.at];
  }

  /** Words for the counter beside the field. */
  get words() {
    if (!this.query) return "";
    const plus = this.more ? "+" : "";
    const rest = this.unread ? ", some lines cannot be read" : "";
    if (!this.hits.length) return this.more ? `searching, line ${this.#scanned.toLocaleString("en")}…` : `no hit${rest}`;
    return `${(this.at + 1).toLocaleString("en")} of ${this.hits.length.toLocaleString("en")}${plus}${rest}`;
  }

  async #page(turn) {
    try {
      const answer = await this.source.search(this.query, { after: this.#scanned, level: this.#level });
      if (turn !== this.#turn) return;
      this.unread ||= Boolean(answer.missing?.length);
      for (const hit of answer.hits) if (hit.n > (this.hits.at(-1) ?? 0)) this.hits.push(hit.n);
      const reached = Math.max(answer.scanned_to, answer.hits.at(-1)?.n ?? 0);
      this.more = answer.more && reached > this.#scanned;
      this.#scanned = reached;
    } catch {
      this.more = false;
      this.failed = true;
    }
    if (turn === this.#turn) this.changed();
  }
}
