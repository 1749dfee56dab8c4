// A dashboard as teams write it, with the real socket.io-client. Prints one
// JSON line for each thing that happens; reads nothing.
// usage: node dashboard.mjs <url> <transports, comma separated> <region> [own address]
import { Agent } from "node:http";
import { io } from "socket.io-client";

const [url, transports, region, localAddress] = process.argv.slice(2);
const say = (what, value) => console.log(JSON.stringify({ what, value }));
const socket = io(url, { transports: transports.split(","), reconnectionDelay: 100, reconnectionDelayMax: 300, ...(localAddress && { agent: new Agent({ localAddress, keepAlive: true }) }) });

const opened = () => {
  say("open", socket.io.engine.transport.name);
  socket.io.engine.on("upgrade", (t) => say("upgrade", t.name));
};
socket.io.engine ? socket.io.engine.once("open", opened) : socket.io.on("open", opened);

socket.on("connect", () => {
  say("connect", socket.id);
  // In this order: a change between an answer and the subscription behind it
  // would be missed until the next.
  socket.emit("metrics:subscribe", { source: region });
  socket.emit("metrics:get", {});
  socket.emit("metrics:getHistory", { source: region, limit: 5 });
});
socket.on("disconnect", (reason) => say("disconnect", reason));
socket.on("connect_error", (e) => say("connect_error", e.message));
for (const name of ["metrics:data", "metrics:history", "metrics-update", "metrics:error", "error"]) {
  socket.on(name, (payload) => say(name, payload));
}
process.on("SIGTERM", () => { socket.close(); process.exit(0); });
