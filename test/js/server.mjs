// Node's socket.io as the server that the Go client is tried on; the same as
// the one of ours in test/clients. Prints "listening" and its port.
// usage: node server.mjs <port> [ping interval] [ping timeout]
import { createServer } from "node:http";
import { Server } from "socket.io";

const [port, pingInterval = 25_000, pingTimeout = 20_000] = process.argv.slice(2).map(Number);
const http = createServer();
const io = new Server(http, { pingInterval, pingTimeout, connectionStateRecovery: { skipMiddlewares: false } });
const serve = (s) => {
  s.emit("auth", s.handshake.auth);
  s.on("message", (...args) => s.emit("message-back", ...args));
  s.on("message-with-ack", (...args) => args.pop()(...args));
  s.on("count", (most) => { for (let i = 0; i < most; i++) s.emit("number", i); });
  s.on("ask", async () => {
    const answer = await s.timeout(10_000).emitWithAck("question", "why");
    s.emit("asked", answer);
  });
  s.on("join", (room, ack) => { s.join(room); ack(true); });
  s.on("tell", (room, what) => io.of(s.nsp.name).to(room).emit("told", what));
  s.on("drop me", () => s.conn.close());
  s.on("kick me", () => s.disconnect(true));
};
io.on("connection", serve);
io.of("/custom").on("connection", serve);
io.of("/refused").use((_, next) => next(Object.assign(new Error("not you"), { data: { code: 7 } })));
http.listen(port, "127.0.0.1", () => console.log("listening", http.address().port));
process.on("SIGTERM", () => io.close(() => process.exit(0)));
