/**
 * Fetches a fragment again while somebody looks: <section hx-get="..." hx-trigger="refresh"
 * data-controller="refresh" data-seconds="5">. Quiet while the tab is hidden; says so when the answers stop coming.
 * A fragment that carries no data-controller="refresh" any more ends it.
 */
export default function refresh(element) {
  const seconds = Math.max(2, Number(element.dataset.seconds) || 10);
  const ask = () => {
    if (document.hidden || element.contains(document.activeElement?.closest("form, details[open]") ?? null)) return;
    window.htmx?.trigger(element, "refresh");
  };
  const failed = () => mark(true);
  const worked = (event) => { if (event.detail.successful) mark(false); };
  const timer = setInterval(ask, seconds * 1000);
  const seen = () => { if (!document.hidden) ask(); };
  element.addEventListener("htmx:sendError", failed);
  element.addEventListener("htmx:responseError", failed);
  element.addEventListener("htmx:timeout", failed);
  element.addEventListener("htmx:afterRequest", worked);
  document.addEventListener("visibilitychange", seen);
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", seen);
  };
}

/** Show or hide the page's mark for figures that are no longer fresh. */
export function mark(stale) {
  const box = document.getElementById("stale");
  if (!box || box.hidden === !stale) return;
  box.hidden = !stale;
  if (stale) box.querySelector("[data-since]").textContent = new Date().toLocaleTimeString(undefined, { hour12: false });
}
