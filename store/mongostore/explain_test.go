package mongostore

import (
	"context"
	"fmt"
	"slices"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.mongodb.org/mongo-driver/v2/bson"
	driverevent "go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/test/wire"
)

// asked are the questions that a store has sent to the database.
type asked struct {
	mu  sync.Mutex
	all []bson.D
}

// listen lets a store ask through a client that notes what it asks.
func (a *asked) listen(s *Store) {
	GinkgoHelper()
	client, err := mongo.Connect(options.Client().ApplyURI(s.opts.URL).SetMonitor(&driverevent.CommandMonitor{
		Started: func(_ context.Context, e *driverevent.CommandStartedEvent) {
			var command bson.D
			if e.CommandName != "find" || bson.Unmarshal(e.Command, &command) != nil {
				return
			}
			a.mu.Lock()
			defer a.mu.Unlock()
			a.all = append(a.all, slices.DeleteFunc(command, func(e bson.E) bool {
				return e.Key == "lsid" || e.Key == "txnNumber" || e.Key[0] == '$'
			}))
		},
	}))
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func(ctx SpecContext) { _ = client.Disconnect(ctx) })
	for _, c := range []**mongo.Collection{&s.latest, &s.history, &s.heads, &s.outcomes, &s.chunks, &s.marks, &s.ledgers, &s.records} {
		*c = client.Database(s.Database().Name()).Collection((*c).Name())
	}
}

// take returns what was asked since the last take.
func (a *asked) take() []bson.D {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.all
	a.all = nil
	return all
}

// plan is what the server says of a question.
type plan struct {
	Planner    bson.Raw `bson:"queryPlanner"`
	Statistics struct {
		Documents int64 `bson:"totalDocsExamined"`
	} `bson:"executionStats"`
}

var _ = Describe("the questions about the past", Ordered, ContinueOnFailure, func() {
	var (
		s    *Store
		a    asked
		rows = 2000
	)
	BeforeAll(func(ctx SpecContext) {
		server := wire.Start(GinkgoTB())
		AddReportEntry("server", server.Name+"; FerretDB explains nothing of its indexes")
		s = open(server.Database("explain"))
		var documents, chunks, intervals, records []any
		for i := range rows {
			source := []string{"eu-west", "us-east"}[i%2]
			in, err := prepare(store.Sample{API: "acme", Source: source, Data: []byte(fmt.Sprint(i)), At: minutes(i)})
			Expect(err).NotTo(HaveOccurred())
			documents = append(documents, in.row(bson.NewObjectID()))
			at := regionID{"acme", source}.filter()
			intervals = append(intervals, append(slices.Clone(at), bson.E{Key: "from", Value: minutes(i)}, bson.E{Key: "to", Value: minutes(i + 2)}))
			chunks = append(chunks, append(slices.Clone(at), bson.E{Key: "field", Value: fmt.Sprint("f", i%10)}, bson.E{Key: "tier", Value: "1m"},
				bson.E{Key: "start", Value: minutes(60 * i)}, bson.E{Key: "data", Value: []byte{1}}))
			record := incidentOf(i, 1)
			record.API = []string{"acme", "other"}[i%2]
			records = append(records, newRecord(record))
		}
		for c, all := range map[*mongo.Collection][]any{s.history: documents, s.outcomes: intervals, s.chunks: chunks, s.records: records} {
			_, err := c.InsertMany(ctx, all)
			Expect(err).NotTo(HaveOccurred())
		}
		Expect(s.PutOutcomes(ctx, 1, []store.Interval{intervalOf(rows, rows+1, store.StateUp)})).To(Succeed())
		Expect(put(ctx, s, 1, minutes(0))).To(Succeed())
		Expect(s.PutLedger(ctx, ledgerOf(1, 1, `{}`))).To(Succeed())
		a.listen(s)
	})

	DescribeTable("use an index, and look at little more than they answer", func(ctx SpecContext, ask func(context.Context) (int, error)) {
		answers, err := ask(ctx)
		Expect(err).NotTo(HaveOccurred())
		all := a.take()
		Expect(all).NotTo(BeEmpty())
		for _, question := range all {
			var p plan
			err := s.Database().RunCommand(ctx, bson.D{{Key: "explain", Value: question}, {Key: "verbosity", Value: "executionStats"}}).Decode(&p)
			if code(err) == codeCommandNotFound || code(err) == codeNotImplemented {
				Skip("the server does not explain: " + err.Error())
			}
			Expect(err).NotTo(HaveOccurred())
			Expect(p.Planner.String()).To(MatchRegexp(`"(IXSCAN|IDHACK|EXPRESS\w*)"`), "%v", question)
			Expect(p.Planner.String()).NotTo(ContainSubstring("COLLSCAN"), "%v", question)
			// Not every server reads in the order of an index up to a limit.
			if !slices.ContainsFunc(question, func(e bson.E) bool { return e.Key == "limit" }) {
				Expect(p.Statistics.Documents).To(BeNumerically("<=", 2*answers+2), "%v", question)
			}
		}
	},
		Entry("rows behind a row, oldest first", scanOf(&s, store.Query{API: "acme", Source: "eu-west", OldestFirst: true, Limit: 50})),
		Entry("rows behind a row, newest first", scanOf(&s, store.Query{API: "acme", Source: "eu-west", Limit: 50})),
		Entry("intervals of a time", func(ctx context.Context) (n int, err error) {
			err = s.ScanOutcomes(ctx, "acme", "eu-west", minutes(500), minutes(520), func(store.Interval) error { n++; return nil })
			return n, err
		}),
		Entry("the last interval", func(ctx context.Context) (int, error) {
			_, err := s.LastOutcome(ctx, "acme", "eu-west")
			return 1, err
		}),
		Entry("chunks of a time", func(ctx context.Context) (n int, err error) {
			q := store.ChunkQuery{API: "acme", Source: "eu-west", Field: "f2", Tier: store.TierMinute, From: minutes(60 * 500), To: minutes(60 * 600)}
			err = s.ScanChunks(ctx, q, func(store.Chunk) error { n++; return nil })
			return n, err
		}),
		Entry("a ledger", func(ctx context.Context) (int, error) {
			_, err := s.Ledger(ctx, "acme")
			return 1, err
		}),
		Entry("records of a time", recordsOf(&s, store.RecordQuery{Kind: store.RecordIncident, From: minutes(500), To: minutes(520), Limit: 100})),
		Entry("records of a time of one API", recordsOf(&s, store.RecordQuery{Kind: store.RecordIncident, API: "acme", From: minutes(500), To: minutes(520), Limit: 100})),
		Entry("records behind a record", recordsOf(&s, store.RecordQuery{Kind: store.RecordIncident, API: "acme", From: minutes(500), Before: incidentOf(520, 1).Place(), Limit: 100})),
		Entry("one record", recordsOf(&s, store.RecordQuery{Kind: store.RecordIncident, API: "acme", ID: "i500", Limit: 1})),
		Entry("the mark", func(ctx context.Context) (int, error) {
			_, err := s.Mark(ctx, "acme", "eu-west")
			return 1, err
		}),
	)
})

// scanOf asks for a page behind the row of a time in the middle.
func scanOf(s **Store, q store.Query) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		id := bson.RawValue{Type: bson.TypeObjectID, Value: make([]byte, 12)}
		q.After = rowID{at: minutes(1000).UnixMilli(), dated: true, id: id}.String()
		rows, err := store.History(ctx, *s, q)
		return len(rows), err
	}
}

func recordsOf(s **Store, q store.RecordQuery) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		all, err := (*s).FindRecords(ctx, q)
		return len(all), err
	}
}
