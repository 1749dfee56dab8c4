// The public protocol over a native WebSocket: Engine.IO v4 packets and the
// text part of Socket.IO v5. It reconnects by itself and always says how it is.
const firstWait = 1000;
const longestWait = 10000;

export class Connection {
  constructor(onState, onEvent) {
    this.onState = onState;
    this.onEvent = onEvent;
    this.tries = 0;
    addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
    this.open();
  }

  open() {
    clearTimeout(this.retry);
    this.retry = undefined;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const ws = new WebSocket(`${scheme}//${location.host}/socket.io/?EIO=4&transport=websocket`);
    this.ws = ws;
    this.allowed = 20000;
    this.listen();
    ws.onmessage = (m) => this.ws === ws && typeof m.data === "string" && this.packet(m.data);
    ws.onclose = () => this.ws === ws && this.lost();
  }

  // Silence longer than a heartbeat and its timeout means that nobody is there,
  // whatever the socket itself believes.
  listen() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.lost(), this.allowed);
  }

  packet(text) {
    this.listen();
    const body = text.slice(1);
    if (text[0] === "0") {
      const open = JSON.parse(body);
      this.allowed = open.pingInterval + open.pingTimeout;
      this.listen();
      this.ws.send("40");
    } else if (text[0] === "2") {
      this.ws.send("3");
    } else if (body[0] === "0") {
      this.tries = 0;
      this.live = true;
      this.onState("live", 0);
    } else if (body[0] === "2") {
      // Digits before the array are an acknowledgement id; the page gives none.
      const [event, payload] = JSON.parse(body.slice(1).replace(/^\d+/, ""));
      this.onEvent(event, payload);
    } else if (text[0] === "1" || body[0] === "1" || body[0] === "4") {
      this.lost();
    }
  }

  lost() {
    clearTimeout(this.silence);
    const ws = this.ws;
    this.ws = undefined;
    this.live = false;
    if (ws) ws.close();
    const most = Math.min(longestWait, firstWait * 2 ** this.tries++);
    const wait = most / 2 + Math.random() * most / 2;
    this.onState("lost", Date.now() + wait);
    this.retry = setTimeout(() => this.open(), wait);
  }

  hurry() {
    if (this.retry !== undefined) this.open();
  }

  emit(event, payload) {
    if (this.live) this.ws.send("42" + JSON.stringify([event, payload]));
  }
}
