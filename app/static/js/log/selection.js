/** Chosen lines: #L120 or #L120-L140 in the address, so that a link shows exactly these. */
export class Selection {
  range = null;

  constructor(viewer) {
    this.viewer = viewer;
    window.addEventListener("hashchange", () => {
      const n = this.fromHash();
      if (n) viewer.goTo(n);
    });
  }

  has(n) { return this.range !== null && n >= this.range[0] && n <= this.range[1]; }

  /** Read the address; returns the first line or null. */
  fromHash() {
    const found = /^#L(\d{1,9})(?:-L?(\d{1,9}))?$/.exec(location.hash);
    if (!found) return null;
    const a = Number(found[1]);
    const b = Number(found[2] ?? found[1]);
    this.range = [Math.min(a, b), Math.max(a, b)];
    return Math.max(1, this.range[0]);
  }

  click(n, extend) {
    const [from, to] = this.range ?? [n, n];
    this.range = extend ? [Math.min(from, n), Math.max(extend && n < from ? to : n, n)] : [n, n];
    const [a, b] = this.range;
    history.replaceState(null, "", a === b ? `#L${a}` : `#L${a}-L${b}`);
    this.viewer.current = n;
    this.viewer.setFollow(false);
    this.viewer.view.draw();
  }
}
