/**
 * What stands in which row: fold lines of tasks, log lines, and the run's own lines that belong to no server.
 * Kept as few segments with running sums, so a row is found by bisection and memory does not grow with the lines.
 */
export class Rows {
  count = 0;
  folded = new Set(); // task_seq
  #tasks = [];
  #runs = [];
  #segments = [];
  #starts = [];

  setTasks(tasks) { this.#tasks = [...tasks].sort((a, b) => a.s - b.s); }

  /** Tasks that the stream brought: known ones are replaced. */
  mergeTasks(tasks) {
    const bySeq = new Map(this.#tasks.map((t) => [t.s, t]));
    for (const t of tasks) bySeq.set(t.s, { ...bySeq.get(t.s), ...t });
    this.setTasks(bySeq.values());
  }

  setRunLines(lines) { this.#runs = lines; }

  get tasks() { return this.#tasks; }

  /** Build again after a change of tasks, folding or number of lines. O(tasks + run lines). */
  build(total) {
    const marks = this.#runs.map((run) => ({ at: run.after_line + 1, order: 0, run }));
    let end = 0;
    for (const task of this.#tasks) {
      const at = task.first_line ?? end + 1;
      marks.push({ at, order: 1, task });
      end = Math.max(end, task.last_line ?? at - 1);
    }
    marks.sort((a, b) => a.at - b.at || a.order - b.order || (a.task && b.task ? a.task.s - b.task.s : 0));
    this.#segments = [];
    this.#starts = [];
    this.count = 0;
    let next = 1; // first line that is not placed yet
    let hidden = 0; // lines up to here are folded away
    marks.forEach((mark, i) => {
      this.#lines(Math.max(next, hidden + 1), Math.min(mark.at - 1, total));
      next = Math.max(next, mark.at);
      if (mark.task) {
        this.#push({ task: mark.task, place: mark.at }, 1);
        if (this.folded.has(mark.task.s) && mark.task.first_line) {
          const following = marks.slice(i + 1).find((m) => m.task);
          hidden = mark.task.last_line ?? (following ? following.at - 1 : total);
        }
      } else if (mark.at - 1 > hidden) this.#push({ run: mark.run, place: mark.at }, 1);
    });
    this.#lines(Math.max(next, hidden + 1), total);
  }

  /** {line: n} or {task} or {run} at row i (0-based), undefined outside. */
  at(i) {
    const k = this.#find(i);
    if (k < 0 || i >= this.count) return undefined;
    const segment = this.#segments[k];
    return segment.from ? { line: segment.from + i - this.#starts[k] } : segment;
  }

  /** Row of line n; of its fold line while it is folded away. */
  rowOf(n) {
    let lo = 0;
    let hi = this.#segments.length - 1;
    let best = 0;
    while (lo <= hi) {
      const mid = (lo + hi) >> 1;
      const s = this.#segments[mid];
      if (s.place <= n) {
        best = mid;
        lo = mid + 1;
      } else hi = mid - 1;
    }
    const s = this.#segments[best];
    if (!s) return 0;
    return s.from ? this.#starts[best] + Math.min(n, s.to) - s.from : this.#starts[best];
  }

  /** The task that line n belongs to, or undefined. */
  taskOf(n) {
    return this.#tasks.findLast((t) => t.first_line && t.first_line <= n && (t.last_line ?? Infinity) >= n);
  }

  #find(i) {
    let lo = 0;
    let hi = this.#starts.length - 1;
    while (lo < hi) {
      const mid = (lo + hi + 1) >> 1;
      if (this.#starts[mid] <= i) lo = mid;
      else hi = mid - 1;
    }
    return hi < 0 ? -1 : lo;
  }

  #lines(from, to) {
    if (to < from) return;
    this.#push({ from, to, place: from }, to - from + 1);
  }

  #push(segment, rows) {
    this.#segments.push(segment);
    this.#starts.push(this.count);
    this.count += rows;
  }
}
