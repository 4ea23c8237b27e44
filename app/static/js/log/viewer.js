/**
 * The log of one job. Binds the parts to the markup of templates/_log.html (data-log="..."): a bounded store of lines,
 * the row model with folding, the virtual list, live news, search, filter, selection and keys.
 */
import { copyText } from "../clipboard.js";
import { toast } from "../toast.js";
import { plain } from "./ansi.js";
import { Keys } from "./keys.js";
import { Live } from "./live.js";
import { lineRow, runRow, taskRow } from "./paint.js";
import { Rows } from "./rows.js";
import { Search } from "./search.js";
import { Selection } from "./selection.js";
import { Source } from "./source.js";
import { Filtered, Lines } from "./store.js";
import { View } from "./view.js";
import { Words } from "./words.js";

const FILTER_MS = 2000; // between two looks for lines that the stream left out
const HIDDEN_MS = 10000; // a hidden tab lets go of the stream after this

class Viewer {
  constructor(element) {
    const d = element.dataset;
    this.element = element;
    this.part = (name) => element.querySelector(`[data-log="${name}"]`);
    this.source = new Source(d.base);
    this.lines = new Lines(this.source, () => this.redraw());
    this.lines.total = Number(d.lastLine) || 0;
    this.lines.status = d.status ?? "";
    this.lines.firstFailure = Number(d.firstFailure) || null;
    this.filtered = null;
    this.rows = new Rows();
    this.follow = false;
    this.current = 0;
    this.words = new Words(this);
    this.search = new Search(this.source, () => this.words.search());
    this.selection = new Selection(this);
    this.view = new View(this.part("scroll"), this);
    this.live = new Live({
      stream: d.stream, job: d.job, after: this.lines.total,
      heard: (message) => this.heard(message), changed: (state) => this.liveChanged(state), poll: () => this.poll(),
    });
    this.keys = new Keys(this);
    this.polls = 0;
    this.open();
  }

  /** First screen: the part that matters, at once; tasks and run lines follow. */
  async open() {
    const facts = this.lines;
    try {
      if (!facts.total || !facts.firstFailure) facts.take(await this.source.lines({ after: Math.max(0, facts.total - 1), limit: 200 }));
    } catch {
      this.words.live("down");
    }
    this.rows.build(facts.total);
    const linked = this.selection.fromHash();
    if (linked) this.goTo(linked);
    else if (this.running) this.setFollow(true);
    else if (facts.firstFailure) this.goTo(facts.firstFailure);
    else this.setFollow(false);
    this.redraw();
    await Promise.allSettled([
      this.source.tasks().then((tasks) => this.rows.setTasks(tasks)),
      this.source.runLines().then((lines) => this.rows.setRunLines(lines)),
    ]);
    const at = linked ?? (!this.follow && facts.firstFailure);
    this.rows.build(facts.total);
    if (at) this.view.show(this.rows.rowOf(at));
    this.redraw();
    this.element.dataset.ready = "1";
    this.pin();
    if (this.running) this.live.start(facts.total);
    this.visible = () => this.visibility();
    document.addEventListener("visibilitychange", this.visible);
  }

  get running() { return !this.lines.complete && !["success", "failed", "cancelled"].includes(this.lines.status); }

  // What the virtual list asks.
  count() { return this.filtered ? this.filtered.size + (this.filtered.more ? 1 : 0) : this.rows.count; }

  sticks() { return this.follow; }

  row(i) {
    if (this.filtered) return this.filteredRow(i);
    const what = this.rows.at(i);
    if (!what) return undefined;
    if (what.task) {
      const t = what.task;
      const folded = this.rows.folded.has(t.s);
      return { key: `t${t.s}:${folded}:${t.status}:${t.last_line}:${t.duration_ms}:${this.running}`, make: () => taskRow(t, folded, this.running) };
    }
    if (what.run) return { key: `r${i}:${what.run.x}`, make: () => runRow(what.run) };
    return this.lineSpec(what.line, this.lines.get(what.line));
  }

