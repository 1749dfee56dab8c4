// Connects and subscribes to a region, says what it sees, and prints one JSON
// object when it is back after the server has stopped and hears of its region
// again: why it lost the connection, and the update.
// usage: node shutdown.mjs <package> <url> <transports, comma separated>
const [name, url, transports] = process.argv.slice(2);
const loaded = await import(name);
const io = loaded.io ?? loaded.default;
const socket = io(url, { transports: transports.split(","), reconnectionDelay: 50, reconnectionDelayMax: 200 });
let lost;
let heard = false;
socket.on("connect", () => {
  if (lost === undefined) {
    console.log("connected");
  }
  socket.emit("metrics:subscribe", { source: "us-east" });
});
socket.on("metrics-update", (update) => {
  if (lost !== undefined) {
    console.log(JSON.stringify({ lost, back: true, update: update.data }));
    process.exit(0);
  }
  if (!heard) {
    heard = true;
    console.log("heard");
  }
});
socket.on("disconnect", (reason) => {
  if (lost === undefined) {
    console.log("lost");
  }
  lost = reason;
});
