package socket

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/store"
)

// sends is a WriteObserver that keeps what it is told; silent is told nothing of
// what was written.
type (
	sends struct {
		mu    sync.Mutex
		lines []string
	}
	silent struct{ all *sends }
)

func (s *sends) note(format string, values ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, fmt.Sprintf(format, values...))
}

func (s *sends) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lines
}

func (s *sends) Sending(c store.Change, local bool) func(error) {
	s.note("sending %s %s %t", c.Source, c.Data, local)
	return func(err error) { s.note("sent %s: %v", c.Source, err) }
}

func (s *sends) Written(c store.Change) { s.note("written %s %d bytes of data", c.Hash, len(c.Data)) }

func (s *sends) Skipped(c store.Change) { s.note("skipped %s", c.Hash) }

func (s silent) Sending(store.Change, bool) func(error) {
	s.all.note("silent")
	return func(error) {}
}

var _ = Describe("what is sent to an audience", func() {
	var (
		srv *socketio.Server
		ask func(method, query, body string) string
	)
	change := func(hash string) store.Change {
		return store.Change{Metric: store.Metric{API: "acme", Source: "eu-west", Data: json.RawMessage(`{"n":1}`), Hash: hash}}
	}
	BeforeEach(func() {
		srv = socketio.NewServer(socketio.Options{})
		DeferCleanup(func(ctx SpecContext) { Expect(srv.Close(ctx)).To(Succeed()) })
		srv.Of("/").OnConnect(func(s *socketio.Socket) { _ = s.Join(Room("acme", "eu-west")) })
		ask = func(method, query, body string) string {
			w := httptest.NewRecorder()
			srv.ServeHTTP(w, httptest.NewRequest(method, "/socket.io/?EIO=4&transport=polling"+query, strings.NewReader(body)))
			answer, err := io.ReadAll(w.Result().Body)
			Expect(err).NotTo(HaveOccurred())
			return string(answer)
		}
	})
	// dashboard is in the room, and is sent nothing before it polls.
	dashboard := func() (poll func() string) {
		var open struct{ SID string }
		Expect(json.Unmarshal([]byte(ask("GET", "", "")[1:]), &open)).To(Succeed())
		ask("POST", "&sid="+open.SID, "40")
		poll = func() string { return ask("GET", "&sid="+open.SID, "") }
		Expect(poll()).To(HavePrefix(`40{"sid"`))
		return poll
	}

	It("is told to observers, and when every dashboard has it", func() {
		poll, other := dashboard(), dashboard()
		seen := new(sends)
		a := NewAudience(srv.Of("/"), time.Now, nil, silent{seen}, seen)
		_, err := a.Send(change("one"), true)
		Expect(err).NotTo(HaveOccurred())
		sent := []string{"silent", `sending eu-west {"n":1} true`, "sent eu-west: <nil>"}
		Expect(seen.all()).To(Equal(sent), "nobody has polled yet")
		Expect(poll()).To(ContainSubstring(EventUpdate))
		Expect(seen.all()).To(Equal(sent), "one has not polled yet")
		Expect(other()).To(ContainSubstring(EventUpdate))
		Eventually(seen.all, "10s").Should(Equal(append(sent, "written one 0 bytes of data")))
	})

	It("is written when a newer value has taken its place, too", func() {
		poll := dashboard()
		seen := new(sends)
		a := NewAudience(srv.Of("/"), time.Now, seen)
		for _, hash := range []string{"one", "two", "three"} {
			_, err := a.Send(change(hash), true)
			Expect(err).NotTo(HaveOccurred())
		}
		Expect(seen.all()).To(ContainElement("written two 0 bytes of data"), "it gave way to the third")
		Expect(seen.all()).To(ContainElement("skipped two"))
		Expect(seen.all()).NotTo(ContainElement("skipped one"))
		Expect(seen.all()).NotTo(ContainElement("written three 0 bytes of data"))
		poll()
		Eventually(seen.all, "10s").Should(ContainElements("written one 0 bytes of data", "written three 0 bytes of data"))
	})

	It("is written to nobody where nobody listens", func() {
		seen := new(sends)
		_, err := NewAudience(srv.Of("/"), time.Now, seen).Send(change("one"), false)
		Expect(err).NotTo(HaveOccurred())
		Expect(seen.all()).To(ConsistOf(`sending eu-west {"n":1} false`, "sent eu-west: <nil>", "written one 0 bytes of data"))
	})

	It("is written when the dashboard goes instead", func(ctx SpecContext) {
		dashboard()
		seen := new(sends)
		_, err := NewAudience(srv.Of("/"), time.Now, seen).Send(change("one"), true)
		Expect(err).NotTo(HaveOccurred())
		Expect(srv.Close(ctx)).To(Succeed())
		Eventually(seen.all, "10s").Should(ContainElement("written one 0 bytes of data"))
	})
})
