/** Keys of every page: / search, g + letter, j/k in tables, ? help, Ctrl-K palette. Silent while somebody types. */
const PLACES = { d: "dashboard", s: "server", p: "playbook", j: "jobs", t: "ticket" };

export function typing(event) {
  const t = event.target;
  return t.isContentEditable || t.matches?.("textarea, select, input:not([type=checkbox], [type=radio], [type=button])");
}

export default function keyboard(body) {
  let waiting = 0;
  body.querySelectorAll("[data-open-help]").forEach((b) => b.addEventListener("click", openHelp));

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event)) return;
    if (document.querySelector("dialog[open]")) return;
    const key = event.key;
    if (waiting && Date.now() - waiting < 1500) {
      waiting = 0;
      const link = PLACES[key] && document.querySelector(`.side a:has(use[href$="#${PLACES[key]}"])`);
      if (link) {
        event.preventDefault();
        link.click();
      }
      return;
    }
    if (key === "g") waiting = Date.now();
    else if (key === "?") openHelp();
    else if (key === "/") {
      const search = document.querySelector("[data-page-search]");
      event.preventDefault();
      if (search) {
        search.focus();
        search.select?.();
      } else document.querySelector("[data-open-palette]")?.click();
    } else if (key === "j" || key === "k") move(key === "j" ? 1 : -1);
  });
}

function openHelp() {
  document.getElementById("help")?.showModal();
}

function move(step) {
  const rows = [...document.querySelectorAll("table[data-keys] tbody tr:has(a), .board[data-keys] li:has(a)")];
  if (!rows.length) return;
  const now = rows.findIndex((r) => r.hasAttribute("data-current"));
  const next = rows[Math.min(rows.length - 1, Math.max(0, now + step))];
  rows[now]?.removeAttribute("data-current");
  next.setAttribute("data-current", "");
  next.querySelector("a").focus();
  next.scrollIntoView({ block: "nearest" });
}
