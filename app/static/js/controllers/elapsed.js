/**
 * A duration that grows each second while the page is looked at. The clocks of server and browser may differ, so the
 * server's figure at load (data-seconds) is the base and only what passed since then is the browser's.
 */
import { sayDuration } from "../duration.js";

const live = new Map();

setInterval(() => {
  if (document.hidden) return;
  for (const [element, tick] of live) {
    if (element.isConnected) tick();
    else live.delete(element);
  }
}, 1000);

export default function elapsed(element) {
  const base = Number(element.dataset.seconds);
  if (Number.isNaN(base)) return undefined;
  const began = performance.now();
  const tick = () => { element.textContent = sayDuration(Math.floor(base + (performance.now() - began) / 1000)); };
  live.set(element, tick);
  return () => live.delete(element);
}
