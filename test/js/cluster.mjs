// A Node server of a cluster, told what to do by JSON lines and answering with
// JSON lines. Its own client reports every event that it hears.
// usage: node cluster.mjs <redis url> [classic | specific | sharded | static | dynamic-private] [key]
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { createClient } from "redis";
import { Server } from "socket.io";
import adapter from "@socket.io/redis-adapter";
import { Emitter } from "@socket.io/redis-emitter";
import { io as connect } from "socket.io-client";

const [url, mode, key] = process.argv.slice(2);
const pub = createClient({ url }), sub = pub.duplicate();
pub.on("error", () => {});
sub.on("error", () => {});
await Promise.all([pub.connect(), sub.connect()]);

const show = (v) =>
  Buffer.isBuffer(v) || v instanceof Uint8Array ? { bytes: [...v] }
  : Array.isArray(v) ? v.map(show)
  : v && typeof v === "object" ? Object.fromEntries(Object.entries(v).map(([k, e]) => [k, show(e)])) : v;
const revive = (v) =>
  Array.isArray(v) ? v.map(revive)
  : v && typeof v === "object" ? (v.bytes ? Buffer.from(v.bytes) : v.date ? new Date(v.date) : v.undefined ? undefined : Object.fromEntries(Object.entries(v).map(([k, e]) => [k, revive(e)]))) : v;
const say = (what, value) => console.log(JSON.stringify({ what, value: show(value) }));

const http = createServer();
const io = new Server(http, {
  adapter: ["sharded", "static", "dynamic-private"].includes(mode)
    ? adapter.createShardedAdapter(pub, sub, { ...(key && { channelPrefix: key }), ...(mode !== "sharded" && { subscriptionMode: mode }) })
    : adapter.createAdapter(pub, sub, { publishOnSpecificResponseChannel: mode === "specific", ...(key && { key }) }),
});
io.on("connection", (s) => { s.data = { on: "node" }; });
io.on("news", (...args) => say("server-side", args));
io.on("question", (q, answer) => answer({ from: "node", q }));
io.on("nothing", (answer) => answer());
io.of(/^\/room-\d+$/).on("connection", () => {});
await new Promise((done) => http.listen(0, "127.0.0.1", done));

const client = connect(`http://127.0.0.1:${http.address().port}`, { transports: ["websocket"], query: { who: "node client" } });
client.onAny((...args) => {
  const answer = typeof args.at(-1) === "function" ? args.pop() : null;
  if (answer) answer({ client: "node", heard: args[1] });
  say("heard", args);
});
client.on("disconnect", (reason) => say("gone", reason));

const emitter = new Emitter(pub, { ...(key && { key }) });
const target = (from, { nsp = "/", rooms = [], except = [], flags = {} }) => {
  let t = nsp === "/" ? from : from.of(nsp);
  if (flags.volatile) t = t.volatile;
  if ("compress" in flags) t = t.compress(flags.compress);
  if (flags.timeout) t = t.timeout(flags.timeout);
  for (const r of rooms) t = t.to(r);
  return except.length ? t.except(except) : t;
};
const ops = {
  emit: (c) => target(io, c).emit(...revive(c.args)),
  ack: (c) => target(io, { ...c, flags: { timeout: 3000, ...c.flags } }).emitWithAck(...revive(c.args)),
  fetch: async (c) => (await target(io, c).fetchSockets()).map((s) => ({ id: s.id, rooms: [...s.rooms], data: s.data, handshake: s.handshake })),
  join: (c) => target(io, c).socketsJoin(c.args),
  leave: (c) => target(io, c).socketsLeave(c.args),
  disconnect: (c) => target(io, c).disconnectSockets(c.close),
  serverEmit: (c) => io.of(c.nsp ?? "/").serverSideEmit(...revive(c.args)),
  serverAsk: (c) => io.of(c.nsp ?? "/").serverSideEmitWithAck(...revive(c.args)),
  allRooms: async () => [...await io.of("/").adapter.allRooms()],
  emitter: (c) => target(emitter, c).emit(...revive(c.args)),
  emitterJoin: (c) => target(emitter, c).socketsJoin(c.args),
  emitterServer: (c) => emitter.serverSideEmit(...c.args),
};
// Sockets of other namespaces hear too; their events name the namespace.
for (const name of ["/admin", "/room-7"]) {
  if (name === "/admin") io.of(name);
  client.io.socket(name).onAny((...args) => say("heard", [name, ...args])).connect();
}
client.on("connect", () => say("ready", client.id));
for await (const line of createInterface({ input: process.stdin })) {
  const c = JSON.parse(line);
  try {
    const result = await ops[c.do](c);
    say("done", ["ack", "fetch", "serverAsk", "allRooms"].includes(c.do) ? result : null);
  } catch (e) {
    say("failed", e.message);
  }
}
process.exit(0);
