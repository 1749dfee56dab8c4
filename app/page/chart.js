// Lines in SVG. Nothing of the server's text is ever read as markup.
const space = "http://www.w3.org/2000/svg";

function element(name, attributes, text) {
  const e = document.createElementNS(space, name);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  if (text !== undefined) e.textContent = text;
  return e;
}

function path(points) {
  return points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}

export function sparkline(host, values) {
  const known = values.filter((v) => Number.isFinite(v));
  if (known.length < 2) return host.replaceChildren();
  const low = Math.min(...known), span = Math.max(...known) - low || 1;
  const points = known.map((v, i) => [i / (known.length - 1) * 200, 37 - (v - low) / span * 34]);
  const svg = element("svg", { viewBox: "0 0 200 40", preserveAspectRatio: "none", "aria-hidden": "true" });
  svg.append(element("path", { d: path(points), fill: "none", stroke: "currentColor", "stroke-width": 1.6, "vector-effect": "non-scaling-stroke" }));
  host.replaceChildren(svg);
}

// history draws [{time, value}] (oldest first) and returns the points as they
// stand on the screen, for the readout.
export function history(host, rows, from, to) {
  const width = Math.max(320, host.clientWidth), height = 260, left = 52, right = 14, top = 14, bottom = 28;
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  const values = rows.map((r) => r.value);
  let low = Math.min(...values), high = Math.max(...values);
  if (!rows.length) [low, high] = [0, 1];
  if (low === high) [low, high] = [low - 1, high + 1];
  const x = (t) => left + (t - from) / (to - from) * (width - left - right);
  const y = (v) => height - bottom - (v - low) / (high - low) * (height - top - bottom);
  for (let i = 0; i <= 4; i++) {
    const v = low + (high - low) * i / 4;
    svg.append(element("line", { class: "rule", x1: left, x2: width - right, y1: y(v), y2: y(v) }));
    svg.append(element("text", { x: left - 8, y: y(v) + 4, "text-anchor": "end" }, format(v)));
  }
  const days = to - from > 86400000;
  for (let i = 0; i <= 4; i++) {
    const t = new Date(from + (to - from) * i / 4);
    const label = days ? t.toLocaleDateString([], { day: "numeric", month: "short" }) : t.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    svg.append(element("text", { x: x(t), y: height - 9, "text-anchor": i === 0 ? "start" : i === 4 ? "end" : "middle" }, label));
  }
  const points = rows.map((r) => ({ ...r, x: x(r.time), y: y(r.value) }));
  if (points.length) svg.append(element("path", { d: path(points.map((p) => [p.x, p.y])), fill: "none", stroke: "currentColor", "stroke-width": 2 }));
  const mark = element("line", { class: "mark", y1: top, y2: height - bottom, visibility: "hidden" });
  svg.append(mark);
  host.replaceChildren(svg);
  return { points, mark, width };
}

export function format(v) {
  if (!Number.isFinite(v)) return "–";
  return Math.abs(v) >= 1000 ? Math.round(v).toLocaleString() : v.toFixed(Math.abs(v) < 10 ? 2 : 1);
}
