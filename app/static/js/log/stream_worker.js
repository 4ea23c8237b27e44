/* One event stream for all tabs of this browser (HTTP/1.1 allows six connections per host, a stream holds one for ever).
   Tabs say {watch: job, after, stream} and {unwatch: job}; they get {event, data} and {state}. Classic script: every
   browser that has shared workers can run it. The browser itself resumes with Last-Event-ID after a cut; where the
   server refuses (429, 503) the browser gives up, so it is opened again here, later and later. */
"use strict";
const ports = new Map(); // port -> {jobs: Set, seen: ms}
const cursors = new Map(); // job -> number of the last line that came through
let address = "";
let source = null;
let opened = "";
let state = "down";
let wait = 2000;
let timer = 0;

function say(message, job) {
  for (const [port, tab] of ports) if (!job || tab.jobs.has(job)) port.postMessage(message);
}

function setState(next) {
  state = next;
  say({ state });
}

function watched() {
  return [...new Set([...ports.values()].flatMap((tab) => [...tab.jobs]))].sort();
}

function refresh() {
  clearTimeout(timer);
  const jobs = watched();
  const key = jobs.join(",");
  if (key === opened && source && source.readyState !== 2) return;
  source?.close();
  source = null;
  opened = key;
  for (const job of cursors.keys()) if (!jobs.includes(job)) cursors.delete(job);
  if (!jobs.length) return;
  const query = jobs.map((job) => `job=${encodeURIComponent(job)}:${cursors.get(job) ?? 0}`).join("&");
  source = new EventSource(`${address}?${query}`);
  source.onopen = () => {
    wait = 2000;
    setState("live");
  };
  source.onerror = () => {
    const refused = source.readyState === 2;
    setState(refused ? "refused" : "connecting");
    if (!refused) return;
    timer = setTimeout(refresh, wait);
    wait = Math.min(60000, wait * 2);
  };
  for (const name of ["lines", "tasks", "status"]) source.addEventListener(name, (event) => pass(name, event.data));
}

function pass(name, text) {
  const data = JSON.parse(text);
  if (name === "lines" && data.lines.length) cursors.set(data.job, Math.max(cursors.get(data.job) ?? 0, data.lines[data.lines.length - 1].n));
  say({ event: name, data }, data.job);
}

onconnect = (event) => {
  const port = event.ports[0];
  ports.set(port, { jobs: new Set(), seen: Date.now() });
  port.onmessage = ({ data }) => {
    const tab = ports.get(port) ?? { jobs: new Set(), seen: 0 };
    ports.set(port, tab);
    tab.seen = Date.now();
    if (data.watch) {
      address = data.stream;
      tab.jobs.add(data.watch);
      if (!cursors.has(data.watch)) cursors.set(data.watch, data.after);
      const same = watched().join(",") === opened;
      refresh();
      if (same) port.postMessage({ state });
    } else if (data.unwatch) {
      tab.jobs.delete(data.unwatch);
      refresh();
    } else if (data.again) {
      opened = "";
      refresh();
    } else if (data.bye) {
      ports.delete(port);
      refresh();
    }
  };
  port.start();
};

// Tabs that died without a word stop saying "alive"; hidden tabs may do so only once a minute.
setInterval(() => {
  const limit = Date.now() - 150000;
  for (const [port, tab] of ports) if (tab.seen < limit) ports.delete(port);
  refresh();
}, 30000);
