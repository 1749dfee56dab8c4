package mongostore

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/test/wire"
)

// kept is what mongoose finds in the database.
type kept struct {
	Source, Text, Hash   string
	CreatedAt, UpdatedAt time.Time
	Version              *int
}

// node runs the Node backend's models on the database.
func node(uri string, args ...string) (latest, history []kept) {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", append([]string{"mongoose.mjs", uri}, args...)...)
	cmd.Dir = "../../test/js"
	cmd.Stderr = GinkgoWriter
	out, err := cmd.Output()
	Expect(err).NotTo(HaveOccurred(), "%s; make deps says what is missing", out)
	var found struct{ Latest, History []kept }
	Expect(json.Unmarshal(out, &found)).To(Succeed(), "%s", out)
	return found.Latest, found.History
}

var _ = Describe("a database shared with mongoose", Ordered, ContinueOnFailure, func() {
	var server *wire.Server
	BeforeAll(func() {
		server = wire.Start(GinkgoTB())
		AddReportEntry("server", server.Name)
	})
	const odd = `{"n":[0,-1,2147483648,0.1,1e21,1e-7,9007199254740991],"s":"\u2028<&>é\"","z":null,"a":{"b":[[null,[]],{}],"10":1,"2":2},"d":"2026-11-24T03:45:01.123Z"}`

	It("is taken over as Node left it, by bytes, and goes on", func(ctx SpecContext) {
		uri := server.Database("takeover")
		payload, err := os.ReadFile("../../test/contract/testdata/payload-us-east.json")
		Expect(err).NotTo(HaveOccurred())
		latest, history := node(uri, "save", `[{"source":"us-east","data":`+string(payload)+`},{"source":"eu-west","data":`+odd+`}]`)
		s := open(uri)
		all, err := s.AllLatest(ctx, "acme")
		Expect(err).NotTo(HaveOccurred())
		Expect(all).To(HaveLen(len(latest)))
		for i, m := range all {
			Expect([]any{m.Source, string(m.Data), m.Hash, m.CreatedAt, m.UpdatedAt}).To(Equal(
				[]any{latest[i].Source, latest[i].Text, latest[i].Hash, latest[i].CreatedAt, latest[i].UpdatedAt}))
			Expect(store.Hash(m.Data)).To(Equal(m.Hash))
		}
		rows, err := store.History(ctx, s, store.Query{API: "acme", Limit: 10})
		Expect(err).NotTo(HaveOccurred())
		Expect(rows).To(HaveLen(len(history)))
		for i, m := range rows {
			Expect([]any{m.Source, string(m.Data), m.CreatedAt}).To(Equal([]any{history[i].Source, history[i].Text, history[i].CreatedAt}))
		}
		changed, err := s.Save(ctx, store.Sample{API: "acme", Source: "eu-west", Data: json.RawMessage(odd), At: time.Now()})
		Expect(err).NotTo(HaveOccurred())
		Expect(changed).To(BeFalse(), "the value that Node stored last is no change")
	})

	It("is given back as Node would have left it", func(ctx SpecContext) {
		uri := server.Database("giveback")
		s := open(uri)
		for _, data := range []string{`1`, odd} {
			Expect(s.Save(ctx, store.Sample{API: "acme", Source: "eu-west", Data: json.RawMessage(data), At: time.Now()})).To(BeTrue())
		}
		ours, err := s.Latest(ctx, "acme", "eu-west")
		Expect(err).NotTo(HaveOccurred())
		latest, history := node(uri, "read")
		Expect(latest).To(HaveLen(1))
		Expect(latest[0].Text).To(Equal(string(ours.Data)))
		Expect(*latest[0].Version).To(BeZero())
		Expect(latest[0].Hash).To(Equal(ours.Hash))
		Expect(history).To(HaveLen(2))
		again, _ := node(uri, "save", `[{"source":"eu-west","data":`+odd+`}]`)
		Expect(again[0].Hash).To(Equal(ours.Hash), "Node sees no change in it")
		var types struct {
			Data struct {
				N []bson.RawValue `bson:"n"`
			} `bson:"data"`
		}
		Expect(s.latest.FindOne(ctx, bson.D{}).Decode(&types)).To(Succeed())
		Expect([]bson.Type{types.Data.N[0].Type, types.Data.N[2].Type}).To(Equal([]bson.Type{bson.TypeInt32, bson.TypeDouble}))
	})

	It("announces what Node stores", func() {
		uri := server.Database("beside")
		s := open(uri)
		h := follow(s)
		save(s, "eu-west", 1)
		node(uri, "save", `[{"source":"eu-west","data":2},{"source":"us-east","data":{"a":[1]}},{"source":"eu-west","data":3}]`)
		Eventually(h.all, "20s").Should(Equal([]string{"eu-west 1", "eu-west 2", `us-east {"a":[1]}`, "eu-west 3"}))
	})
})

var _ = Describe("indexes", Ordered, ContinueOnFailure, func() {
	var server *wire.Server
	BeforeAll(func() { server = wire.Start(GinkgoTB()) })

	It("are made once, with the names that mongoose gives them", func(ctx SpecContext) {
		uri := server.Database("indexes")
		s := open(uri)
		open(uri)
		names := func(have []indexSpec, err error) (all []string) {
			Expect(err).NotTo(HaveOccurred())
			for _, x := range have {
				all = append(all, x.Name)
			}
			return all
		}
		Expect(names(existing(ctx, s.latest))).To(ConsistOf("_id_", "api_1_source_1"))
		Expect(names(existing(ctx, s.history))).To(ConsistOf("_id_", "api_1_source_1_createdAt_-1", "createdAt_1"))
	})

	It("that are not unique where they must be are refused with the command that mends it", func(ctx SpecContext) {
		uri := server.Database("conflict")
		s := open(uri)
		Expect(s.latest.Indexes().DropOne(ctx, "api_1_source_1")).To(Succeed())
		_, err := s.latest.Indexes().CreateOne(ctx, plainIndex())
		Expect(err).NotTo(HaveOccurred())
		_, err = Open(ctx, Options{URL: uri})
		Expect(err).To(MatchError(ContainSubstring(`db.metrics_latest.dropIndex("api_1_source_1")`)))
	})

	It("cannot be made over documents that stand twice, and the error says so", func(ctx SpecContext) {
		uri := server.Database("twice")
		s := open(uri)
		Expect(s.latest.Indexes().DropOne(ctx, "api_1_source_1")).To(Succeed())
		for range 2 {
			_, err := s.latest.InsertOne(ctx, bson.D{{Key: "api", Value: "acme"}, {Key: "source", Value: "eu-west"}})
			Expect(err).NotTo(HaveOccurred())
		}
		_, err := Open(ctx, Options{URL: uri})
		Expect(err).To(MatchError(ContainSubstring("several documents of one api and source")))
	})
})

var _ = Describe("opening", func() {
	DescribeTable("fails with a sentence and without the password", func(url, part string) {
		_, err := Open(context.Background(), Options{URL: url, ConnectTimeout: 200 * time.Millisecond})
		Expect(err).To(MatchError(ContainSubstring(part)))
		Expect(err.Error()).NotTo(ContainSubstring("hunter2"))
	},
		Entry("nobody there", "mongodb://user:hunter2@127.0.0.1:1/x?authSource=admin", "refuses the connection"),
		Entry("not a URL", "mongodb://user:hunter2@", "DATABASE_URL cannot be used"),
	)
})
