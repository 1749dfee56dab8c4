package cluster

import (
	"cmp"
	"context"
	"regexp"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	goredis "github.com/redis/go-redis/v9"

	"github.com/devops-insights/devops-insights/socket/redisadapter"
	"github.com/devops-insights/devops-insights/test/wire"
)

// ids are the parts of a message that are drawn by lot, uid and request id, and
// the time that is left, in JSON and in MessagePack.
var ids = regexp.MustCompile(`(?s)"timeout":\d+|\xa7timeout\xcd..|"(uid|requestId)":"[^"]*"|\xa3uid(\xa6.{6}|\xb0.{16})|\xa9requestId(\xa6.{6}|\xb0.{16})|^\x93\xa6.{6}`)

// latin makes each byte a character, which is what the expression above reads.
func latin(s string) string {
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

// sent is a message on Redis without what is drawn by lot.
type sent struct{ Channel, Body string }

// bytesOf are values as the Node program revives them.
func bytesOf(b ...int) map[string]any { return map[string]any{"bytes": append([]int{}, b...)} }

// goValue is the same value for our server.
func goValue(v any) any {
	switch t := v.(type) {
	case map[string]any:
		if list, ok := t["bytes"].([]int); ok {
			b := make([]byte, len(list))
			for i, n := range list {
				b[i] = byte(n)
			}
			return b
		}
		all := make(map[string]any)
		for k, e := range t {
			all[k] = goValue(e)
		}
		return all
	case []any:
		all := make([]any, len(t))
		for i, e := range t {
			all[i] = goValue(e)
		}
		return all
	}
	return v
}

// perform does in our server what the command asks of the Node server.
func perform(ctx context.Context, s *server, c command) {
	GinkgoHelper()
	namespace := s.all
	if c.Namespace != "" {
		namespace = s.Of(c.Namespace)
	}
	b := namespace.To(c.Rooms...).Except(c.Except...)
	if c.Flags["volatile"] != nil {
		b = b.Volatile()
	}
	if allowed, set := c.Flags["compress"].(bool); set {
		b = b.Compress(allowed)
	}
	args, _ := goValue(c.Args).([]any)
	names := func() (all []string) {
		for _, a := range args {
			all = append(all, a.(string))
		}
		return all
	}
	var err error
	switch c.Do {
	case "emit":
		err = b.Emit(args[0].(string), args[1:]...)
	case "ack":
		_, err = b.EmitWithAck(ctx, args[0].(string), args[1:]...)
	case "join":
		err = b.SocketsJoin(names()...)
	case "leave":
		err = b.SocketsLeave(names()...)
	case "disconnect":
		err = b.DisconnectSockets(c.Close)
	case "fetch":
		_, err = b.FetchSockets(ctx)
	case "serverEmit":
		err = namespace.ServerSideEmit(args[0].(string), args[1:]...)
	case "serverAsk":
		_, err = namespace.ServerSideEmitWithAck(ctx, args[0].(string), args[1:]...)
	}
	if err != nil { // what nobody answers is of no interest here
		Expect(err).To(MatchError(context.DeadlineExceeded))
	}
}

var _ = DescribeTable("for the same call a Go server publishes the bytes that a Node server does", func(mode string) {
	redis := wire.StartRedis(GinkgoTB())
	client := redis.Client()
	DeferCleanup(client.Close)
	s := start(redis, func(o *redisadapter.Options) { o.SpecificResponses, o.Sharded = mode == "specific", mode == "sharded" })
	s.Of("/admin")
	n := startNode(redis.URL(), mode)
	text := strings.Repeat("long ", 100)
	calls := []command{
		{Do: "emit", Args: []any{"e"}},
		{Do: "emit", Args: []any{"e", "Größe 北京 🚀", "\"\\\n", true, nil, []any{}, map[string]any{}, text}},
		{Do: "emit", Args: []any{"e", 0, 127, 128, 255, 256, 65535, 65536, 4294967295, 4294967296, -1, -32, -33, -128, -129, -32768, -32769, -2147483648, -2147483649, 1.5, -0.25}},
		{Do: "emit", Args: []any{"e", map[string]any{"in": []any{map[string]any{"b": bytesOf(1, 2)}, bytesOf()}}, bytesOf(3)}},
		{Do: "emit", Rooms: []string{"Räume/北京 🚀"}, Args: []any{"e", 1}},
		{Do: "emit", Rooms: []string{"a#b#"}, Args: []any{"e", 1}},
		{Do: "emit", Rooms: []string{"a", "b", "c"}, Except: []string{"d", "e#"}, Args: []any{"e", 1}},
		{Do: "emit", Rooms: []string{"abcdefghijklmnopqrst"}, Args: []any{"e", "to a socket"}},
		{Do: "emit", Except: []string{"d"}, Flags: map[string]any{"volatile": true}, Args: []any{"e", 1}},
		{Do: "emit", Flags: map[string]any{"volatile": true, "compress": false}, Args: []any{"e", 1}},
		{Do: "emit", Namespace: "/admin", Rooms: []string{"a"}, Args: []any{"e", 1}},
		{Do: "join", Rooms: []string{"a", "b"}, Except: []string{"ä#"}, Args: []any{"r1", "r2"}},
		{Do: "leave", Rooms: []string{"a"}, Args: []any{"r1"}},
		{Do: "disconnect", Rooms: []string{"a"}},
		{Do: "disconnect", Rooms: []string{"a"}, Close: true},
		{Do: "join", Namespace: "/admin", Args: []any{"r1"}},
		{Do: "serverEmit", Args: []any{"news", 1, "<&>", nil, map[string]any{"deep": []any{1.5}}}},
		{Do: "serverEmit", Namespace: "/admin", Args: []any{"hello"}},
		{Do: "ack", Rooms: []string{"a"}, Flags: map[string]any{"timeout": 900}, Args: []any{"ask", bytesOf(1), "ü"}},
		{Do: "ack", Flags: map[string]any{"timeout": 900}, Args: []any{"ask"}},
		{Do: "fetch", Rooms: []string{"a", "b#"}, Except: []string{"c"}, Flags: map[string]any{"timeout": 900}},
		{Do: "serverAsk", Args: []any{"question", "q"}},
	}
	ctx := context.Background()
	ear := client.PSubscribe(ctx)
	DeferCleanup(ear.Close)
	if mode == "sharded" { // where there are no patterns
		channels := []string{"socket.io#/#", "socket.io#/admin#"}
		for _, c := range calls {
			if len(c.Rooms) == 1 {
				channels = append(channels, "socket.io#"+cmp.Or(c.Namespace, "/")+"#"+c.Rooms[0]+"#")
			}
		}
		for _, channel := range channels {
			Expect(ear.SSubscribe(ctx, channel)).To(Succeed())
			_, err := ear.Receive(ctx)
			Expect(err).NotTo(HaveOccurred())
		}
	} else {
		Expect(ear.PSubscribe(ctx, "*")).To(Succeed())
		_, err := ear.Receive(ctx)
		Expect(err).NotTo(HaveOccurred())
	}
	messages := ear.Channel()
	published := func() sent {
		GinkgoHelper()
		for {
			var m *goredis.Message
			Eventually(messages).Should(Receive(&m))
			if !strings.Contains(m.Channel, "-response#") {
				return sent{m.Channel, ids.ReplaceAllString(latin(m.Payload), "…")}
			}
		}
	}
	for _, c := range calls {
		if mode == "sharded" && (c.Do == "ack" || c.Do == "serverAsk") {
			continue // the same keys in another order; seen in the specs of both together
		}
		n.tell(c) // in sharded mode our ear counts as a server, which never answers
		theirs := published()
		within, cancel := context.WithTimeout(ctx, time.Second)
		perform(within, s, c)
		cancel()
		Expect(published()).To(Equal(theirs), "%+v", c)
	}
},
	Entry("in the classic mode", "classic"),
	Entry("in the sharded mode", "sharded"),
)
