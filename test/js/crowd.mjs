// Many dashboards as teams write them, with the real socket.io-client, each
// from an address of its own. Prints the value that all of them show by now,
// whenever it grows, and what none may see: an update twice, or an older value
// after a newer. An answer may be ahead of the update that brings its value.
// usage: node crowd.mjs <url> <count> <region>
import { Agent } from "node:http";
import { io } from "socket.io-client";

const [url, count, region] = process.argv.slice(2);
const say = (what, value) => console.log(JSON.stringify({ what, value }));
const ways = [["polling"], ["websocket"], ["polling", "websocket"], ["websocket", "polling"]];
const shown = Array(Number(count)).fill(-1), updated = Array(Number(count)).fill(-1);
let told = -1;

const show = (i, n, how) => {
  if (n < shown[i] || (how === "update" && n === updated[i])) say("wrong", { dashboard: i, shows: shown[i], hears: n, how });
  shown[i] = Math.max(shown[i], n);
  if (how === "update") updated[i] = n;
  const all = Math.min(...shown);
  if (all > told) say("all", (told = all));
};

shown.forEach((_, i) => {
  const agent = new Agent({ localAddress: `127.0.1.${i + 1}`, keepAlive: true });
  const socket = io(url, { transports: ways[i % ways.length], reconnectionDelay: 100, reconnectionDelayMax: 300, forceNew: true, agent });
  socket.on("connect", () => {
    socket.emit("metrics:subscribe", { source: region });
    socket.emit("metrics:get", {});
  });
  socket.on("metrics:data", ({ data }) => show(i, data[region]?.n ?? 0, "answer"));
  socket.on("metrics-update", ({ data }) => show(i, data.n ?? 0, "update"));
});
