package adminui

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("commands", func() {
	It("are carried out, and each is one line of the log that tells no payload and no whole id", func() {
		in := start(full)
		d, p := in.dashboard(), in.administrator()
		id, own := d.ID(), p.ID() // there are none any more when they have gone
		Expect(string(p.hear("config"))).To(ContainSubstring(
			`["EMIT","JOIN","LEAVE","DISCONNECT","MJOIN","MLEAVE","MDISCONNECT","AGGREGATED_EVENTS"]`))
		Expect(p.ask("join", "/", "room", d.ID())).To(Equal(`{"ok":true}`))
		Expect(p.ask("emit", "/", "room", "news", map[string]string{"secret": "hunter3"}, []byte{1, 2})).To(Equal(`{"ok":true}`))
		news := d.hearAll("news")
		Expect(string(news.Raw(0))).To(Equal(`{"secret":"hunter3"}`))
		Expect(news.Attachments()).To(Equal([][]byte{{1, 2}}))
		Expect(p.ask("leave", "/", "room")).To(Equal(`{"ok":true}`))
		Expect(p.ask("emit", "/", "room", "news", 2)).To(Equal(`{"ok":true}`), "to nobody")
		Expect(p.ask("emit", "/", nil, "all")).To(Equal(`{"ok":true}`))
		Expect((<-d.events).name).To(Equal("all"))
		Expect(p.ask("_disconnect", "/", false, d.ID())).To(Equal(`{"ok":true}`))
		Eventually(d.gone, "10s").Should(Receive())

		lines := in.log.lines("a command of an administrator was carried out")
		Expect(lines).To(HaveLen(6))
		text := strings.Join(lines, "\n")
		Expect(text).NotTo(Or(ContainSubstring("hunter3"), ContainSubstring(id), ContainSubstring(own)))
		Expect(lines[0]).To(And(ContainSubstring(`"command":"join"`), ContainSubstring(`"filter":"`+short(id)+`…"`), ContainSubstring(`"room":"room"`), ContainSubstring(`"address":"10.0.0.1"`)))
		Expect(lines[1]).To(And(ContainSubstring(`"event":"news"`), ContainSubstring(`"args":2`), ContainSubstring(`"namespace":"/"`)))
		Expect(lines[4]).To(ContainSubstring(`"filter":"all"`))
	})

	DescribeTable("are refused with a sentence", func(sentence, command string, args ...any) {
		in := start(full)
		d, p := in.dashboard(), in.administrator()
		Expect(p.ask(command, args...)).To(And(HavePrefix(`{"error":`), ContainSubstring(sentence)))
		Expect(in.log.lines("a command of an administrator")).To(HaveLen(1))
		Expect(in.server.Namespaces()).To(HaveLen(2), "none is made")
		Expect(d.Connected()).To(BeTrue())
	},
		Entry(nil, "the namespace must be a text", "emit"),
		Entry(nil, "the namespace must be a text", "join", 1, "room"),
		Entry(nil, "this server has no such namespace", "emit", "/nowhere", nil, "x"),
		Entry(nil, "the filter must be a text", "emit", "/", []string{"a", "b"}, "x"),
		Entry(nil, "the filter must be a text", "_disconnect", "/", true, map[string]int{"a": 1}),
		Entry(nil, "the filter must be a text", "leave", "/", "room", 7),
		Entry("which a script may have by mistake", "the filter must have 1 to 1024 bytes", "_disconnect", "/", true, ""),
		Entry(nil, "the event must be a text", "emit", "/", "room"),
		Entry(nil, "the event must be a text", "emit", "/", nil, 7),
		Entry(nil, "reserved", "emit", "/", nil, "disconnect"),
		Entry(nil, "reserved", "emit", "/", nil, "connect_error", 1),
		Entry(nil, "nothing is emitted to /admin", "emit", "/admin", nil, "session", "x"),
		Entry(nil, "the room must be a text", "join", "/"),
		Entry(nil, "the room must have 1 to 1024 bytes", "join", "/", strings.Repeat("x", 2000)),
		Entry(nil, "true or false", "_disconnect", "/"),
		Entry(nil, "true or false", "_disconnect", "/", "yes"),
	)

	It("do nothing where they are not allowed, and are logged", func() {
		in := start()
		d, p := in.dashboard(), in.administrator()
		for _, c := range [][]any{{"emit", "/", nil, "x"}, {"join", "/", "room"}, {"leave", "/", "room"}, {"_disconnect", "/", true}} {
			Expect(p.ask(c[0].(string), c[1:]...)).To(ContainSubstring("ADMIN_UI=full allows them"))
		}
		Expect(d.Connected()).To(BeTrue())
		Expect(d.events).To(BeEmpty())
		Expect(in.log.lines("a command of an administrator was refused")).To(HaveLen(4))
	})

	It("too fast end the connection", func() {
		in := start()
		p := in.administrator()
		for range 2 * commandBurst {
			if p.Emit("join", "/", "room") != nil {
				break
			}
		}
		Eventually(p.gone, "10s").Should(Receive())
		Expect(len(in.log.lines("a command of an administrator was refused"))).To(BeNumerically("<=", commandBurst+commandRate+1))
	})
})

var _ = DescribeTable("the log has of a name", func(name, logs string) {
	Expect(logged(name)).To(Equal(logs))
},
	Entry(nil, "metrics:acme:us-east", "metrics:acme:us-east"),
	Entry(nil, "AbCdEfGhIjKlMnOpQr-_", "AbCdEf…"),
	Entry(nil, "/admin#AbCdEfGhIjKlMnOpQr-_", "/admin#AbCdEf…"),
	Entry(nil, strings.Repeat("x", 200), strings.Repeat("x", 100)+"…"),
	Entry("cut within a letter", strings.Repeat("x", 99)+"ä", strings.Repeat("x", 99)+"\ufffd…"),
)
