/**
 * Binds small modules to elements: <div data-controller="theme menu"> loads ./controllers/theme.js and
 * ./controllers/menu.js and calls each one's default export with the element, once per element. A returned function
 * is called when htmx removes the element. Only names of this list are loaded, so a page's text cannot pick a file.
 */
const KNOWN = new Set([
  "confirm", "copy", "elapsed", "filters", "form-errors", "here", "keyboard", "local-time", "log", "menu",
  "palette", "picker", "refresh", "theme", "ticks",
]);
const bound = new WeakMap();

async function bind(element) {
  const done = bound.get(element) ?? new Map();
  bound.set(element, done);
  for (const name of element.dataset.controller.split(/\s+/)) {
    if (!KNOWN.has(name) || done.has(name)) continue;
    done.set(name, null);
    try {
      const path = name === "log" ? "./log/viewer.js" : `./controllers/${name}.js`;
      const module = await import(path);
      done.set(name, module.default(element) ?? null);
    } catch (error) {
      console.error(`controller ${name}:`, error);
    }
  }
}

function scan(root) {
  if (root.matches?.("[data-controller]")) bind(root);
  for (const element of root.querySelectorAll("[data-controller]")) bind(element);
}

scan(document);
document.addEventListener("htmx:load", (event) => scan(event.detail.elt));
document.addEventListener("htmx:beforeCleanupElement", (event) => {
  for (const stop of bound.get(event.detail.elt)?.values() ?? []) if (typeof stop === "function") stop();
});
document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-CSRFToken"] = document.querySelector("meta[name=csrf-token]")?.content ?? "";
});
