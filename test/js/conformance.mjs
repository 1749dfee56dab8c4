// Drives a server with one of the real clients and prints one JSON object with
// everything it saw. The server is the one of test/clients.
// usage: node conformance.mjs <package> <url> <transports, comma separated> [parser package]
const [name, url, transports, parser] = process.argv.slice(2);
const loaded = await import(name);
const io = loaded.io ?? loaded.default;
const options = { transports: transports.split(","), reconnectionDelay: 50, reconnectionDelayMax: 200, forceNew: true };
if (parser) options.parser = (await import(parser)).default;
const seen = {};
const within = (what, promise) =>
  Promise.race([promise, new Promise((_, fail) => setTimeout(() => fail(new Error(`${what}: nothing for 10 s`)), 10_000).unref())]);
const once = (emitter, event) => within(event, new Promise((done) => emitter.once(event, (...args) => done(args))));

const socket = io(url, { ...options, auth: { token: "abc" } });
const [auth] = await once(socket, "auth");
seen.auth = auth;
const engine = socket.io.engine;
if (transports === "polling,websocket" && engine.transport.name === "polling") await once(engine, "upgrade");
seen.transport = engine.transport.name;

socket.emit("message", 1, "2", { 3: [true] }, "€ 😀");
seen.echo = await once(socket, "message-back");

socket.emit("message", { deep: [{ data: Buffer.from([1, 2, 3]) }] }, Buffer.from([4]));
const [deep, flat] = await once(socket, "message-back");
seen.binary = [[...Buffer.from(deep.deep[0].data)], [...Buffer.from(flat)]];

seen.ack = await within("ack", new Promise((done) => socket.emit("message-with-ack", "a", null, (...args) => done(args))));

const counted = within("count", new Promise((done) => {
  const numbers = [];
  socket.on("number", (n) => { numbers.push(n); if (numbers.length === 1000) done(numbers); });
}));
socket.emit("count", 1000);
seen.received = (await counted).every((n, i) => n === i);

for (let i = 0; i < 1000; i++) socket.emit("keep", i);
seen.sent = await within("kept", new Promise((done) => socket.emit("kept", done)));

socket.on("question", (text, answer) => answer(`${text}?`, Buffer.from([7])));
socket.emit("ask");
seen.asked = await once(socket, "asked");

if (parser) {
  // What only this parser has: undefined, dates and ArrayBuffers inside.
  socket.emit("message", undefined, { a: undefined, b: 1 }, new Date(1e12), [Uint8Array.of(5, 6).buffer, undefined]);
  const [gone, left, date, [buffer, last]] = await once(socket, "message-back");
  seen.special = [gone, left, date, [...Buffer.from(buffer)], last];
}

const custom = io(`${url}/custom`, { ...options, forceNew: false, auth: { token: "def" }, query: { token: "def" } });
await once(custom, "auth");
custom.emit("message", "in custom");
seen.custom = await once(custom, "message-back");
const refused = io(`${url}/refused`, options);
const why = await Promise.race([once(refused, "connect_error"), once(refused, "error")]);
seen.refused = why[0].message ?? why[0];
refused.close();

const closed = once(socket, "disconnect");
socket.emit("drop me");
seen.dropped = (await closed)[0];
await once(socket, "connect");
seen.reconnected = true;
const kicked = once(socket, "disconnect");
socket.emit("kick me");
seen.kicked = (await kicked)[0];

console.log(JSON.stringify(seen));
socket.close();
custom.close();
process.exit(0);
