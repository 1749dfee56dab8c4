// The same job on Node's socket.io: poll the upstream, notice a change by
// SHA-1, send it to the dashboards of the region. It keeps nothing. Its
// modules are those of the suites: NODE_PATH=test/js/node_modules.
"use strict";
const http = require("http");
const crypto = require("crypto");
const { Server } = require("socket.io");

const regions = process.env.BENCH_REGIONS.split(",");
const interval = Number(process.env.BENCH_INTERVAL_MS);
const template = process.env.UPSTREAM_URL.replace("{api}", "acme");
const agent = new http.Agent({ keepAlive: true });

const server = http.createServer();
const io = new Server(server, {
  cors: { origin: "*" },
  perMessageDeflate: process.env.BENCH_DEFLATE ? { threshold: 1024 } : false,
});
io.on("connection", (socket) => {
  socket.on("metrics:subscribe", ({ source }) => socket.join(`metrics:acme:${source}`));
});

function poll(source, state) {
  http.get(template.replace("{source}", source), { agent }, (res) => {
    const parts = [];
    res.on("data", (part) => parts.push(part));
    res.on("end", () => {
      const text = Buffer.concat(parts).toString();
      const hash = crypto.createHash("sha1").update(text).digest("hex");
      if (hash === state.hash) return;
      state.hash = hash;
      io.to(`metrics:acme:${source}`).emit("metrics-update", {
        api: "acme", source, data: JSON.parse(text), timestamp: new Date().toISOString(),
      });
    });
  }).on("error", () => {});
}

server.listen(Number(process.env.SERVER_PORT), "127.0.0.1", () => {
  regions.forEach((source, i) => {
    const state = {};
    setTimeout(() => {
      poll(source, state);
      setInterval(() => poll(source, state), interval);
    }, (interval * i) / regions.length);
  });
});
process.on("SIGTERM", () => process.exit(0));
