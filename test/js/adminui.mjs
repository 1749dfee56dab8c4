// A Node server of a cluster that has Socket.IO's admin UI too, with a dashboard
// and an administrator of its own. It prints what the administrator hears as JSON
// lines; lines on its input are what the administrator emits, as JSON arrays.
// usage: node adminui.mjs <redis url> <bcrypt hash> <password>
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { createClient } from "redis";
import { Server } from "socket.io";
import adapter from "@socket.io/redis-adapter";
import admin from "@socket.io/admin-ui";
import { io as connect } from "socket.io-client";

const [url, hash, password] = process.argv.slice(2);
const pub = createClient({ url }), sub = pub.duplicate();
await Promise.all([pub.connect(), sub.connect()]);
// What RedisStore calls is of version 3 of the client; that of today has promises.
const client = {
  exists: (key, then) => pub.exists(key).then((n) => then(null, n), then),
  multi() {
    const m = pub.multi();
    this.set = (key, value) => (m.set(key, String(value)), this);
    this.expire = (key, seconds) => (m.expire(key, seconds), this);
    this.exec = () => m.exec();
    return this;
  },
};
const say = (what, value) => console.log(JSON.stringify({ what, value }));

const http = createServer();
const io = new Server(http, { adapter: adapter.createAdapter(pub, sub) });
io.on("connection", (s) => s.join("node room"));
admin.instrument(io, {
  auth: { type: "basic", username: "admin", password: hash },
  mode: "development",
  serverId: "node",
  store: new admin.RedisStore(client),
});
await new Promise((done) => http.listen(0, "127.0.0.1", done));
const own = `http://127.0.0.1:${http.address().port}`;

const dashboard = connect(own, { transports: ["websocket"] });
dashboard.onAny((...args) => say("heard", args));
dashboard.on("disconnect", (reason) => say("gone", reason));
await new Promise((done) => dashboard.on("connect", done));
say("dashboard", dashboard.id);

for await (const line of createInterface({ input: process.stdin })) {
  const c = JSON.parse(line);
  if (c.login) {
    // Whether somebody is let in, here or at another server.
    const s = connect((c.url ?? own) + "/admin", { forceNew: true, transports: ["websocket"], auth: c.login });
    s.onAny((...args) => say(c.name, args));
    s.on("connect", () => say(c.name, ["connected"]));
    s.on("connect_error", (e) => say(c.name, ["refused", e.message]));
    if (c.name === "admin") globalThis.administrator = s;
    continue;
  }
  globalThis.administrator.emit(...c.emit);
}
process.exit(0);