  filteredRow(i) {
    const line = this.filtered.at(i);
    return line ? this.lineSpec(line.n, line) : { key: `w${i}`, make: () => lineRow(null, undefined, "") };
  }

  lineSpec(n, line) {
    const query = this.search.query;
    const hit = this.search.hits[this.search.at] === n;
    return {
      key: `l${n}:${line ? 1 : 0}:${query}`,
      make: () => lineRow(n, line, query),
      mark: (node) => {
        node.classList.toggle("is-selected", this.selection.has(n));
        node.classList.toggle("is-current", n === this.current || hit);
      },
    };
  }

  drawn(from, to) {
    if (this.filtered) {
      const missing = [];
      for (let i = from; i < to; i += 1) if (!this.filtered.at(i)) missing.push(i);
      this.filtered.want(missing);
    } else {
      const missing = [];
      for (let i = from; i < to; i += 1) {
        const n = this.rows.at(i)?.line;
        if (n && !this.lines.get(n)) missing.push(n);
      }
      this.lines.want(missing);
    }
    this.words.count();
  }

  scrolled(up) {
    if (up && this.follow) this.setFollow(false);
    else if (!up && !this.follow && this.running && this.view.atEnd) this.setFollow(true);
  }

  redraw() {
    this.rows.build(this.lines.total);
    this.view.draw();
  }

  // Acts.
  setFollow(on) {
    this.follow = on && this.running;
    this.part("follow").setAttribute("aria-pressed", String(this.follow));
    this.part("follow").disabled = !this.running;
    if (this.follow) this.view.toEnd();
  }

  /** Show line n, unfolding its task and leaving a filter that hides it. */
  goTo(n, { mark = true } = {}) {
    if (!n) return;
    this.setFollow(false);
    if (this.filtered) this.setLevel("");
    const task = this.rows.taskOf(n);
    if (task) this.rows.folded.delete(task.s);
    this.rows.build(this.lines.total);
    if (mark) this.current = n;
    this.view.show(this.rows.rowOf(n));
  }

  setLevel(level) {
    this.part("level").value = level;
    this.filtered = level ? new Filtered(this.source, level, () => this.view.draw()) : null;
    if (level) this.setFollow(false);
    this.element.classList.toggle("is-filtered", Boolean(level));
    this.view.show(0, "start");
    this.view.draw();
  }

  fold(seq) {
    const { folded } = this.rows;
    if (folded.has(seq)) folded.delete(seq);
    else folded.add(seq);
    this.redraw();
    requestAnimationFrame(() => this.element.querySelector(`[data-fold="${seq}"]`)?.focus({ preventScroll: true }));
  }

  foldAll(on) {
    const row = this.rows.at(this.view.first + 1) ?? {};
    const here = this.current || row.line || row.task?.first_line || 1;
    this.setFollow(false);
    this.rows.folded = new Set(on ? this.rows.tasks.filter((t) => t.first_line).map((t) => t.s) : []);
    this.redraw();
    this.view.show(this.rows.rowOf(here));
  }

  async failure(by) {
    const failed = this.rows.tasks.filter((t) => ["failed", "unreachable"].includes(t.status) && t.first_line).map((t) => t.first_line);
    const here = this.current || 0;
    let n = by > 0 ? failed.find((f) => f > here) : failed.findLast((f) => f < here);
    if (!failed.length) {
      const ask = by > 0 ? { after: here } : { before: Math.max(1, here) };
      n = (await this.source.lines({ ...ask, limit: 1, level: "ERROR" })).lines[0]?.n;
    }
    n ??= by > 0 ? failed[0] : failed.at(-1); // round the end
    if (n) this.goTo(n);
    else toast(by > 0 ? "No later failure" : "No earlier failure");
  }

  async find(query) {
    const n = await this.search.run(query, { from: 1, level: this.part("level").value });
    this.view.draw();
    if (n) this.goTo(n);
  }

