package cluster

import (
	"net/http/httptest"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/tinylib/msgp/msgp"

	"github.com/devops-insights/devops-insights/test/wire"
)

var _ = It("a client that speaks MessagePack hears what Go and Node servers broadcast, and acknowledges it", func() {
	redis := wire.StartRedis(GinkgoTB())
	a, b := start(redis), start(redis)
	n := startNode(redis.URL(), "classic", "")
	web := httptest.NewServer(a.Server)
	defer web.Close()
	ws, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(web.URL, "http")+"/socket.io/?EIO=4&transport=websocket", nil)
	Expect(err).NotTo(HaveOccurred())
	Expect(resp.Body.Close()).To(Succeed())
	defer func() { _ = ws.Close() }()
	send := func(packet map[string]any) {
		GinkgoHelper()
		bytes, err := msgp.AppendIntf(nil, packet)
		Expect(err).NotTo(HaveOccurred())
		Expect(ws.WriteMessage(websocket.BinaryMessage, bytes)).To(Succeed())
	}
	next := func() any {
		GinkgoHelper()
		Expect(ws.SetReadDeadline(time.Now().Add(15 * time.Second))).To(Succeed())
		kind, bytes, err := ws.ReadMessage()
		Expect(err).NotTo(HaveOccurred())
		Expect(kind).To(Equal(websocket.BinaryMessage))
		packet, rest, err := msgp.ReadIntfBytes(bytes)
		Expect(err).NotTo(HaveOccurred())
		Expect(rest).To(BeEmpty())
		return packet.(map[string]any)["data"]
	}
	_, _, err = ws.ReadMessage() // the open packet
	Expect(err).NotTo(HaveOccurred())
	send(map[string]any{"type": 0, "nsp": "/"})
	Expect(next()).To(HaveKey("sid"))

	Expect(b.all.Emit("of go", []byte{1, 2}, map[string]any{"in": []any{[]byte{3}}})).To(Succeed())
	Expect(next()).To(Equal([]any{"of go", []byte{1, 2}, map[string]any{"in": []any{[]byte{3}}}}))
	n.do(command{Do: "emit", Args: []any{"of node", map[string]any{"bytes": []int{1, 2}}, 1.5}})
	Expect(next()).To(Equal([]any{"of node", []byte{1, 2}, 1.5}))
	answers := make(chan string, 1)
	go func() {
		defer GinkgoRecover()
		all, err := b.all.Except(a.id, b.id, n.client).EmitWithAck(within(), "who")
		Expect(err).NotTo(HaveOccurred())
		Expect(all).To(HaveLen(1))
		answers <- string(all[0].JSON())
	}()
	Expect(next()).To(Equal([]any{"who"}))
	send(map[string]any{"type": 3, "nsp": "/", "id": 0, "data": []any{"ada"}})
	Eventually(answers).Should(Receive(Equal(`["ada"]`)))
})
