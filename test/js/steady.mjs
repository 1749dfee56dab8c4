// Dashboards that stay connected, with the real socket.io-client. Each hears
// regions whose values count up by one. Prints what must not happen, a lost
// connection or an update that is missing, and at each line of its input the
// values that every dashboard has by now.
// usage: node steady.mjs <url> <count> <region,region,…>
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const [url, count, names] = process.argv.slice(2);
const say = (what, value) => console.log(JSON.stringify({ what, value }));
const regions = names.split(","), ways = [["polling"], ["websocket"], ["polling", "websocket"]];
const last = Array.from({ length: Number(count) }, () => ({}));
let connected = 0;

last.forEach((seen, i) => {
  const socket = io(url, { transports: ways[i % ways.length], forceNew: true });
  socket.on("connect", () => {
    for (const source of regions) socket.emit("metrics:subscribe", { source });
    if (++connected === last.length) say("connected", connected);
  });
  socket.on("disconnect", (reason) => say("disconnect", { dashboard: i, reason }));
  socket.on("metrics-update", ({ source, data: { n } }) => {
    if (seen[source] !== undefined && n !== seen[source] + 1) say("gap", { dashboard: i, source, before: seen[source], after: n });
    seen[source] = n;
  });
});
createInterface({ input: process.stdin }).on("line", () => {
  say("values", Object.fromEntries(regions.map((r) => [r, Math.min(...last.map((seen) => seen[r] ?? 0))])));
});
process.on("SIGTERM", () => process.exit(0));
