package engineio

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/devops-insights/devops-insights/socket/engineio/internal/wire"

	"github.com/devops-insights/devops-insights/socket/engineio/websocket"
)

// benchSizes are the lengths of the messages that the benchmarks carry.
var benchSizes = []int{256, 4 << 10, 64 << 10}

// benchText looks like a status answer, so that compression has work to do.
func benchText(size int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, `{"worker":%d,"load":%.3f,"state":"running"},`, i, float64(i%97)/7)
	}
	return b.Bytes()[:size]
}

// benchEach runs a benchmark for every size.
func benchEach(b *testing.B, run func(b *testing.B, data []byte)) {
	b.Helper()
	for _, size := range benchSizes {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(size))
			run(b, benchText(size))
		})
	}
}

func BenchmarkFrame(b *testing.B) {
	b.Run("kind=text", func(b *testing.B) {
		benchEach(b, func(b *testing.B, data []byte) {
			for b.Loop() {
				NewText(data).wire()
			}
		})
	})
	b.Run("kind=binary", func(b *testing.B) {
		benchEach(b, func(b *testing.B, data []byte) {
			for b.Loop() {
				NewBinary(data).wire()
			}
		})
	})
	b.Run("kind=deflated", func(b *testing.B) {
		var by websocket.Flate
		benchEach(b, func(b *testing.B, data []byte) {
			for b.Loop() {
				NewText(data).deflated(&by, 1)
			}
		})
	})
	b.Run("kind=shared", func(b *testing.B) {
		benchEach(b, func(b *testing.B, data []byte) {
			m := NewText(data)
			for b.Loop() {
				m.wire()
			}
		})
	})
}

func BenchmarkPayloadEncode(b *testing.B) {
	for _, count := range []int{1, 10} {
		b.Run(fmt.Sprintf("messages=%d", count), func(b *testing.B) {
			benchEach(b, func(b *testing.B, data []byte) {
				messages := make([]*Message, count)
				b.SetBytes(int64(count * len(data)))
				for b.Loop() {
					for i := range messages {
						messages[i] = NewText(data)
					}
					encodePayload(messages)
				}
			})
		})
	}
	b.Run("messages=binary", func(b *testing.B) {
		benchEach(b, func(b *testing.B, data []byte) {
			for b.Loop() {
				encodePayload([]*Message{NewBinary(data)})
			}
		})
	})
}

func BenchmarkPayloadDecode(b *testing.B) {
	decode := func(b *testing.B, body []byte, want int) {
		b.Helper()
		for b.Loop() {
			got := 0
			if err := wire.DecodePayload(body, func(packet) bool { got++; return true }); err != nil || got != want {
				b.Fatal(got, err)
			}
		}
	}
	for _, count := range []int{1, 10} {
		b.Run(fmt.Sprintf("messages=%d", count), func(b *testing.B) {
			benchEach(b, func(b *testing.B, data []byte) {
				messages := make([]*Message, count)
				for i := range messages {
					messages[i] = NewText(data)
				}
				b.SetBytes(int64(count * len(data)))
				decode(b, encodePayload(messages), count)
			})
		})
	}
	b.Run("messages=binary", func(b *testing.B) {
		benchEach(b, func(b *testing.B, data []byte) { decode(b, encodePayload([]*Message{NewBinary(data)}), 1) })
	})
}

func BenchmarkBacklog(b *testing.B) {
	b.ReportAllocs()
	q := backlog{limit: 1 << 20, most: 1000, memory: newBudget(1 << 30)}
	messages := make([]*Message, 100)
	for i := range messages {
		messages[i] = NewText(benchText(256))
	}
	for b.Loop() {
		for _, m := range messages {
			q.push(m)
		}
		for q.pop() != nil {
		}
	}
}
