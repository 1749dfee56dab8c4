package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("dynamic namespaces", func() {
	It("come by pattern and by function, inherit from their parent, and go with their last client", func() {
		srv, connect := serve(Options{})
		tenants := srv.OfPattern(regexp.MustCompile(`^/tenant-\d+$`))
		tenants.Use(func(s *Socket) error {
			if s.Namespace().Name() == "/tenant-0" {
				return errors.New("closed")
			}
			return nil
		})
		tenants.On("who", func(s *Socket, _ Args, ack Ack) { _ = ack(s.Namespace().Name()) })
		srv.OfFunc(func(name string, auth json.RawMessage) bool { return name == "/"+string(auth) })
		p := connect("")
		p.send("40/tenant-7,", "40/tenant-0,", "40/other,", `40/{"a":1},{"a":1}`)
		Expect(p.next()).To(HavePrefix(`40/tenant-7,{`))
		Expect(p.next()).To(Equal(`44/tenant-0,{"message":"closed"}`))
		Expect(p.next()).To(Equal(`44/other,{"message":"Invalid namespace"}`))
		Expect(p.next()).To(HavePrefix(`40/{"a":1},`))
		p.send(`42/tenant-7,1["who"]`)
		Expect(p.next()).To(Equal(`43/tenant-7,1["/tenant-7"]`))
		Expect(tenants.Emit("news")).To(Succeed())
		Expect(p.next()).To(Equal(`42/tenant-7,["news"]`))
		Expect(tenants.Children()).To(HaveLen(1))
		p.send("41/tenant-7,")
		Eventually(tenants.Children, "10s").Should(BeEmpty())
	})
})

var _ = Describe("children of a parent namespace", func() {
	It("have each their own middleware and handlers", func() {
		srv, connect := serve(Options{})
		tenants := srv.OfPattern(regexp.MustCompile(`^/tenant-\d+$`))
		for range 3 { // leaves spare room in a slice that would be shared
			tenants.Use(func(*Socket) error { return nil })
		}
		for _, name := range []string{"/tenant-1", "/tenant-2"} {
			connect(name + ",")
			child := srv.Of(name)
			child.Use(func(s *Socket) error {
				if s.Namespace() != child {
					return errors.New("the middleware of " + child.Name())
				}
				return nil
			})
			child.On("who", func(_ *Socket, _ Args, ack Ack) { _ = ack(child.Name()) })
		}
		tenants.Use(func(*Socket) error { return errors.New("later") })
		p := connect("/tenant-1,")
		p.send(`42/tenant-1,1["who"]`)
		Expect(p.next()).To(Equal(`43/tenant-1,1["/tenant-1"]`))
		connect("/tenant-2,")
		q := connect("")
		q.send("40/tenant-3,")
		Expect(q.next()).To(Equal(`44/tenant-3,{"message":"later"}`))
	})

	It("are asked for without a lock: the function may use the server, and be slow", func() {
		srv, connect := serve(Options{NewAdapter: func(n *Namespace) Adapter {
			if n.Name() == "/quick" {
				n.server.Of("/beside")
			}
			return brokenAdapter{}
		}})
		release := make(chan struct{})
		srv.OfFunc(func(name string, _ json.RawMessage) bool {
			srv.Of("/made")
			if name == "/slow" {
				<-release
			}
			return true
		})
		slow := connect("")
		slow.send("40/slow,")
		connect("/quick,") // while the other one waits
		close(release)
		Expect(slow.next()).To(HavePrefix("40/slow,{"))
	})

	It("go although a command of another server ended their last client, and once nobody may come back", func() {
		var adapters []*workingAdapter
		var now atomic.Int64
		srv, connect := serve(Options{
			NewAdapter: func(n *Namespace) Adapter {
				a := newWorkingAdapter(n)
				adapters = append(adapters, a)
				return a
			},
		})
		parent := srv.OfPattern(regexp.MustCompile(`^/t`))
		p := connect("/t1,")
		adapters[len(adapters)-1].commands <- Command{Kind: CommandDisconnect}
		Expect(p.next()).To(Equal("41/t1,"))
		Eventually(parent.Children, "10s").Should(BeEmpty())
		Eventually(adapters[len(adapters)-1].closed, "10s").Should(BeClosed())

		srv, connect = serve(Options{Recovery: &Recovery{
			MaxDisconnection: 10 * time.Millisecond, Now: func() time.Time { return time.UnixMilli(now.Load()) },
		}})
		parent = srv.OfPattern(regexp.MustCompile(`^/t`))
		p = connect("/t2,")
		Expect(p.Close()).To(Succeed())
		Eventually(srv.Connections, "10s").Should(BeZero())
		Expect(parent.Children()).To(HaveLen(1), "the client may come back")
		now.Add(1000)
		Eventually(parent.Children, "10s").Should(BeEmpty())
	})
})

// workingAdapter carries commands out in a goroutine that Close waits for.
type workingAdapter struct {
	commands chan Command
	closed   chan struct{}
	done     chan struct{}
}

func newWorkingAdapter(n *Namespace) *workingAdapter {
	a := &workingAdapter{commands: make(chan Command), closed: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(a.done)
		for {
			select {
			case c := <-a.commands:
				n.Apply(c, func(Answer) {})
			case <-a.closed:
				return
			}
		}
	}()
	return a
}

func (*workingAdapter) Publish(Command) error                            { return nil }
func (*workingAdapter) Ask(context.Context, Command, func(Answer)) error { return nil }
func (a *workingAdapter) Close() error {
	close(a.closed)
	<-a.done
	return nil
}
