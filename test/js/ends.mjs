// Loses a connection in each of the ways named and prints one JSON object: for
// each way what the client says of it, and whether it came back by itself.
// usage: node ends.mjs <url> <ways, comma separated>
import { io } from "socket.io-client";

const [url, ways] = process.argv.slice(2);
const times = (n, f) => { for (let i = 0; i < n; i++) f(i); };
const ws = (s) => s.io.engine.transport.ws;
const does = {
  "leaves": (s) => s.disconnect(),
  "hangs-up": (s) => ws(s)._socket.end(),
  "writes-garbage": (s) => ws(s).send("x"),
  "breaks-the-protocol": (s) => ws(s)._socket.write(Buffer.alloc(8, 0xff)),
  "asks-a-stranger": (s) => ws(s).send('42/none,["x"]'),
  "nests": (s) => ws(s).send('42["x",' + "[".repeat(300) + "]".repeat(300) + "]"),
  "sends-many-parts": (s) => s.emit("x", ...Array(20).fill(Buffer.from("x"))),
  "sends-too-long": (s) => s.emit("x", "x".repeat(1_100_000)),
  "sends-too-often": (s) => times(5000, (i) => s.emit("x", i)),
  "sends-too-much": (s) => times(40, () => s.emit("x", "x".repeat(900_000))),
  "gives-no-pong": (s) => {
    for (const name of ["sendPacket", "_sendPacket"]) {
      const send = s.io.engine[name];
      s.io.engine[name] = function (type, ...rest) {
        return type === "pong" ? undefined : send.call(this, type, ...rest);
      };
    }
  },
};

const lose = (way) => new Promise((done) => {
  const socket = io(url, { forceNew: true, transports: ["websocket"], reconnectionDelay: 50, reconnectionDelayMax: 100, extraHeaders: { "user-agent": way } });
  let lost;
  const over = (back) => {
    socket.disconnect();
    done([way, { lost, back }]);
  };
  socket.on("connect", () => {
    if (lost !== undefined) {
      over(true);
      return;
    }
    socket.emit("metrics:subscribe", { source: "us-east" });
    socket.once("metrics:data", () => does[way](socket)); // the server has handled the subscription before
    socket.emit("metrics:get", {});
  });
  socket.on("disconnect", (reason) => {
    lost ??= reason;
    if (lost === "io client disconnect") {
      setTimeout(() => over(false), 500);
    }
  });
});

const seen = await Promise.all(ways.split(",").map(lose));
console.log(JSON.stringify(Object.fromEntries(seen)));
process.exit(0);
