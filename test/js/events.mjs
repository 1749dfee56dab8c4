// A dashboard with the real socket.io-client that does what it is told: it emits
// each line of its input, [event, payload], and prints every event that it hears,
// and when it is connected and disconnected.
// usage: node events.mjs <url>
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const socket = io(process.argv[2], { transports: ["websocket"] });
const say = (...line) => console.log(JSON.stringify(line));
socket.on("connect", () => say("connect"));
socket.on("disconnect", (reason) => say("disconnect", reason));
socket.onAny(say);
createInterface({ input: process.stdin }).on("line", (line) => socket.emit(...JSON.parse(line))).on("close", () => process.exit(0));
