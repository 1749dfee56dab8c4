// Loses its connection while the server goes on counting, and prints whether
// its state was recovered and what it heard.
// usage: node recovery.mjs <url> <transports, comma separated> [parser package]
import { io } from "socket.io-client";

const [url, transports, name] = process.argv.slice(2);
const parser = name && (await import(name)).default;
const socket = io(url, { ...(parser && { parser }), transports: transports.split(","), reconnectionDelay: 200, reconnectionDelayMax: 300 });
const once = (emitter, event) =>
  Promise.race([
    new Promise((done) => emitter.once(event, done)),
    new Promise((_, fail) => setTimeout(() => fail(new Error(`${event}: nothing for 10 s`)), 10_000).unref()),
  ]);
const numbers = [];
socket.on("tick", (n) => numbers.push(n));
await once(socket, "connect");
const id = socket.id;
await socket.emitWithAck("join", "ticks");
while (numbers.length < 5) await once(socket, "tick");
socket.io.engine.close();
await once(socket, "connect");
const [recovered, same] = [socket.recovered, socket.id === id];
const heard = numbers.length;
while (numbers.length < heard + 5) await once(socket, "tick");
const gapless = numbers.every((n, i) => n === numbers[0] + i);
console.log(JSON.stringify({ recovered, same, gapless }));
process.exit(0);
