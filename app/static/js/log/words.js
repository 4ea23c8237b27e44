/** What the log says about itself: complete, live or stale; the hit counter; the job's status on the page. */
import { swapIcon } from "../icons.js";
import { STATES } from "./paint.js";

const SAID = {
  live: ["live", "ok", "live"], connecting: ["refresh", "warn", "reconnecting"],
  polling: ["live", "ok", "live, every 2 s"], down: ["stale", "fail", "stale"],
};
const FINAL = { success: ["ok", "ok"], failed: ["failed", "fail"], cancelled: ["cancelled", "calm"], pending: ["pending", "wait"] };

export class Words {
  #state = "connecting";
  #since = "";

  constructor(viewer) { this.viewer = viewer; }

  live(state) {
    if (state === "down" && this.#state !== "down") this.#since = new Date().toLocaleTimeString(undefined, { hour12: false });
    this.#state = state;
    this.count();
  }

  count() {
    const { lines, running } = this.viewer;
    const box = this.viewer.part("mark");
    const n = `${lines.total.toLocaleString("en")} ${lines.total === 1 ? "line" : "lines"}`;
    let [picture, tone, text] = SAID[this.#state];
    if (!running) [picture, tone, text] = lines.complete ? ["resolved", "calm", `complete: ${n}`] : ["refresh", "warn", `${n}, not yet complete`];
    else text += this.#state === "down" ? ` since ${this.#since}: ${n}` : `: ${n}`;
    const label = box.querySelector("span");
    if (label.textContent === text) return;
    box.dataset.tone = tone;
    swapIcon(box, picture);
    label.textContent = text;
  }

  search() {
    const { search } = this.viewer;
    this.viewer.part("hits").textContent = search.words;
    for (const name of ["next", "previous"]) this.viewer.part(name).disabled = !search.hits.length;
  }

  /** The status badge in the page's title, where there is one. */
  status(status) {
    const badge = document.querySelector("#page-status [data-status]");
    const [picture, tone] = FINAL[status] ?? STATES[status] ?? ["open", "calm"];
    if (!badge || badge.dataset.status === status) return;
    badge.dataset.status = status;
    badge.dataset.tone = tone;
    swapIcon(badge, picture);
    badge.lastChild.textContent = status;
    document.dispatchEvent(new CustomEvent("job:status", { detail: { status } }));
  }
}
