package boltstore

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	bolt "go.etcd.io/bbolt"
	"golang.org/x/time/rate"

	"github.com/devops-insights/devops-insights/store"
)

func newWrite(source, data string) *write {
	return &write{
		sample: store.Sample{API: "acme", Source: source, Data: json.RawMessage(data), At: time.Now()},
		hash:   store.Hash([]byte(data)), done: make(chan struct{}),
	}
}

var _ = Describe("one commit of many saves", func() {
	It("is made without those that cannot be written", func(ctx SpecContext) {
		s := open(Options{Path: temporary(), Retention: -1})
		changes := s.feed.Listen()
		defer changes.Close()
		var batch []*write
		for n := range 60 {
			source := fmt.Sprint("region-", n)
			if n == 0 || n == 30 || n == 59 {
				source = strings.Repeat("x", bolt.MaxKeySize)
			}
			batch = append(batch, newWrite(source, `1`))
		}
		s.commit(batch)
		for n, w := range batch {
			Expect(w.done).To(BeClosed())
			if n == 0 || n == 30 || n == 59 {
				Expect(w.err).To(MatchError(store.ErrRefused))
				Expect(w.changed).To(BeFalse())
				continue
			}
			Expect(w.err).NotTo(HaveOccurred())
			Expect((<-changes.Changes()).Source).To(Equal(w.sample.Source))
		}
		Expect(s.AllLatest(ctx, "acme")).To(HaveLen(57))
		Expect(store.History(ctx, s, store.Query{API: "acme", Limit: 100})).To(HaveLen(57))
	})

	It("is made in parts when the file does not take it as a whole", func(ctx SpecContext) {
		s := open(Options{Path: temporary(), Retention: -1})
		Expect(s.Save(ctx, store.Sample{API: "acme", Source: "first", Data: json.RawMessage(`1`)})).To(BeTrue())
		s.db.MaxSize = 1 << 20 // as if the disk had no more room
		batch := []*write{newWrite("a", `1`), newWrite("b", `"`+strings.Repeat("x", 2<<20)+`"`), newWrite("c", `3`)}
		s.commit(batch)
		Expect(batch[0].err).NotTo(HaveOccurred())
		Expect(batch[1].err).NotTo(HaveOccurred())
		Expect(batch[2].err).NotTo(HaveOccurred())
		Expect(s.AllLatest(ctx, "acme")).To(HaveLen(3), "all but the one for which there is no room")
		Expect(s.Stats()).To(And(HaveField("Pending", 1), HaveField("Cause", "the file cannot be written")), "it waits in memory")
	})

	It("counts for nothing when it is full, whenever it became so", func() {
		s := &Store{writes: make(chan *write, 2*maxBatch), stop: make(chan struct{})}
		fill := func(n int) {
			for range n {
				s.writes <- newWrite("us-east", `1`)
			}
		}
		pace := rate.NewLimiter(rate.Every(time.Hour), 1)
		fill(maxBatch - 1)
		Expect(s.gather(newWrite("us-east", `1`), pace)).To(HaveLen(maxBatch))
		Expect(pace.Tokens()).To(BeNumerically("~", 1, 0.01), "it was full at once")
		Expect(s.gather(newWrite("us-east", `1`), pace)).To(HaveLen(1))
		Expect(pace.Tokens()).To(BeNumerically("~", 0, 0.01), "one that is not counts")
		gathered := make(chan []*write)
		go func() { gathered <- s.gather(newWrite("us-east", `1`), pace) }()
		Eventually(pace.Tokens).Should(BeNumerically("<", -0.5), "it waits for its turn")
		fill(maxBatch - 1)
		Eventually(gathered).Should(Receive(HaveLen(maxBatch)))
		Expect(pace.Tokens()).To(BeNumerically("~", 0, 0.01), "it became full while it waited")
	})
})

var _ = Describe("names that are no keys", func() {
	DescribeTable("are refused with a sentence", func(api, source string) {
		s := open(Options{Path: temporary(), Retention: -1})
		_, err := s.Save(context.Background(), store.Sample{API: api, Source: source, Data: json.RawMessage(`1`)})
		Expect(err).To(MatchError(store.ErrRefused))
	},
		Entry("no api", "", "us-east"), Entry("no source", "acme", ""), Entry("a zero byte", "acme", "us\x00east"),
		Entry("longer than a key", "acme", strings.Repeat("x", bolt.MaxKeySize-20)),
	)
})

var _ = Describe("rows that older versions stored", func() {
	It("with bytes that are not UTF-8 read with U+FFFD, and polling the same value is no change", func(ctx SpecContext) {
		path := temporary()
		s := open(Options{Path: path, Retention: -1})
		old := newWrite("us-east", "{\"city\":\"S\xe3o\"}")
		s.commit([]*write{old}) // beside Save, which mends
		Expect(old.changed).To(BeTrue())
		Expect(s.Close()).To(Succeed())
		s = open(Options{Path: path, Retention: -1})
		const want = "{\"city\":\"S\ufffdo\"}"
		latest, err := s.Latest(ctx, "acme", "us-east")
		Expect(err).NotTo(HaveOccurred())
		all, err := s.AllLatest(ctx, "acme")
		Expect(err).NotTo(HaveOccurred())
		rows, err := store.History(ctx, s, store.Query{API: "acme", Limit: 10})
		Expect(err).NotTo(HaveOccurred())
		snapshot, err := s.snapshot()
		Expect(err).NotTo(HaveOccurred())
		for _, m := range append(append(append(all, rows...), snapshot...), latest) {
			Expect(string(m.Data)).To(Equal(want))
			Expect(m.Hash).To(Equal(store.Hash([]byte(want))))
		}
		for _, data := range []string{want, "{\"city\":\"S\xe3o\"}"} {
			for range 2 {
				Expect(s.Save(ctx, store.Sample{API: "acme", Source: "us-east", Data: json.RawMessage(data), At: time.Now()})).To(BeFalse())
			}
		}
	})

	It("that are damaged are replaced by the next value", func(ctx SpecContext) {
		s := open(Options{Path: temporary(), Retention: -1})
		Expect(s.db.Update(func(tx *bolt.Tx) error {
			return tx.Bucket(bucketLatest()).Put(latestKey("acme", "us-east"), []byte{0xff})
		})).To(Succeed())
		Expect(s.Save(ctx, store.Sample{API: "acme", Source: "us-east", Data: json.RawMessage(`1`), At: time.Now()})).To(BeTrue())
		Expect(s.AllLatest(ctx, "acme")).To(HaveLen(1))
	})
})
