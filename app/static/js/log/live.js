/**
 * News of one job: through the browser's shared stream, else a stream of this tab, else polling every two seconds.
 * `heard` gets {event, data}; `changed` gets "live", "connecting", "polling" or "down". The reader of the news never
 * depends on it for completeness (see store.js), only for being told early.
 */
const POLL_MS = 2000;
const PATIENCE_MS = 5000; // without a connection before polling starts
const PROBE_MS = 30000; // silence after which the stream is doubted

export class Live {
  #state = "";
  #pollTimer = 0;
  #patience = 0;
  #probe = 0;
  #worker = null;
  #source = null;
  #spoke = Date.now();
  #after = 0;

  constructor({ stream, job, after, heard, changed, poll }) {
    Object.assign(this, { stream, job, heard, changed, poll, running: false });
    this.#after = after;
    this.alive = setInterval(() => this.#worker?.port.postMessage({ alive: true }), 20000);
    this.bye = () => this.#worker?.port.postMessage({ bye: true });
    window.addEventListener("pagehide", this.bye);
    this.online = () => this.again();
    window.addEventListener("online", this.online);
  }

  start(after) {
    if (this.running) return;
    this.running = true;
    this.#after = after;
    this.#set("connecting");
    this.#spoke = Date.now();
    this.#probe = setInterval(() => this.#doubt(), PROBE_MS / 3);
    if (!this.stream) this.#startPolling();
    else if (window.SharedWorker && !this.#source) this.#viaWorker();
    else this.#own();
  }

  pause() {
    if (!this.running) return;
    this.running = false;
    clearInterval(this.#probe);
    clearTimeout(this.#patience);
    this.#stopPolling();
    this.#worker?.port.postMessage({ unwatch: this.job });
    this.#source?.close();
    this.#source = null;
  }

  stop() {
    this.pause();
    this.bye();
    clearInterval(this.alive);
    window.removeEventListener("pagehide", this.bye);
    window.removeEventListener("online", this.online);
  }

  /** Drop the connection and make a new one (the network came back, or the stream is silent though lines exist). */
  again() {
    if (!this.running) return;
    if (this.#worker) this.#worker.port.postMessage({ again: true });
    else if (this.stream) this.#own();
  }

  #viaWorker() {
    try {
      this.#worker ??= new SharedWorker(new URL("./stream_worker.js", import.meta.url), { name: "stream" });
    } catch {
      this.#own();
      return;
    }
    this.#worker.onerror = () => {
      this.#worker = null;
      this.#own();
    };
    this.#worker.port.onmessage = ({ data }) => this.#take(data);
    this.#worker.port.postMessage({ watch: this.job, after: this.#after, stream: new URL(this.stream, location.href).href });
  }

  #own() {
    this.#source?.close();
    const source = new EventSource(`${this.stream}?job=${encodeURIComponent(this.job)}:${this.#after}`);
    this.#source = source;
    source.onopen = () => this.#take({ state: "live" });
    source.onerror = () => this.#take({ state: source.readyState === 2 ? "refused" : "connecting" });
    for (const name of ["lines", "tasks", "status"]) source.addEventListener(name, (e) => this.#take({ event: name, data: JSON.parse(e.data) }));
  }

  #take(message) {
    if (!this.running) return;
    this.#spoke = Date.now();
    if (message.event) {
      if (message.event === "lines") this.#after = Math.max(this.#after, message.data.lines.at(-1)?.n ?? 0);
      this.heard(message);
      return;
    }
    clearTimeout(this.#patience);
    if (message.state === "live") {
      this.#stopPolling();
      this.#set("live");
    } else if (message.state === "refused") this.#startPolling();
    else if (!this.#pollTimer) {
      this.#set("connecting");
      this.#patience = setTimeout(() => this.#startPolling(), PATIENCE_MS);
    }
  }

  #startPolling() {
    if (this.#pollTimer || !this.running) return;
    let wait = POLL_MS;
    const round = async () => {
      try {
        await this.poll();
        wait = POLL_MS;
        this.#set("polling");
      } catch {
        wait = Math.min(15000, wait * 1.5);
        this.#set("down");
      }
      if (this.#pollTimer) this.#pollTimer = setTimeout(round, wait);
    };
    this.#pollTimer = setTimeout(round, 0);
  }

  #stopPolling() {
    clearTimeout(this.#pollTimer);
    this.#pollTimer = 0;
  }

  async #doubt() {
    if (this.#state !== "live" || Date.now() - this.#spoke < PROBE_MS) return;
    this.#spoke = Date.now();
    try {
      if (await this.poll()) this.again();
    } catch {
      this.#set("down");
      this.again();
    }
  }

  #set(state) {
    if (this.#state === state) return;
    this.#state = state;
    this.changed(state);
  }
}
