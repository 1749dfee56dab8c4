package socketio

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gorilla/websocket"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/socket/engineio"
)

var _ = Describe("OnConnectionError", func() {
	It("hears of refused requests, with status and code, and of nothing that is served", func(ctx SpecContext) {
		heard := make(chan *ConnectionError, 10)
		srv := NewServer(Options{Engine: engineio.Options{AllowRequest: func(r *http.Request) error {
			if r.Header.Get("X-Refuse") != "" {
				return errors.New("not you")
			}
			return nil
		}}})
		srv.OnConnectionError(func(*ConnectionError) { panic("a mistake") })
		srv.OnConnectionError(func(e *ConnectionError) { heard <- e })
		web := httptest.NewServer(srv)
		defer web.Close()
		ask := func(query, header string) {
			GinkgoHelper()
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, web.URL+"/socket.io/?"+query, http.NoBody)
			Expect(err).NotTo(HaveOccurred())
			r.Header.Set("X-Refuse", header)
			resp, err := http.DefaultClient.Do(r)
			Expect(err).NotTo(HaveOccurred())
			Expect(resp.Body.Close()).To(Succeed())
		}
		for _, refused := range []struct {
			query, header, message string
			status, code           int
		}{
			{"EIO=4&transport=polling&sid=unknown", "", "Session ID unknown", 400, 1},
			{"EIO=4&transport=carrier-pigeon", "", "Transport unknown", 400, 0},
			{"EIO=3&transport=polling", "", "Unsupported protocol version", 400, 5},
			{"EIO=4&transport=polling", "yes", "not you", 403, 4},
		} {
			ask(refused.query, refused.header)
			var e *ConnectionError
			Eventually(heard, "10s").Should(Receive(&e))
			Expect(e.Error()).To(ContainSubstring(refused.message))
			Expect([]int{e.Status, e.Code}).To(Equal([]int{refused.status, refused.code}))
			Expect(e.Request.URL.RawQuery).To(Equal(refused.query))
			Expect(e.Session).To(BeNil())
		}
		ask("EIO=4&transport=polling", "")
		ws, resp, err := websocket.DefaultDialer.Dial(strings.Replace(web.URL, "http", "ws", 1)+"/socket.io/?EIO=4&transport=websocket", nil)
		Expect(err).NotTo(HaveOccurred(), "the connection is taken over as ever")
		Expect(resp.Body.Close()).To(Succeed())
		Expect(ws.Close()).To(Succeed())
		Expect(srv.Close(ctx)).To(Succeed())
		Expect(heard).NotTo(Receive())
	})

	DescribeTable("hears why a connection was closed", func(want error, frames ...string) {
		srv, connect := serve(Options{MaxNamespaces: 1, MaxNesting: 10, MaxAttachments: 1, MaxEventRate: 4})
		srv.Of("/more")
		heard := make(chan *ConnectionError, 10)
		srv.OnConnectionError(func(e *ConnectionError) { heard <- e })
		p := connect("/,")
		p.frames(frames...)
		var e *ConnectionError
		Eventually(heard, "10s").Should(Receive(&e))
		Expect(e).To(MatchError(want))
		Expect(e.Session.Protocol()).To(Equal(4))
		Expect(e.Request.URL.Path).To(Equal("/socket.io/"))
		p.ended()
	},
		Entry("malformed packets", ErrMalformed, "4abc"),
		Entry("unexpected packets", ErrUnexpected, "40"),
		Entry("nesting", ErrTooDeep, `42["x",`+strings.Repeat("[", 20)+strings.Repeat("]", 20)+`]`),
		Entry("binary parts", ErrTooMuchBinary, `452-["x"]`),
		Entry("namespaces", ErrTooManyNamespaces, "40/more,"),
		Entry("reserved events", ErrReservedEvent, `42["disconnect"]`),
	)
})
