// The alerts that fire, and maintenance that is announced or under way.

import { line, showLines } from "./list.js";

const windows = new Map();
const alerts = new Map();
const keyOf = (w) => `${w.id} ${w.startsAt}`;
const clock = (time) => new Date(time).toLocaleString([], { weekday: "short", hour: "2-digit", minute: "2-digit" });

function alertLine(a) {
  const severity = document.createElement("b");
  severity.dataset.severity = a.severity;
  severity.textContent = a.severity;
  const words = [`: ${a.summary}, since ${clock(a.startedAt)}`];
  if (a.acknowledged) words.push(`taken on by ${a.acknowledged.by}`);
  if (a.suppressed) words.push(`nobody is told: ${a.suppressed.by}`);
  return line(severity, words.join("; "));
}

function windowLine(w) {
  const word = document.createElement("b");
  word.textContent = w.state === "active" ? "maintenance" : "planned maintenance";
  const where = w.regions?.length ? w.regions.join(", ") : "all regions";
  return line(word, `: ${w.title || w.id} (${where}), ${clock(w.startsAt)} to ${clock(w.endsAt)}`);
}

function draw(list) {
  const order = ["critical", "warning", "info"];
  const firing = [...alerts.values()].filter((a) => a.state === "firing");
  firing.sort((x, y) => order.indexOf(x.severity) - order.indexOf(y.severity) || y.startedAt.localeCompare(x.startedAt));
  const planned = [...windows.values()].filter((w) => w.state !== "ended");
  planned.sort((x, y) => x.startsAt.localeCompare(y.startsAt));
  showLines(list, [...firing.map(alertLine), ...planned.map(windowLine)]);
}

// hearAlerts takes an event of the connection into the list.
export function hearAlerts(list, event, payload) {
  if (event === "metrics:alerts") {
    alerts.clear();
    windows.clear();
    for (const a of payload.alerts) alerts.set(a.id, a);
    for (const w of payload.maintenance) windows.set(keyOf(w), w);
  } else if (event === "metrics:alert") {
    alerts.set(payload.alert.id, payload.alert);
    if (payload.alert.state === "inactive") alerts.delete(payload.alert.id);
  } else if (event === "metrics:maintenance") {
    windows.set(keyOf(payload.maintenance), payload.maintenance);
  } else {
    return;
  }
  draw(list);
}
