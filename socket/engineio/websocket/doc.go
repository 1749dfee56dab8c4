// Package websocket speaks RFC 6455 and permessage-deflate (RFC 7692), as a
// server that holds many connections which are mostly idle, and as a client. It
// never knows Engine.IO.
//
// A server takes a connection over with Upgrader.Upgrade and reads it with
// Conn.Next, which never waits for more than has come: between two reads a
// connection needs neither a goroutine nor a buffer, only its Decoder. Frames
// are made once with AppendFrame and written to Conn.NetConn by whoever has
// them, as they are the same for every client. A client connects with
// Dialer.Dial, and has ReadMessage, WriteMessage and Close.
//
// The peer is held to the letter: masks, reserved bits and opcodes, control
// frames, fragments, lengths in as few bytes as they need, text that is UTF-8
// (noticed as soon as the first wrong byte comes), statuses that may be sent.
// A mistake is an *Error with the Status to close with; it is told once and
// nothing follows it. What a length announces is believed only as far as the
// bytes come, and a compressed message is inflated no further than its bound.
//
// Compression works without context takeover on either side, so that one
// compressed frame serves everyone and an idle connection holds no window. Of
// a client with a small window (server_max_window_bits) Conn.DeflateWindow
// tells the largest message that may be compressed: within it no distance
// exceeds the window. Offers with parameters that are unknown, doubled or of
// another form are declined.
//
// # Why not a library
//
// gorilla/websocket 1.5.3, which was here before, has had no change since March
// 2025. It and the others (gobwas/ws 1.4.0, coder/websocket 1.8.15, lxzan/gws
// 1.8.9) read by waiting: a frame that comes in parts holds a goroutine and its
// buffers, and only gorilla and gobwas give the connection away. This server's
// table of 443 cases for RFC 6455, sent to an echo on each library with its
// plain means (each case at once and byte by byte):
//
//	this package       443
//	ws 8 for Node      424
//	lxzan/gws          393
//	gobwas/ws          391
//	coder/websocket    300
//	gorilla/websocket  289
//
// They differ most in lengths that are longer than need be, in statuses that
// are echoed, in mistakes that are answered twice or cut off, and in text that
// is not checked. The cost of a connection to package engineio on it, beside
// the same with gorilla/websocket (two cores, the client's part included;
// BenchmarkConnect, BenchmarkReceive and BenchmarkIdle there):
//
//	                            gorilla   this package
//	handshake and end, CPU       104 µs         101 µs   though the answer has a write of its own
//	message of 32 bytes, CPU    11.7 µs        11.2 µs
//	64 of them in a segment       27 µs          19 µs
//	message of 4 kB, CPU        24.7 µs        13.9 µs
//	message of 500 kB, CPU       970 µs         510 µs
//	idle connection, memory     3.8 kB         2.9 kB
package websocket
