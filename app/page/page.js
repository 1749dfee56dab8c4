import { Connection } from "./socket.js";
import { format, history, sparkline } from "./chart.js";
import { hearAlerts } from "./alerts.js";
import { watchHealth } from "./health.js";

const regions = await served();
const kept = 40;
const by = (id) => document.getElementById(id);

const fields = {
  cpu: { read: (d) => d?.results?.stats?.server?.cpu_load, unit: " %" },
  memory: { read: (d) => d?.results?.memory?.usage_percent, unit: " %" },
  "error-rate": { read: (d) => d?.results?.performance?.error_rate, unit: " %" },
  rps: { read: (d) => d?.results?.performance?.requests_per_second, unit: "" },
  p50: { read: (d) => d?.results?.performance?.response_times?.p50, unit: " ms" },
  p95: { read: (d) => d?.results?.performance?.response_times?.p95, unit: " ms" },
  p99: { read: (d) => d?.results?.performance?.response_times?.p99, unit: " ms" },
};

const state = new Map(regions.map((r) => [r.name, { time: 0, recent: [], updates: 0, card: makeCard(r) }]));
let lastHeard = 0;
let lostAt = 0;
let chosen = regions[0].name;
let rows = [];
let drawn;
let next = 0;
let cursor = -1;

// served returns the regions of the first API of the settings. A server that does
// not answer yet is taken to have the usual ones: the cards say when it is there.
async function served() {
  try {
    const answer = await fetch("/api/v1/info", { cache: "no-store", signal: AbortSignal.timeout(3000) });
    const [first] = (await answer.json()).regions;
    if (first.regions.length) return first.regions;
  } catch { /* it is told by the connection */ }
  return ["us-east", "us-west", "eu-west", "eu-central", "sa-east", "ap-southeast"].map((name) => ({ name }));
}

function makeCard({ name: region, title = region }) {
  const card = by("card").content.firstElementChild.cloneNode(true);
  card.dataset.region = region;
  card.dataset.updates = "0";
  card.querySelector(".name").textContent = title;
  card.addEventListener("click", () => choose(region));
  by("cards").append(card);
  by("region").append(new Option(title, region));
  return card;
}

function show(region, data, iso) {
  const s = state.get(region);
  const time = Date.parse(iso);
  if (!s || !(time >= s.time)) return; // an older value never replaces a newer one
  if (time > s.time) remember(s, data, time);
  s.time = time;
  lastHeard = Date.now();
  for (const [name, f] of Object.entries(fields)) {
    const v = f.read(data);
    s.card.querySelector(`[data-field="${name}"]`).textContent = Number.isFinite(v) ? format(v) + f.unit : "–";
  }
  const status = s.card.querySelector("[data-field=status]");
  const word = typeof data?.status === "string" ? data.status : "no data";
  status.textContent = word;
  status.dataset.state = word === "ok" ? "ok" : word === "error" ? "error" : "degraded";
  s.card.querySelector(".note").textContent = "";
  s.card.dataset.updates = String(++s.updates);
  redraw(s);
  tick();
  if (region === chosen) extend(data, time);
}

function remember(s, data, time) {
  s.recent.push({ time, data });
  s.recent.sort((a, b) => a.time - b.time);
  s.recent.splice(0, s.recent.length - kept);
}

function redraw(s) {
  const read = fields[by("metric").value].read;
  sparkline(s.card.querySelector(".spark"), s.recent.map((r) => read(r.data)));
}

function choose(region) {
  chosen = region;
  by("region").value = region;
  for (const [name, s] of state) s.card.setAttribute("aria-pressed", String(name === region));
  ask();
}

function span() {
  return Number(by("range").value) * 60000;
}

function ask() {
  const to = Date.now();
  socket.emit("metrics:getHistory", { source: chosen, from: new Date(to - span()).toISOString(), to: new Date(to).toISOString(), limit: 1000 });
}

function fill(answer) {
  const s = state.get(answer.source);
  if (!s) return;
  const items = answer.items.map((i) => ({ time: Date.parse(i.createdAt), data: i.data })).reverse();
  if (items.length <= kept && s.recent.length < 2) {
    s.recent = items.slice();
    redraw(s);
  }
  if (answer.source !== chosen) return;
  rows = items;
  drawHistory();
}

function extend(data, time) {
  if (!rows.length || rows.at(-1).time >= time) return;
  rows.push({ time, data });
  rows = rows.filter((r) => r.time >= Date.now() - span());
  drawHistory();
}

