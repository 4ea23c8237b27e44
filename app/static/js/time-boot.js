// Shows <time> in the reader's zone as the page is read in, before it is painted, so that no column changes its width
// under the reader's eyes: a classic script in the head on purpose. ./controllers/local-time.js keeps the texts fresh.
globalThis.localTime = (() => {
  const SHORT_TODAY = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  const SHORT = new Intl.DateTimeFormat(undefined, { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", hour12: false });
  const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long", hour12: false });
  const AGO = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });

  function sayAgo(moment, now = Date.now()) {
    const s = Math.round((moment - now) / 1000);
    const size = Math.abs(s);
    if (size < 60) return AGO.format(s, "second");
    if (size < 3600) return AGO.format(Math.trunc(s / 60), "minute");
    if (size < 86400) return AGO.format(Math.trunc(s / 3600), "hour");
    return AGO.format(Math.trunc(s / 86400), "day");
  }

  function show(element) {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.getTime())) return;
    const format = element.dataset.format;
    let text;
    if (format === "ago") text = sayAgo(moment.getTime());
    else if (format === "full") text = FULL.format(moment);
    else text = (moment.toDateString() === new Date().toDateString() ? SHORT_TODAY : SHORT).format(moment);
    if (element.textContent !== text) element.textContent = text;
  }

  const TIMES = "time[data-controller='local-time']";
  // The text of an element may come in after the element: both are changes to look at. Fragments of htmx come this way too.
  new MutationObserver((changes) => {
    for (const { target, addedNodes } of changes) {
      if (target.matches?.(TIMES)) show(target);
      for (const node of addedNodes) {
        if (node.matches?.(TIMES)) show(node);
        else node.querySelectorAll?.(TIMES).forEach(show);
      }
    }
  }).observe(document.documentElement, { childList: true, subtree: true });
  return { show, sayAgo };
})();
