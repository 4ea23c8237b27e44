/**
 * ANSI text to plain segments {text, cls}; the caller makes DOM text nodes of them, never markup.
 *
 * Understood: SGR ("ESC [ ... m", ECMA-48 8.3.117) with the 16 colours, 256 and 24-bit ones. The last two are brought to
 * the nearest of the 16, because only those have enough contrast in both themes. Every other escape sequence is left
 * out; other control characters are shown as their pictures (U+2400 block), so nothing can hide or move.
 */
const ESCAPE = /\x1b(?:\[([0-?]*)[ -/]*([@-~])|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|$)|[ -/]*[0-~]|)/g;
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/g;
const NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
const CUBE = [0, 95, 135, 175, 215, 255];

export function parse(text) {
  if (!text.includes("\x1b")) return text ? [{ text: visible(text), cls: "" }] : [];
  const out = [];
  let state = {};
  let from = 0;
  for (const match of text.matchAll(ESCAPE)) {
    push(out, text.slice(from, match.index), state);
    from = match.index + match[0].length;
    if (match[2] === "m") state = apply(state, match[1]);
  }
  push(out, text.slice(from), state);
  return out;
}

/** The text alone, as copied and searched. */
export function plain(text) {
  return parse(text).map((part) => part.text).join("");
}

function push(out, text, state) {
  if (text) out.push({ text: visible(text), cls: classes(state) });
}

function visible(text) {
  return text.replace(/\r$/, "").replace(CONTROL, (c) => (c === "\x7f" ? "\u2421" : String.fromCharCode(0x2400 + c.charCodeAt(0))));
}

function classes(state) {
  const { fg, bg } = state.inverse ? { fg: state.bg, bg: state.fg ?? "white" } : state;
  const list = [];
  if (fg) list.push(`a-${fg}`);
  if (bg) list.push(`ab-${bg}`);
  for (const name of ["bold", "dim", "italic", "underline", "strike"]) if (state[name]) list.push(`a-${name}`);
  return list.join(" ");
}

function apply(before, parameters) {
  const codes = parameters.split(/[;:]/).map((p) => (p === "" ? 0 : Number(p)));
  let state = { ...before };
  for (let i = 0; i < codes.length; i += 1) {
    const c = codes[i];
    if (c === 0) state = {};
    else if (c === 1) state.bold = true;
    else if (c === 2) state.dim = true;
    else if (c === 3) state.italic = true;
    else if (c === 4) state.underline = true;
    else if (c === 7) state.inverse = true;
    else if (c === 9) state.strike = true;
    else if (c === 22) state.bold = state.dim = false;
    else if (c === 23) state.italic = false;
    else if (c === 24) state.underline = false;
    else if (c === 27) state.inverse = false;
    else if (c === 29) state.strike = false;
    else if (c >= 30 && c <= 37) state.fg = NAMES[c - 30];
    else if (c >= 90 && c <= 97) state.fg = NAMES[c - 90];
    else if (c === 39) state.fg = undefined;
    else if (c >= 40 && c <= 47) state.bg = NAMES[c - 40];
    else if (c >= 100 && c <= 107) state.bg = NAMES[c - 100];
    else if (c === 49) state.bg = undefined;
    else if (c === 38 || c === 48) {
      const wide = codes[i + 1] === 2;
      const rgb = wide ? codes.slice(i + 2, i + 5) : indexed(codes[i + 2] ?? 0);
      i += wide ? 4 : 2;
      state[c === 38 ? "fg" : "bg"] = nearest(rgb);
    }
  }
  return state;
}

function indexed(n) {
  if (n < 16) return [n & 1 ? 255 : 0, n & 2 ? 255 : 0, n & 4 ? 255 : 0];
  if (n >= 232) return Array(3).fill(8 + (n - 232) * 10);
  const k = n - 16;
  return [CUBE[Math.floor(k / 36) % 6], CUBE[Math.floor(k / 6) % 6], CUBE[k % 6]];
}

function nearest([r = 0, g = 0, b = 0]) {
  const half = Math.max(r, g, b) / 2;
  if (Math.max(r, g, b) < 48) return "black";
  return NAMES[(r > half ? 1 : 0) | (g > half ? 2 : 0) | (b > half ? 4 : 0)];
}