  async findNext(by) {
    const n = await this.search.step(by);
    if (n) this.goTo(n);
  }

  async copy() {
    const range = this.selection.range;
    const [from, to] = range ?? [1, this.lines.total];
    if (to - from >= 5000) {
      toast("Over 5,000 lines: click a number and Shift-click another to choose, or download the log");
      return;
    }
    const lines = await this.lines.range(from, to);
    await copyText(lines.map((l) => plain(l.x)).join("\n"), `${lines.length.toLocaleString("en")} lines copied`);
  }

  setWrap(on) {
    this.view.wrap = on;
    this.element.classList.toggle("is-wrapped", on);
    this.part("wrap").setAttribute("aria-pressed", String(on));
    this.view.draw();
  }

  /** Put the first failure on top, with its words. */
  async pin() {
    const n = this.lines.firstFailure;
    const bar = this.part("failure");
    if (!n || bar.dataset.line === String(n)) return;
    bar.dataset.line = n;
    const line = this.lines.get(n) ?? (await this.source.lines({ after: n - 1, limit: 1 })).lines[0];
    this.part("failure-text").textContent = line ? plain(line.x).slice(0, 300) : "";
    this.part("failure-line").textContent = `Line ${n.toLocaleString("en")}`;
    bar.hidden = false;
  }

  // News.
  heard({ event, data }) {
    if (data.job !== this.live.job) return;
    if (event === "lines") {
      const skipped = data.lines.length && data.lines[0].n > this.lines.total + 1;
      this.lines.add(data.lines, data.last_line);
      this.refreshFiltered(data.lines, skipped);
      const bad = data.lines.find((l) => l.v === "ERROR");
      if (bad && !this.lines.firstFailure) this.refreshFacts();
    } else if (event === "tasks") {
      this.rows.mergeTasks(data.tasks);
      this.redraw();
    } else if (event === "status") this.ended(data);
  }

  /** The filtered list asks the server again only when it may have more; of a flood now and then. */
  refreshFiltered(lines, skipped) {
    if (!this.filtered) return;
    const due = Date.now() - (this.filteredAt ?? 0) > FILTER_MS;
    if (lines.some((line) => line.v === this.filtered.level) || (skipped && due)) {
      this.filteredAt = Date.now();
      this.filtered.refresh();
    }
  }

  async ended({ status, complete }) {
    this.lines.status = status;
    this.words.status(status);
    if (complete) {
      await this.refreshFacts();
      this.rows.setTasks(await this.source.tasks());
      this.rows.setRunLines(await this.source.runLines());
      this.lines.complete = true;
      this.filtered?.refresh();
      this.live.pause();
      this.setFollow(false);
    }
    this.redraw();
    this.words.count();
  }

  async refreshFacts() {
    await this.lines.refresh();
    this.pin();
  }

  /** One round without the stream; says whether there was news that a stream should have brought. */
  async poll() {
    const before = this.lines.total;
    await this.refreshFacts();
    this.polls += 1;
    if (this.polls % 3 === 0) this.rows.setTasks(await this.source.tasks());
    if (!this.running) await this.ended({ status: this.lines.status, complete: this.lines.complete });
    return this.lines.total > before;
  }

  liveChanged(state) {
    this.words.live(state);
    if (state === "live") this.refreshFacts().catch(() => {});
  }

  visibility() {
    clearTimeout(this.hiding);
    if (document.hidden) this.hiding = setTimeout(() => this.live.pause(), HIDDEN_MS);
    else if (this.running) this.live.start(this.lines.total);
  }

  stop() {
    this.live.stop();
    this.view.stop();
    this.keys.stop();
    document.removeEventListener("visibilitychange", this.visible);
  }
}

export default function log(element) {
  const viewer = new Viewer(element);
  element.viewer = viewer; // for tests and the console
  return () => viewer.stop();
}
