// The parts of the server that are not well, as /api/v1/health has them.

const period = 5000; // ms between two questions
const most = 12; // parts that are shown

function line(name, part) {
  const li = document.createElement("li");
  const state = document.createElement("b");
  state.dataset.state = part.state;
  state.textContent = part.state;
  const since = new Date(part.since);
  li.append(`${name} `, state, ` since ${since.toLocaleTimeString()}${part.message ? `: ${part.message}` : ""}`);
  li.title = since.toLocaleString();
  return li;
}

function show(list, health) {
  // While all is well, parts that have just begun may not have reported yet.
  const bad = health.overall === "ok" ? [] : Object.entries(health.checks ?? {}).filter(([, p]) => p.state !== "ok");
  const lines = bad.slice(0, most).map(([name, p]) => line(name, p));
  if (bad.length > most) {
    const more = document.createElement("li");
    more.textContent = `and ${bad.length - most} more`;
    lines.push(more);
  }
  // What has not changed is not read out again.
  if (lines.map((l) => l.textContent).join("\n") !== [...list.children].map((l) => l.textContent).join("\n")) list.replaceChildren(...lines);
  list.parentElement.hidden = lines.length === 0;
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
