/**
 * Maps the browser's scroll position to a place in a list that may be taller than an element can be
 * (Chromium stops at about 33 million px, Firefox at 17): above MAX_HEIGHT the bar is scaled.
 *
 * Small movements (wheel, keys, touch) move the list by the same pixels; only large jumps (dragging the bar, Home, End)
 * go by proportion. `settle` brings the bar back in step when the movement has ended. Pure arithmetic, no DOM.
 */
export const MAX_HEIGHT = 8_000_000;

export class ScrollMap {
  top = 0; // px from the start of the whole list, may exceed MAX_HEIGHT
  last = 0; // scrollTop that belongs to `top`
  full = 0;
  height = 0;
  viewport = 0;

  resize(rows, rowHeight, viewport) {
    this.full = rows * rowHeight;
    this.height = Math.min(this.full, MAX_HEIGHT);
    this.viewport = viewport;
    this.top = Math.min(this.top, this.maxTop);
  }

  get maxTop() { return Math.max(0, this.full - this.viewport); }

  get maxScroll() { return Math.max(0, this.height - this.viewport); }

  get scaled() { return this.full > this.height; }

  /** The browser scrolled to `scrollTop`: return the new `top`. */
  scrolled(scrollTop) {
    const moved = scrollTop - this.last;
    this.last = scrollTop;
    if (scrollTop <= 0) this.top = 0;
    else if (scrollTop >= this.maxScroll - 1) this.top = this.maxTop;
    else if (!this.scaled) this.top = scrollTop;
    else if (Math.abs(moved) > this.viewport * 2) this.top = (scrollTop / this.maxScroll) * this.maxTop;
    else this.top += moved;
    this.top = Math.min(this.maxTop, Math.max(0, this.top));
    return this.top;
  }

  /** Go to `top` by program: return the scrollTop to set. */
  goTo(top) {
    this.top = Math.min(this.maxTop, Math.max(0, top));
    return this.settle();
  }

  /** The scrollTop that matches `top`; never 0 or the end unless `top` is, so that one can always go on. */
  settle() {
    const exact = this.maxTop ? (this.top / this.maxTop) * this.maxScroll : 0;
    const inner = this.top <= 0 ? 0 : this.top >= this.maxTop ? this.maxScroll : Math.min(this.maxScroll - 2, Math.max(1, exact));
    this.last = Math.round(inner);
    return this.last;
  }
}
