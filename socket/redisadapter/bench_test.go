package redisadapter

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/devops-insights/devops-insights/socket/socketio"
)

// benchUpdate is a recorded answer of an upstream as it is broadcast.
func benchUpdate(b *testing.B) socketio.Command {
	b.Helper()
	data, err := os.ReadFile("../../test/contract/testdata/payload-us-east.json")
	if err != nil {
		b.Fatal(err)
	}
	args, err := socketio.NewArgs("metrics-update", json.RawMessage(slices.Concat(
		[]byte(`{"api":"acme","source":"us-east","data":`), data, []byte(`,"timestamp":"2026-11-24T00:00:00.000Z"}`))))
	if err != nil {
		b.Fatal(err)
	}
	return socketio.Command{
		Kind: socketio.CommandBroadcast, Target: socketio.Target{Rooms: []string{"metrics:acme:us-east"}},
		Packet: &socketio.Packet{Type: socketio.PacketEvent, Namespace: "/", Data: args.JSON()},
	}
}

func BenchmarkBroadcastEncode(b *testing.B) {
	c := benchUpdate(b)
	l := newClassic("socket.io", "/", "abcdef", false)
	b.ReportAllocs()
	b.SetBytes(int64(len(c.Packet.Data)))
	for b.Loop() {
		if _, _, err := l.encodeRequest(c, "", 0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBroadcastDecode(b *testing.B) {
	c := benchUpdate(b)
	sender, receiver := newClassic("socket.io", "/", "abcdef", false), newClassic("socket.io", "/", "ghijkl", false)
	channel, body, err := sender.encodeRequest(c, "", 0)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if m, err := receiver.decode(channel, body); err != nil || m.command == nil {
			b.Fatal(m, err)
		}
	}
}
