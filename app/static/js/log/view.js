/**
 * The virtual list: draws the rows that can be seen and a few more, whatever the length of the log.
 *
 * Rows have one fixed height; with wrapping on they may grow, then the scroll position stands for a row and not for a
 * pixel. The owner gives `count()`, `row(i)` -> {key, make()} and is told which rows are missing through `drawn`.
 */
import { ScrollMap } from "./scroll.js";

const EXTRA = 12; // rows above and below what can be seen
const SETTLE_MS = 140;

export class View {
  wrap = false;
  #nodes = new Map();
  #frame = 0;
  #settle = 0;

  constructor(box, owner) {
    this.box = box;
    this.owner = owner;
    this.map = new ScrollMap();
    this.sizer = box.querySelector("[data-log=sizer]");
    this.rows = box.querySelector("[data-log=rows]");
    this.rowHeight = parseFloat(getComputedStyle(box).getPropertyValue("--log-row")) || 24;
    box.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(box);
  }

  /** First row on the screen. */
  get first() { return Math.floor(this.map.top / this.rowHeight); }

  get visibleRows() { return Math.max(1, Math.floor(this.map.viewport / this.rowHeight)); }

  get atEnd() { return this.map.maxTop - this.map.top < this.rowHeight * 1.5; }

  draw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  /** Bring row i to the screen; `place` is where: "center", "start" or "nearest". */
  show(i, place = "center") {
    this.#measure();
    const h = this.rowHeight;
    const seen = i * h >= this.map.top && (i + 1) * h <= this.map.top + this.map.viewport;
    if (place !== "nearest" || !seen) this.#go(place === "start" ? i * h : i * h - this.map.viewport / 2 + h / 2);
    this.draw();
  }

  toEnd() {
    this.#measure();
    this.#go(this.map.maxTop);
    this.draw();
  }

  stop() {
    this.observer.disconnect();
    cancelAnimationFrame(this.#frame);
  }

  #go(top) {
    const scrollTop = this.map.goTo(top);
    if (Math.round(this.box.scrollTop) !== scrollTop) this.box.scrollTop = scrollTop;
    this.map.last = this.box.scrollTop;
  }

  #measure() {
    this.map.resize(this.owner.count(), this.rowHeight, this.box.clientHeight);
    const height = `${this.map.height}px`;
    if (this.sizer.style.height !== height) this.sizer.style.height = height;
    this.rows.style.setProperty("--log-width", `${this.box.clientWidth}px`);
  }

  #scrolled() {
    if (Math.abs(this.box.scrollTop - this.map.last) < 1) return; // our own
    const before = this.map.top;
    this.map.scrolled(this.box.scrollTop);
    this.owner.scrolled(this.map.top < before);
    clearTimeout(this.#settle);
    if (this.map.scaled) this.#settle = setTimeout(() => this.#go(this.map.top), SETTLE_MS);
    this.draw();
  }

  #draw() {
    const stick = this.owner.sticks();
    this.#measure();
    if (stick) this.#go(this.map.maxTop);
    const count = this.owner.count();
    const anchor = Math.min(this.first, Math.max(0, count - 1));
    const from = this.wrap ? anchor : Math.max(0, anchor - EXTRA);
    const to = Math.min(count, anchor + this.visibleRows + EXTRA + 1);
    this.#place(from, to);
    this.rows.style.transform = `translateY(${Math.round(this.#offset(from, to, anchor, count))}px)`;
    this.owner.drawn(from, to);
  }

  #offset(from, to, anchor, count) {
    const { top, maxTop, viewport } = this.map;
    const start = this.box.scrollTop;
    if (!this.wrap) return start + from * this.rowHeight - top;
    const shown = this.rows.children[0]?.offsetHeight ?? this.rowHeight;
    let offset = start - ((top / this.rowHeight) % 1) * shown;
    if (to === count) { // wrapped rows are higher than planned: let the end come in softly
      const over = this.rows.offsetHeight - viewport;
      const near = Math.min(1, Math.max(0, 1 - (maxTop - top) / viewport));
      if (over > 0) offset = start - over * near - (start - offset) * (1 - near);
    }
    return offset;
  }

  #place(from, to) {
    const keep = new Map();
    let before = this.rows.firstChild;
    for (let i = from; i < to; i += 1) {
      const spec = this.owner.row(i);
      if (!spec) continue;
      let node = this.#nodes.get(spec.key);
      if (!node) node = spec.make();
      node.dataset.row = i;
      spec.mark?.(node);
      keep.set(spec.key, node);
      this.#nodes.delete(spec.key);
      if (node === before) before = before.nextSibling;
      else this.rows.insertBefore(node, before);
    }
    for (const node of this.#nodes.values()) {
      if (node.contains(document.activeElement)) this.box.focus({ preventScroll: true });
      node.remove();
    }
    this.#nodes = keep;
  }
}
