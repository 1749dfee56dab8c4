// The parts of the server that are not well, as /api/v1/health has them.

import { line, showLines } from "./list.js";

const period = 5000; // ms between two questions

function partLine(name, part) {
  const state = document.createElement("b");
  state.dataset.state = part.state;
  state.textContent = part.state;
  const since = new Date(part.since);
  const li = line(`${name} `, state, ` since ${since.toLocaleTimeString()}${part.message ? `: ${part.message}` : ""}`);
  li.title = since.toLocaleString();
  return li;
}

function show(list, health) {
  // While all is well, parts that have just begun may not have reported yet.
  const bad = health.overall === "ok" ? [] : Object.entries(health.checks ?? {}).filter(([, p]) => p.state !== "ok");
  showLines(list, bad.map(([name, p]) => partLine(name, p)));
}

// watchHealth keeps the list up to date while somebody looks at the page. While the
// server does not answer, the connection at the top says so.
export function watchHealth(list) {
  const ask = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch("/api/v1/health", { cache: "no-store", signal: AbortSignal.timeout(period) });
      show(list, await answer.json());
    } catch {
      list.parentElement.hidden = true;
    }
  };
  ask();
  setInterval(ask, period);
  document.addEventListener("visibilitychange", ask);
}
