package poller

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"

	"github.com/devops-insights/devops-insights/store"
)

// benchAnswer is a recorded answer of an upstream, written as often as it
// takes to fill size bytes.
func benchAnswer(b *testing.B, size int) []byte {
	b.Helper()
	one, err := os.ReadFile("../test/contract/testdata/payload-us-east.json")
	if err != nil {
		b.Fatal(err)
	}
	body := []byte{'['}
	for len(body) == 1 || len(body)+len(one) < size {
		body = append(append(body, one...), ',')
	}
	body[len(body)-1] = ']'
	return body
}

// BenchmarkChangeDetection is what is done with the bytes of each answer: they
// are checked, freed of white space, and hashed.
func BenchmarkChangeDetection(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10} {
		body := benchAnswer(b, size)
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				data, err := compact(body)
				if err != nil || store.Hash(data) == "" {
					b.Fatal("the sample is not JSON")
				}
			}
		})
	}
}

// inMemory is an upstream without a network.
type inMemory []byte

func (m inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, ContentLength: int64(len(m)),
		Body: io.NopCloser(bytes.NewReader(m)), Request: r,
	}, nil
}

// unchanging is a store that has the value already.
type unchanging struct{}

func (unchanging) Save(_ context.Context, s store.Sample) (bool, error) {
	return store.Hash(s.Data) == "", nil
}

// BenchmarkPoll is one poll of a 4 KB answer that did not change: once with a
// source that has it in memory, once by way of the HTTP client, its limits and
// its breaker, with a transport that has it in memory.
func BenchmarkPoll(b *testing.B) {
	answer := benchAnswer(b, 4<<10)
	upstream, err := NewHTTP(HTTPOptions{URLTemplate: "http://{api}.invalid/{source}", Transport: inMemory(answer), PerSecond: 1e9})
	if err != nil {
		b.Fatal(err)
	}
	defer upstream.Close()
	for _, source := range []struct {
		name  string
		fetch Source
	}{
		{"source=memory", func(context.Context) (json.RawMessage, error) { return answer, nil }},
		{"source=http", upstream.Target("acme", "us-east").Fetch},
	} {
		b.Run(source.name, func(b *testing.B) {
			target := Target{API: "acme", Source: "us-east", Fetch: source.fetch}
			p, err := New(Options{Targets: []Target{target}, Saver: unchanging{}})
			if err != nil {
				b.Fatal(err)
			}
			h := incident{log: p.opts.Logger}
			b.ReportAllocs()
			for b.Loop() {
				r, _ := p.poll(context.Background(), target, p.timeout(0, p.opts.Interval))
				if r.Err != nil {
					b.Fatal(r.Err)
				}
				p.report(context.Background(), &h, r)
			}
		})
	}
}
