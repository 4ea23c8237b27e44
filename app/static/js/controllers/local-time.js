/** Show a <time> in the reader's zone; the UTC time stays in the tooltip. */
const SHORT_TODAY = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const SHORT = new Intl.DateTimeFormat(undefined, { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", hour12: false });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long", hour12: false });
const AGO = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const live = new Set();

export function sayAgo(moment, now = Date.now()) {
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
  if (format === "ago") element.textContent = sayAgo(moment.getTime());
  else if (format === "full") element.textContent = FULL.format(moment);
  else element.textContent = (moment.toDateString() === new Date().toDateString() ? SHORT_TODAY : SHORT).format(moment);
}

setInterval(() => {
  if (document.hidden) return;
  for (const element of live) {
    if (element.isConnected) show(element);
    else live.delete(element);
  }
}, 30_000);

export default function localTime(element) {
  show(element);
  if (element.dataset.format === "ago") live.add(element);
  return () => live.delete(element);
}
