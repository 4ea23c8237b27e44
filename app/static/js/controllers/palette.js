/** Command palette: Ctrl-K, answers from GET <palette>?q= as {items: [{title, subtitle, url, kind}]}. */
import { icon } from "../icons.js";

const ICONS = { server: "server", playbook: "playbook", job: "jobs", launch: "launch", ticket: "ticket", action: "launch", page: "dashboard", user: "user" };

export default function palette(dialog) {
  const input = dialog.querySelector("input");
  const list = dialog.querySelector("[role=listbox]");
  const hint = dialog.querySelector(".hint");
  const url = document.body.dataset.paletteUrl;
  let items = [];
  let at = 0;
  let asked = 0;
  let timer = 0;

  const pages = () => [...document.querySelectorAll(".side a")].map((a) => ({ title: a.textContent.trim(), subtitle: "page", url: a.href, kind: "page" }));

  function show(found, note) {
    items = found;
    at = 0;
    list.replaceChildren(...items.map((item, n) => {
      const row = document.createElement("div");
      row.id = `palette-${n}`;
      row.setAttribute("role", "option");
      const title = document.createElement("span");
      title.textContent = item.title;
      const sub = document.createElement("small");
      sub.textContent = item.subtitle ?? item.kind ?? "";
      row.append(icon(ICONS[item.kind] ?? "link"), title, sub);
      row.addEventListener("click", () => go(n));
      return row;
    }));
    hint.textContent = note;
    mark();
  }

  function mark() {
    [...list.children].forEach((row, n) => row.setAttribute("aria-selected", String(n === at)));
    if (items.length) input.setAttribute("aria-activedescendant", `palette-${at}`);
    else input.removeAttribute("aria-activedescendant");
    list.children[at]?.scrollIntoView({ block: "nearest" });
  }

  function go(n) {
    const target = items[n] && new URL(items[n].url, location.href);
    if (target && target.origin === location.origin) location.assign(target.href);
  }

  async function ask() {
    const q = input.value.trim();
    const turn = ++asked;
    const own = pages().filter((p) => p.title.toLowerCase().includes(q.toLowerCase()));
    if (!q || !url) {
      show(own, url ? "Type a server, playbook, job number or UUID" : "Pages of this platform");
      return;
    }
    try {
      const answer = await fetch(`${url}?q=${encodeURIComponent(q)}`, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const { items: found } = await answer.json();
      if (turn !== asked) return;
      show([...found.slice(0, 50), ...own], found.length + own.length ? "Enter opens, Escape closes" : "Nothing of that name. A job is found by its number or UUID.");
    } catch {
      if (turn === asked) show(own, "The search does not answer right now; pages still work.");
    }
  }

  function open() {
    if (dialog.open) return;
    input.value = "";
    dialog.showModal();
    input.focus();
    ask();
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, 120);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (items.length) at = (at + (event.key === "ArrowDown" ? 1 : items.length - 1)) % items.length;
      mark();
    } else if (event.key === "Enter") {
      event.preventDefault();
      go(at);
    }
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  document.querySelectorAll("[data-open-palette]").forEach((b) => b.addEventListener("click", open));
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      open();
    }
  });
}