function drawHistory() {
  const metric = by("metric"), f = fields[metric.value];
  const to = Date.now(), from = to - span();
  const points = rows.filter((r) => r.time >= from).map((r) => ({ time: r.time, value: f.read(r.data) })).filter((r) => Number.isFinite(r.value));
  drawn = history(by("chart"), points, from, to);
  cursor = -1;
  by("readout").textContent = "";
  const name = metric.selectedOptions[0].textContent;
  const values = points.map((p) => p.value);
  by("summary").textContent = values.length
    ? `${name} of ${chosen}: ${values.length} values, from ${format(Math.min(...values))} to ${format(Math.max(...values))}${f.unit}, last ${format(values.at(-1))}${f.unit}.`
    : `No history of ${chosen} in this range yet.`;
}

function point(index) {
  const p = drawn?.points[index];
  if (!p) return;
  cursor = index;
  drawn.mark.setAttribute("x1", p.x);
  drawn.mark.setAttribute("x2", p.x);
  drawn.mark.setAttribute("visibility", "visible");
  by("readout").textContent = `${new Date(p.time).toLocaleString()}: ${format(p.value)}${fields[by("metric").value].unit}`;
}

function nearest(event) {
  if (!drawn?.points.length) return;
  const box = by("chart").getBoundingClientRect();
  const x = (event.clientX - box.left) / box.width * drawn.width;
  let best = 0;
  drawn.points.forEach((p, i) => { if (Math.abs(p.x - x) < Math.abs(drawn.points[best].x - x)) best = i; });
  point(best);
}

function age(time) {
  const s = Math.max(0, Math.round((Date.now() - time) / 1000));
  if (s < 60) return `${s} s ago`;
  return s < 3600 ? `${Math.floor(s / 60)} min ago` : `${Math.floor(s / 3600)} h ago`;
}

function tick() {
  for (const s of state.values()) {
    if (!s.time) continue;
    const t = s.card.querySelector("[data-field=updated]");
    const at = new Date(s.time);
    t.textContent = age(s.time);
    t.dateTime = at.toISOString();
    t.title = at.toLocaleString();
  }
  if (document.body.dataset.connection !== "live") connectionText();
}

function connectionText() {
  const { connection } = document.body.dataset;
  const seconds = Math.max(0, Math.ceil((next - Date.now()) / 1000));
  const since = lastHeard ? `stale since ${new Date(lostAt).toLocaleTimeString()}` : "reconnecting";
  const waiting = connection !== "live" && connection !== "connecting";
  const text = waiting ? since : connection;
  // Only a change of state is announced; the countdown stands beside it.
  if (by("how").textContent !== text) by("how").textContent = text;
  by("retry").textContent = waiting && seconds ? `, next try in ${seconds} s` : "";
}

const socket = new Connection((how, at) => {
  next = at;
  if (how !== "live" && document.body.dataset.connection === "live") lostAt = Date.now();
  document.body.dataset.connection = how === "live" ? "live" : lastHeard ? "stale" : "reconnecting";
  connectionText();
  if (how !== "live") return;
  socket.emit("metrics:get", {});
  socket.emit("metrics:getAlerts", {});
  for (const source of state.keys()) {
    socket.emit("metrics:subscribe", { source });
    socket.emit("metrics:getHistory", { source, limit: kept });
  }
  choose(chosen);
}, (event, p) => {
  if (event === "metrics-update") show(p.source, p.data, p.timestamp);
  else if (event === "metrics:data" && p.source) show(p.source, p.data, p.updatedAt);
  else if (event === "metrics:data") for (const r of Object.keys(p.data)) show(r, p.data[r], p.updatedAtBySource[r]);
  else if (event === "metrics:history") fill(p);
  else if (event === "metrics-error" && state.has(p.source)) state.get(p.source).card.querySelector(".note").textContent = `upstream failing: ${p.error}`;
  else hearAlerts(by("alerts"), event, p);
});

by("metric").addEventListener("change", () => { for (const s of state.values()) redraw(s); drawHistory(); });
by("region").addEventListener("change", (e) => choose(e.target.value));
by("range").addEventListener("change", ask);
by("refresh").addEventListener("click", ask);
by("chart").addEventListener("pointermove", nearest);
by("chart").addEventListener("keydown", (e) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
  if (!step || !drawn?.points.length) return;
  e.preventDefault();
  point(Math.min(drawn.points.length - 1, Math.max(0, cursor < 0 ? drawn.points.length - 1 : cursor + step)));
});
addEventListener("resize", drawHistory);
setInterval(tick, 1000);
watchHealth(by("health"));
