/** Keeps "5 min. ago" fresh. The texts themselves come from ../time-boot.js, before the first paint. */
const live = new Set();

setInterval(() => {
  if (document.hidden) return;
  for (const element of live) {
    if (element.isConnected) globalThis.localTime.show(element);
    else live.delete(element);
  }
}, 30_000);

export default function localTime(element) {
  globalThis.localTime.show(element);
  if (element.dataset.format === "ago") live.add(element);
  return () => live.delete(element);
}
