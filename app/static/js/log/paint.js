/** Rows as DOM nodes: text nodes, classes and buttons, never markup. */
import { icon } from "../icons.js";
import { sayDuration } from "../duration.js";
import { parse } from "./ansi.js";

const SHOWN = 8000; // characters of one line on the screen; the rest is in the raw log
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
export const STATES = {
  ok: ["ok", "ok"], changed: ["changed", "warn"], failed: ["failed", "fail"], unreachable: ["unreachable", "lost"],
  skipped: ["skipped", "calm"], rescued: ["rescued", "wait"], ignored: ["ignored", "warn"], running: ["running", "run"],
  "no result": ["skipped", "calm"], // of a job that has ended: cut off, or a task of other servers
};

function make(tag, cls, text) {
  const node = document.createElement(tag);
  if (cls) node.className = cls;
  if (text != null) node.textContent = text;
  return node;
}

/** Append the line's text to `target`, colours as classes, hits of `query` as <mark>. */
export function paintText(target, text, query) {
  const parts = parse(text.length > SHOWN ? text.slice(0, SHOWN) : text);
  const marks = query ? hitsIn(parts.map((p) => p.text).join(""), query) : [];
  let at = 0;
  for (const part of parts) {
    const box = part.cls ? target.appendChild(make("span", part.cls)) : target;
    for (const [from, to, hit] of cut(at, at + part.text.length, marks)) {
      const piece = part.text.slice(from - at, to - at);
      if (hit) box.append(make("mark", "", piece));
      else box.append(piece);
    }
    at += part.text.length;
  }
  if (text.length > SHOWN) target.append(make("em", "log-more", ` … ${(text.length - SHOWN).toLocaleString("en")} more characters in the raw log`));
}

function hitsIn(text, query) {
  const out = [];
  const hay = text.toLowerCase();
  const needle = query.toLowerCase();
  for (let i = hay.indexOf(needle); i >= 0 && out.length < 200; i = hay.indexOf(needle, i + needle.length)) out.push([i, i + needle.length]);
  return out;
}

function* cut(from, to, marks) {
  let at = from;
  for (const [a, b] of marks) {
    if (b <= at || a >= to) continue;
    if (a > at) yield [at, a, false];
    yield [Math.max(a, at), Math.min(b, to), true];
    at = Math.min(b, to);
  }
  if (at < to) yield [at, to, false];
}

/** A numbered line; `line` is undefined while it is being fetched. */
export function lineRow(n, line, query) {
  const row = make("div", "log-line");
  const number = make("a", "log-number", line?.c ? "↳" : n == null ? "" : String(n));
  if (n != null) {
    number.href = `#L${n}`;
    number.dataset.n = n;
    number.tabIndex = -1;
    number.setAttribute("aria-label", `Line ${n}`);
  }
  row.append(number);
  if (!line) {
    row.classList.add("is-missing");
    row.append(make("span", "log-time"), make("span", "log-text", "…"));
    return row;
  }
  row.dataset.level = line.v ?? "INFO";
  row.append(make("span", "log-time", line.t ? CLOCK.format(new Date(line.t)) : ""));
  const text = make("span", "log-text");
  paintText(text, line.x, query);
  row.append(text);
  return row;
}

/** A line of the whole run (a warning, say) at its place, without a number. */
export function runRow(run) {
  const row = make("div", "log-line is-run");
  row.dataset.level = run.v ?? "INFO";
  row.append(make("span", "log-number", "run"), make("span", "log-time"));
  const text = make("span", "log-text");
  paintText(text, run.x, "");
  row.append(text);
  return row;
}

/** A task's fold line: status, name, where it stands, how many lines, how long. */
export function taskRow(task, folded, running) {
  const status = task.status ?? (running ? "running" : "no result");
  const [picture, tone] = STATES[status] ?? ["open", "calm"];
  const row = make("div", "log-task");
  row.dataset.tone = tone;
  const button = make("button", "log-fold");
  button.type = "button";
  button.dataset.fold = task.s;
  button.disabled = !task.first_line;
  button.setAttribute("aria-expanded", String(!folded));
  button.setAttribute("aria-label", `${folded ? "Unfold" : "Fold"} ${task.task}`);
  button.append(icon(folded ? "unfold" : "fold"));
  const state = make("span", "status");
  state.append(icon(picture), status);
  const name = make("strong", "log-name", task.task);
  const where = make("small", "log-where", [task.play, task.module, task.path].filter(Boolean).join(" · "));
  row.append(button, state, name, where);
  const lines = task.first_line ? Math.max(0, (task.last_line ?? task.first_line) - task.first_line + 1) : 0;
  row.append(make("span", "log-size", task.first_line ? `${lines.toLocaleString("en")} ${lines === 1 ? "line" : "lines"}` : "no output"));
  row.append(make("span", "log-took", task.duration_ms == null ? "" : sayDuration(task.duration_ms / 1000)));
  return row;
}
