package mongostore

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/storetest"
	"github.com/devops-insights/devops-insights/test/wire"
)

func open(uri string, change ...func(*Options)) *Store {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	o := Options{URL: uri, MaxAwait: 100 * time.Millisecond}
	for _, f := range change {
		f(&o)
	}
	s, err := Open(ctx, o)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(s.Close)
	return s
}

var _ = Describe("MongoDB", Ordered, ContinueOnFailure, func() {
	var server *wire.Server
	count := 0
	BeforeAll(func() {
		server = wire.Start(GinkgoTB())
		AddReportEntry("server", server.Name)
	})
	fresh := func() string {
		count++
		return server.Database(fmt.Sprintf("store_%d_%d", os.Getpid(), count))
	}
	// The rows of the specs are older than a week: the database would delete them
	// whenever it looks.
	keep := func(o *Options) { o.Retention = 20 * 365 * 24 * time.Hour }
	storetest.Specs("MongoDB", func() storetest.Factory {
		uri := fresh()
		return func() store.Store { return open(uri, keep) }
	})

	storetest.PagingSpecs("MongoDB", func() storetest.Factory {
		uri := fresh()
		return func() store.Store { return open(uri, keep) }
	})
	storetest.PastSpecs("MongoDB", func() storetest.PastFactory {
		uri := fresh()
		return func() storetest.Past { return open(uri, keep) }
	})

	It("knows a text again that it has seen, and stores it where another instance changed the value meanwhile", func(ctx SpecContext) {
		uri := server.Database(fmt.Sprintf("seen_%d", os.Getpid()))
		a, b := open(uri), open(uri)
		save := func(s *Store, data string) bool {
			GinkgoHelper()
			changed, err := s.Save(ctx, store.Sample{API: "acme", Source: "us-east", Data: json.RawMessage(data), At: time.Now()})
			Expect(err).NotTo(HaveOccurred())
			return changed
		}
		Expect(save(a, `{"load":1.0}`)).To(BeTrue())
		Expect(save(a, `{"load":1.0}`)).To(BeFalse(), "the same text")
		Expect(save(a, `{"load":1}`)).To(BeFalse(), "the same value in another spelling")
		Expect(save(b, `{"load":2}`)).To(BeTrue())
		Expect(save(a, `{"load":1}`)).To(BeTrue(), "it is news again")
		Expect(a.latest.Drop(ctx)).To(Succeed())
		Expect(save(a, `{"load":1}`)).To(BeTrue(), "and when the database has lost it")
	})
})

// plainIndex is an index over api and source that is not unique.
func plainIndex() mongo.IndexModel {
	return mongo.IndexModel{Keys: bson.D{{Key: "api", Value: 1}, {Key: "source", Value: 1}}}
}
