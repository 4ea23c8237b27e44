/** The log's HTTP side: reads by cursor, everything else is somebody else's. Answers are the data contract's JSON. */
export class Source {
  constructor(base) { this.base = base.replace(/\/$/, ""); }

  /** Lines with number > after (at most `limit`, 1,000 at most). */
  lines({ after = 0, before, limit = 500, level = "", q = "" }, signal) {
    return this.#get("lines", { after: before == null ? after : undefined, before, limit, level, q }, signal);
  }

  async tasks() { return (await this.#get("tasks", {})).tasks ?? []; }

  async runLines() {
    const answer = await this.#get("run-lines", {});
    return Array.isArray(answer) ? answer : answer.lines ?? [];
  }

  search(q, { after = 0, level = "", limit = 200 }, signal) { return this.#get("search", { q, after, level, limit }, signal); }

  async #get(path, parameters, signal) {
    const query = new URLSearchParams(Object.entries(parameters).filter(([, v]) => v !== undefined && v !== ""));
    const answer = await fetch(`${this.base}/${path}?${query}`, { headers: { Accept: "application/json" }, signal });
    if (!answer.ok) throw new Error(`${path}: HTTP ${answer.status}`);
    return answer.json();
  }
}
